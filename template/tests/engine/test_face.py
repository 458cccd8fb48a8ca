"""The face: what an agent's files may import, and what importing it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import agent
from agent import engine

PACKAGE = Path(agent.__file__ or "").parent
LAYERS = "main build parts cli evals runners people llms stores loop context settings log".split()
OTHERS = ("engine", "adapters", "app.py", "__init__.py")
OWN = [path for path in PACKAGE.iterdir() if path.name not in OTHERS]
FILES = sorted(
    file for path in OWN for file in (path.rglob("*.py") if path.is_dir() else [path])
    if file.suffix == ".py"
)  # fmt: skip


@pytest.mark.parametrize("name", engine.__all__)
def test_every_word_of_the_face_is_there(name: str) -> None:
    assert getattr(engine, name) is not None


def test_a_word_that_is_not_in_the_face_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Framework'"):
        engine.Framework  # noqa: B018


def test_importing_the_face_imports_nothing_that_is_slow() -> None:
    code = "import sys, agent.engine; print({'pydantic', 'typer', 'asyncio'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_the_help_of_the_program_imports_nothing_that_is_slow() -> None:
    code = """if True:
        import atexit, sys
        slow = {"pydantic", "rich", "fastapi", "openai", "agent.app"}
        atexit.register(lambda: print(slow & {*sys.modules}, file=sys.stderr))
        sys.argv = ["agent", "--help"]
        from agent.engine.main import main
        main()
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == "set()\n"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_an_agent_imports_the_face_and_its_own_files_only(file: Path) -> None:
    """And the face of a part, such as `..engine.mcp`."""
    place = file.relative_to(PACKAGE).parts
    own = f"agent.{place[0].removesuffix('.py')}"
    for module in imports(file):
        rooms = module.split(".")
        if module.startswith("agent") and not f"{module}.".startswith(f"{own}."):
            assert rooms[:2] == ["agent", "engine"], module
            assert rooms[2:] == [] or (len(rooms) == 3 and rooms[2] not in LAYERS), module


def imports(file: Path) -> list[str]:
    """Return the modules that a file imports from, absolute."""
    package = ["agent", *file.relative_to(PACKAGE).parts[:-1]]
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    found = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            found.append(".".join([*base, *filter(None, [node.module])]))
    return found

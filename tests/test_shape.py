"""The rules of taste: sizes, the two rooms of an agent, and what each module says of itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from create_12_factor_agent import engine

from . import variants
from .conftest import FULL, ROOT, checked_in
from .menu import Answers

AGENT = ROOT / "template/src/agent"
ENGINE = AGENT / "engine"
OURS = ROOT / "src"

CORE = ("log", "context", "loop")
CORE_LINES = 2090
"""Of code, in these folders together; see docs/decisions.md for what counts."""

MEDIAN = 90
"""How long the modules of the engine are, and of this program, half of them at most."""

MODULE, FUNCTION = 250, 40
"""What is longer needs a reason: here, and in the commit that made it so."""

LONG: dict[str, str] = {}
"""Longer modules and functions, with their reasons."""

ADAPTER_LINES = 92
"""Of code in an adapter of a model; what they share stands beside them."""

FILES, FEWEST_FILES, FEWEST_LINES = 233, 179, 9390
"""Files of the default agent; files, and lines of code, of the smallest. Without docs; see
docs/decisions.md for what decides them."""

MINIMAL = variants.SMALLEST | {"llm": ["openai"]}


def modules(*folders: Path) -> list[Path]:
    """Return the Python people wrote, without the list of parts, which is a template."""
    files = [ROOT / name for name in checked_in() if name.endswith(".py")]
    return [path for path in files if any(path.is_relative_to(folder) for folder in folders)]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


# -- sizes -----------------------------------------------------------------------------------


def test_the_code_of_the_core_fits_in_a_head() -> None:
    """What explains is not counted: blank lines and docstrings."""
    core = modules(*(ENGINE / folder for folder in CORE))
    assert sum(lines_of_code(path.read_text("utf-8")) for path in core) <= CORE_LINES


@pytest.mark.parametrize("folder", [ENGINE, OURS], ids=["engine", "program"])
def test_most_modules_are_short(folder: Path) -> None:
    assert median(map(length, modules(folder))) <= MEDIAN


def test_what_is_long_has_a_reason() -> None:
    ours = modules(AGENT, OURS)
    long = [name(path) for path in ours if length(path) > MODULE]
    long += [
        f"{name(path)}:{node.name}"
        for path in ours
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body(node) > FUNCTION
    ]
    assert sorted(long) == sorted(LONG)
    assert all(LONG.values())


@pytest.mark.parametrize("part", FULL["llm"])
def test_an_adapter_of_a_model_is_thin(part: str) -> None:
    assert lines_of_code((ENGINE / f"llms/{part}.py").read_text("utf-8")) <= ADAPTER_LINES


def test_the_default_agent_has_few_files(newest: Path, tmp_path: Path) -> None:
    assert len(rendered(newest, tmp_path, variants.DEFAULT)) <= FILES


def test_the_smallest_agent_has_very_few_files(newest: Path, tmp_path: Path) -> None:
    assert len(rendered(newest, tmp_path, MINIMAL)) <= FEWEST_FILES


def test_the_smallest_agent_has_little_code(newest: Path, tmp_path: Path) -> None:
    files = rendered(newest, tmp_path, MINIMAL)
    source = [path for path in files if "src" in path.parts and path.suffix == ".py"]
    assert sum(lines_of_code(path.read_text("utf-8")) for path in source) <= FEWEST_LINES


def rendered(template: Path, folder: Path, answers: Answers) -> list[Path]:
    """Render an agent, and return its files without those of `docs/`."""
    place = folder / "my-agent"
    engine.render(template, place, answers | {"project_name": "my-agent"})
    files = [path for path in place.rglob("*") if path.is_file()]
    return [path for path in files if not path.is_relative_to(place / "docs")]


def length(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines after its docstring: a signature of many flags is no complexity."""
    inner = node.body[1:] if ast.get_docstring(node) else node.body
    return (inner[-1].end_lineno or 0) - inner[0].lineno + 1 if inner else 0


def lines_of_code(text: str) -> int:
    """Count the lines that are neither blank nor a docstring of a module, class or field."""
    said = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    written = {number for number, line in enumerate(text.splitlines(), 1) if line.strip()}
    return len(written - said)


def test_blank_lines_and_docstrings_are_no_code() -> None:
    text = '"""Say."""\n\nimport io\n\nx = 1\n"""A field\n\nof two."""\ny = (\n    "x"\n)\n'
    assert lines_of_code(text) == 5


# -- two rooms -------------------------------------------------------------------------------


def test_an_agent_is_beside_the_engine(newest: Path, tmp_path: Path) -> None:
    engine.render(newest, tmp_path, variants.DEFAULT | {"project_name": "my-agent"})
    there = {path.name for path in (tmp_path / "src/agent").iterdir()}
    assert there == {"__init__.py", "app.py", "deploy", "engine"}


def test_an_agent_s_files_import_only_the_face_of_the_engine_and_each_other() -> None:
    files = [path for path in modules(AGENT) if not path.is_relative_to(ENGINE)]
    agents = [path for path in files if path.parent != AGENT]
    assert agents
    for path in agents:
        folder = ".".join(path.relative_to(AGENT.parent).parts[:2])
        ours = [one for one in imported(path) if one.startswith("agent")]
        assert [
            one for one in ours if one != "agent.engine" and not f"{one}.".startswith(f"{folder}.")
        ] == [], name(path)


def test_the_engine_imports_no_agent_and_only_its_entry_point_the_app() -> None:
    for path in modules(ENGINE):
        beyond = {
            one
            for one in imported(path)
            if one.startswith("agent") and not f"{one}.".startswith("agent.engine.")
        }
        assert beyond <= ({"agent.app"} if path == ENGINE / "main.py" else set()), name(path)


def imported(path: Path) -> Iterator[str]:
    """Give the modules that a module of the agent imports from, absolute; anywhere in it."""
    package = path.relative_to(AGENT.parent).with_suffix("").parts[:-1]
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*start, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            is_module = [(AGENT.parent / one.replace(".", "/")) for one in names]
            found = [
                one
                for one, place in zip(names, is_module, strict=True)
                if place.is_dir() or place.with_suffix(".py").is_file()
            ]
            yield from found or [base]


# -- what each says of itself ----------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 14))
def test_every_factor_has_a_home(number: int) -> None:
    """The first line of a module says which factor lives there; prompts have no docstring."""
    if number == 2:
        assert (AGENT / "deploy/prompts").is_dir()
        return
    homes = [
        name(path)
        for path in modules(AGENT)
        if re.match(rf"Factors? .*\b{number}\b.*:", ast.get_docstring(syntax(path)) or "")
    ]
    assert homes


def test_every_module_says_what_it_is_for() -> None:
    silent = [name(path) for path in modules(AGENT, OURS) if not ast.get_docstring(syntax(path))]
    assert silent == []


def test_comments_are_few_and_none_is_left_over() -> None:
    files = modules(ROOT / "src", ROOT / "template")
    text = "\n".join(path.read_text("utf-8") for path in files)
    assert not re.search(r"#.*\b(TODO|FIXME|XXX)\b", text)

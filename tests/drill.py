"""The drill: an owner edits a repository of an old release, then updates it to the newest."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from create_12_factor_agent import catalog

from .templates import commit, git
from .variants import SUITE

MARK = "owner's line"

_COMMENT = {".py": "#", ".toml": "#", ".yaml": "#", ".yml": "#", ".example": "#", ".md": "",
            "Makefile": "#", "Dockerfile": "#", ".gitignore": "#"}  # fmt: skip


def extras(template: Path) -> list[str]:
    """Return what each repository has: the default, and the engine's tests, to be edited too."""
    questions = catalog.questions((template / "copier.yml").read_text("utf-8"))
    default = next(question.default for question in questions if question.name == "extra")
    return [*default.split(","), SUITE]


def insert(project: Path, files: list[str]) -> None:
    """A line of one's own in every file that may have one."""
    for name in files:
        path = project / name
        sign = _COMMENT.get(path.suffix or path.name)
        if sign is None or name == ".copier-answers.yml":
            continue
        lines = path.read_text().splitlines(keepends=True)
        lines.insert(0, f"{sign} {MARK} in {name}".strip() + "\n" + ("\n" if sign == "" else ""))
        path.write_text("".join(lines))


def delete(project: Path, files: list[str]) -> None:
    """Every comment of a line of its own in the code, and a whole file."""
    for name in files:
        if name.startswith("src/") and name.endswith(".py"):
            lines = (project / name).read_text().splitlines(keepends=True)
            kept = [line for line in lines if not re.match(r"\s+# ", line)]
            (project / name).write_text("".join(kept))
    (project / "docs/factors.md").unlink()


def rename(project: Path, files: list[str]) -> None:
    """A module, with everything that imports it, and a test."""
    folder = "src/agent/engine/context"
    git(project, "mv", f"{folder}/rendering.py", f"{folder}/passages.py")
    git(project, "mv", "tests/engine/test_contracts.py", "tests/engine/test_adapters.py")
    for name in files:
        path = project / name
        if path.is_file() and path.suffix == ".py":
            path.write_text(path.read_text().replace(".rendering import", ".passages import"))


def reformat(project: Path, files: list[str]) -> None:
    """Another line length for all code."""
    code = [name for name in files if name.endswith(".py") and (project / name).is_file()]
    ruff = [
        str(Path(sys.executable).with_name("ruff")),
        "format",
        "--quiet",
        "--isolated",
        "--line-length",
        "80",
        *code,
    ]
    subprocess.run(ruff, cwd=project, check=True)


def replace(project: Path, files: list[str]) -> None:
    """All that is the owner's from the first day, and a change in the loop."""
    for name in files:
        if name.startswith(("src/agent/deploy/prompts/", "README.md")):
            (project / name).write_text(f"{MARK} in {name}\n")
    switch = project / "src/agent/deploy/control_flow.py"
    switch.write_text(f"# {MARK} in control_flow.py\n" + switch.read_text())
    loop = project / "src/agent/engine/loop/advance.py"
    loop.write_text(loop.read_text().replace("PREFETCH_S = 30.0", "PREFETCH_S = 45.0"))


EDITS: Mapping[str, Callable[[Path, list[str]], None]] = {
    "nothing": lambda _project, _files: None,
    "insert": insert,
    "delete": delete,
    "rename": rename,
    "reformat": reformat,
    "replace": replace,
}


def edit(project: Path, kind: str) -> dict[str, str]:
    """Edit a project and commit it; return its files as text."""
    EDITS[kind](project, git(project, "ls-files").splitlines())
    for name in git(project, "ls-files").splitlines():
        path = project / name
        if path.suffix == ".py" and path.is_file():
            ast.parse(path.read_text())
    commit(project, {})
    return texts(project)


def texts(project: Path) -> dict[str, str]:
    """Return the files that git would commit, as text."""
    names = git(project, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {name: (project / name).read_text() for name in names if (project / name).is_file()}


def merge(project: Path, conflicts: list[str]) -> None:
    """Merge what was left as an owner in a hurry does: the template's side, formatted as ours."""
    for name in conflicts:
        git(project, "checkout", "--theirs", "--", name)
    reformat(project, conflicts)

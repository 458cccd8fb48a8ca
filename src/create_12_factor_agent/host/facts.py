"""A Python project, as its pyproject.toml describes it. Changes nothing."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from create_12_factor_agent import source
from create_12_factor_agent.errors import UsageError

PYPROJECT = "pyproject.toml"
Tool = Literal["uv", "poetry", "pip"]

_RUNS: dict[Tool, str] = {"uv": "uv run ", "poetry": "poetry run ", "pip": ""}


@dataclass(frozen=True)
class Host:
    """A Python project."""

    path: Path
    facts: Mapping[str, Any]
    """Its pyproject.toml."""
    tool: Tool
    """What installs it."""

    def table(self, *names: str) -> Mapping[str, Any]:
        """Return a table of its pyproject.toml, empty where there is none of that name."""
        found: Any = self.facts
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        """Return the text of one of its files, empty where there is none."""
        file = self.path / name
        return file.read_text("utf-8", errors="replace") if file.is_file() else ""

    @property
    def project(self) -> Mapping[str, Any]:
        """Return what it says of itself: `[project]`, or Poetry's table."""
        return {**self.table("tool", "poetry"), **self.table("project")}

    @property
    def runs(self) -> str:
        """Return what stands before a command that runs in its environment."""
        return _RUNS[self.tool]


def read(folder: Path) -> Host:
    """Read the project in a folder.

    Raises: UsageError where there is none, or where its pyproject.toml cannot be read.
    """
    path = folder.resolve()
    if not path.is_dir():
        raise UsageError(f"The folder {path} does not exist.", "Name the folder of your project.")
    file = path / PYPROJECT
    if not file.is_file():
        new = f"To make a repository of its own instead: {source.NAME} my-agent"
        raise UsageError(f"{path} has no {PYPROJECT}.", f"Name a Python project. {new}")
    try:
        facts = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "Correct it.") from error
    return Host(path, facts, _tool(path, facts))


def _tool(path: Path, facts: Mapping[str, Any]) -> Tool:
    tools = facts.get("tool", {})
    backend = str(facts.get("build-system", {}).get("build-backend", ""))
    if (path / "poetry.lock").is_file():
        return "poetry"
    if any((folder / "uv.lock").is_file() for folder in _up_to_repository(path)):
        return "uv"
    if "poetry" in tools or backend.startswith("poetry"):
        return "poetry"
    is_new = (path / ".python-version").is_file() and not backend  # as `uv init` leaves it
    return "uv" if "uv" in tools or backend == "uv_build" or is_new else "pip"


def _up_to_repository(path: Path) -> Iterator[Path]:
    """Give a folder and those above it, as far as the repository goes."""
    for folder in (path, *path.parents):
        yield folder
        if (folder / ".git").exists():
            return

"""What a state of the template renders, file by file.

Seeds are files that the owner got on the first day and that no update changes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import catalog, engine, source, temporary
from .errors import UsageError
from .state import State
from .store import FILE, PROGRAM, File


def render(
    state: State, answers: Mapping[str, Any], stamp: tuple[str, str] | None = None
) -> dict[str, File]:
    """Render a state and return its files by name; `stamp` is for its answers file.

    Raises: UsageError on answers that do not go together, UserError where nothing is rendered.
    """
    with state.folder() as template, temporary.folder() as folder:
        try:
            engine.render(template, folder, answers)
        except UsageError as error:
            raise UsageError(error.problem, f"Put one right: {source.NAME} add PART...") from error
        if stamp:
            engine.stamp(folder, *stamp)
        return files(folder)


def files(folder: Path) -> dict[str, File]:
    """Return the files in a folder by name."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): _file(path) for path in paths}


def seeds(state: State, names: Mapping[str, object]) -> set[str]:
    """Return which of some files are seeds."""
    listed = catalog.seeds(state.read("copier.yml"))
    return {
        name
        for name in names
        if any(name == seed or name.startswith(f"{seed}/") for seed in listed)
    }


def _file(path: Path) -> File:
    return File(PROGRAM if path.stat().st_mode & 0o100 else FILE, path.read_bytes())

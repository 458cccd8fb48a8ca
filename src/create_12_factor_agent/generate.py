"""Make a repository: the whole of it, or nothing at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import engine, origin, project, temporary
from .errors import UserError
from .target import ELSEWHERE, available, publish, staging


@dataclass(frozen=True)
class Made:
    """A rendered repository."""

    path: Path
    answers: Mapping[str, Any]
    files: tuple[str, ...]
    """Relative, with slashes, sorted."""
    recreate: str
    """The name and the flags that make the same again, quoted for a shell."""
    notes: tuple[str, ...] = ()
    """What its owner should know of where it came from."""


def new(target: Path, answers: Mapping[str, Any], *, ask: bool) -> Made:
    """Make the repository `target`; with `ask`, the answers that are missing are asked for.

    Raises: UserError, and the target and its parents are as they were.
    """
    target = available(target)
    try:
        with staging(target) as folder:
            made = _render(folder / target.name, target, answers, ask=ask)
            publish(folder / target.name, target)
    except OSError as error:
        raise UserError(f"Cannot write {target}: {error.strerror}.", ELSEWHERE) from error
    return made


def plan(target: Path, answers: Mapping[str, Any], *, ask: bool) -> Made:
    """Tell what `new` would make, writing nothing near the target."""
    target = available(target)
    with temporary.folder() as folder:
        return _render(folder / target.name, target, answers, ask=ask)


def _render(staged: Path, target: Path, answers: Mapping[str, Any], *, ask: bool) -> Made:
    here = origin.here()
    with origin.template(here) as template:
        recreate = engine.render(template, staged, answers, ask=ask)["recreate"]
    engine.stamp(staged, here.url, here.ref)
    for path in (staged, *staged.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)  # a read-only installation renders read-only files
    files = [file.relative_to(staged).as_posix() for file in staged.rglob("*") if file.is_file()]
    notes = (here.note,) if here.note else ()
    return Made(target, project.at(staged).answers, tuple(sorted(files)), recreate, notes)

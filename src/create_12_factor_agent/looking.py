"""Compare a repository with the template, file by file. Changes nothing."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from . import handing, source
from .change import drafted
from .errors import UsageError
from .history import History
from .project import ANSWERS, Project
from .rendering import render, seeds


@dataclass(frozen=True)
class Comparison:
    """A file in three versions; None where there is none."""

    name: str
    place: str
    """The owner's name for it."""
    before: str
    after: str
    old: bytes | None
    new: bytes | None
    mine: bytes | None


def check(owned: Project, history: History) -> None:
    """Refuse answers that do not go together. Raises: UsageError."""
    render(history.new, owned.answers)


def states(owned: Project, history: History) -> dict[str, str]:
    """Return for each file of the template whether it is pristine, edited, deleted or yours."""
    came = render(history.old, owned.answers)
    yours = seeds(history.old, came)
    return {
        name: _state(came[name].held, _read(owned.path / name), is_seed=name in yours)
        for name in sorted(came)
        if name != ANSWERS
    }


def compare(owned: Project, history: History, file: Path) -> Comparison:
    """Return a file as the repository's version and the newer one have it, and as it is now.

    Raises: UsageError where the template has no such file.
    """
    with drafted(owned, history, {}) as draft:
        old, new, followed = draft.old, draft.new, draft.change.followed
    names = {place: name for name, place in followed.items()}
    found = (names.get(place, place) for place in _places(owned, file))
    name = next((name for name in found if name in {*old, *new}), None)
    if name is None and handing.is_adopted(owned.answers):
        # The project has its own in the place of some.
        return compare(replace(owned, answers=handing.alone(owned.answers)), history, file)
    if name is None:
        problem = f"{file} is not a file of the template."
        raise UsageError(problem, f"The files it has: {source.NAME} status --json")
    place = followed.get(name, name)
    return Comparison(
        name=name,
        place=place,
        before=history.before,
        after=history.after,
        old=old[name].held if name in old else None,
        new=new[name].held if name in new else None,
        mine=_read(owned.path / place),
    )


def _state(came: bytes, is_now: bytes | None, *, is_seed: bool) -> str:
    if is_now is None:
        return "deleted"
    if is_seed:
        return "yours"
    return "pristine" if is_now == came else "edited"


def _places(owned: Project, file: Path) -> Iterator[str]:
    """Return what a file could be called, as seen from where people are and from the top."""
    here = Path(os.path.normpath(Path.cwd() / file))
    if here.is_relative_to(owned.path):
        yield here.relative_to(owned.path).as_posix()
    yield file.as_posix()


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None

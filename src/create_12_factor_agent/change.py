"""Bring a repository to other parts or to a newer state of the template, the owner's edits kept.

Copier merges, in a draft. What it keeps silent about is found by comparing both states of the
template with what the owner has: edited files that go away, and removed files that would have
changed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import catalog, changelog, draft, engine, project, source
from .errors import UsageError
from .history import NEW, OLD, History
from .project import Project

ENV = ".env.example"

State = Mapping[str, bytes | None]
"""Files by name; None for one that is not there."""


@dataclass(frozen=True)
class Change:
    """What a change does to a repository. Files are relative to it, with slashes, sorted."""

    before: str
    after: str
    answers: Mapping[str, Any]
    files: tuple[str, ...]
    """All that become different."""
    conflicts: tuple[str, ...]
    """Changed here and there: both versions stand in the file, between markers."""
    lost: tuple[str, ...]
    """Edited by the owner, and no longer part of the template: deleted."""
    missed: tuple[str, ...]
    """Deleted by the owner, and changed in the template: still deleted."""
    news: changelog.News
    needs: tuple[str, ...]
    """The lines that `.env.example` got."""
    diff: str
    """What changed in the template, without the owner's files and edits."""


@contextmanager
def drafted(
    owned: Project, history: History, answers: Mapping[str, Any]
) -> Iterator[tuple[Change, Path]]:
    """Work out a change: what it does, and the draft to publish. Nothing is changed yet."""
    seeds = catalog.seeds(history.read(NEW, "copier.yml"))
    both = {OLD: owned.answers, NEW: {**owned.answers, **answers}}
    with draft.of(owned.path) as place:
        old, new = (
            {name: held for name, held in rendered.items() if not _is_seed(name, seeds)}
            for rendered in (_rendered(history, tag, given) for tag, given in both.items())
        )
        mine = {name: _read(place / name) for name in {*old, *new, ENV}}
        engine.stamp(place, str(history.path), OLD)
        draft.record(place)
        engine.merge(place, answers)
        engine.stamp(place, owned.src_path, history.after)
        yield _compare(history, place, mine, old, new), place


def news(history: History, answers: Mapping[str, Any]) -> changelog.News:
    """Return what the changelog says of the way from the old state to the new."""
    then, now = (history.read(tag, changelog.FILE) for tag in (OLD, NEW))
    return changelog.news(then, now, answers)


def check(owned: Project, history: History) -> None:
    """Refuse answers that do not go together. Raises UsageError."""
    _rendered(history, NEW, owned.answers)


def states(owned: Project, history: History) -> dict[str, str]:
    """Tell of each file of the template, by name, what its owner did to it."""
    came = _rendered(history, OLD, owned.answers)
    seeds = catalog.seeds(history.read(OLD, "copier.yml"))
    return {
        name: _state(came[name], _read(owned.path / name), is_seed=_is_seed(name, seeds))
        for name in sorted(came)
    }


def _state(came: bytes, is_now: bytes | None, *, is_seed: bool) -> str:
    if is_now is None:
        return "deleted"
    if is_seed:
        return "yours"
    return "pristine" if is_now == came else "edited"


def _compare(history: History, place: Path, mine: State, old: State, new: State) -> Change:
    answers = project.at(place).answers
    changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return Change(
        before=history.before,
        after=history.after,
        answers=answers,
        files=draft.changed(place),
        conflicts=draft.conflicts(place),
        lost=tuple(
            name for name in changed if name not in new and mine[name] not in (None, old[name])
        ),
        missed=tuple(name for name in changed if name in old and mine[name] is None),
        news=news(history, answers),
        needs=_added(mine[ENV], _read(place / ENV)),
        diff="".join(_diff(name, old.get(name), new.get(name)) for name in changed),
    )


def _rendered(history: History, tag: str, answers: Mapping[str, Any]) -> dict[str, bytes]:
    """Render one state of the template and return its files by name, without the answers file."""
    with history.template(tag) as template, TemporaryDirectory(prefix=f"{source.NAME}-") as folder:
        try:
            engine.render(template, Path(folder), answers)
        except UsageError as error:
            raise UsageError(error.problem, f"Put one right: {source.NAME} add PART...") from error
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    files.pop(project.ANSWERS)
    return files


def _is_seed(name: str, seeds: tuple[str, ...]) -> bool:
    return any(name == seed or name.startswith(f"{seed}/") for seed in seeds)


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _added(before: bytes | None, after: bytes | None) -> tuple[str, ...]:
    known = set((before or b"").splitlines())
    lines = (line for line in (after or b"").splitlines() if line not in known)
    return tuple(line.decode(errors="replace") for line in lines)


def _diff(name: str, before: bytes | None, after: bytes | None) -> str:
    old, new = ((side or b"").decode(errors="replace").splitlines() for side in (before, after))
    names = ("/dev/null" if before is None else f"a/{name}",
             "/dev/null" if after is None else f"b/{name}")  # fmt: skip
    lines = unified_diff(old, new, *names, lineterm="")
    return "".join(f"{line}\n" for line in lines)

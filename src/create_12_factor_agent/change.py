"""Work out what a change of parts or of the version does to a repository.

Copier renders the template's two states, and git merges the way from one to the other into what
the owner has. Seeds are on no side: what the owner got on the first day never changes, and seeds
that are new are only offered. Changes nothing; `publish` does.
"""

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import Any, TypeVar

from . import changelog, git, handing, project, temporary
from .changelog import News
from .handing import Handover
from .history import History
from .merge import Merged, merge
from .project import ANSWERS, Project
from .rendering import render, seeds
from .sides import Files, with_endings_of
from .store import Entry, File, Store, Tree, entries

ENV = ".env.example"

_T = TypeVar("_T")


@dataclass(frozen=True)
class Change:
    """What a change does to a repository. Files are relative to it, with slashes, sorted."""

    before: str
    after: str
    answers: Mapping[str, Any]
    files: tuple[str, ...]
    """All that become different."""
    conflicts: tuple[str, ...]
    """Changed here and there: both versions stand in the file, between markers. One that git calls
    binary is not among `files`: the owner's version stands."""
    lost: tuple[str, ...]
    """Edited by the owner, and no longer part of the template: deleted."""
    missed: tuple[str, ...]
    """Deleted, renamed or replaced by the owner, and changed in the template: left alone."""
    followed: Mapping[str, str]
    """Renamed by the owner, and changed in the template: its name there, and here."""
    offered: tuple[str, ...]
    """New seeds: not brought, because what they belong to is the owner's."""
    news: News
    needs: tuple[str, ...]
    """The lines that `.env.example` got."""
    diff: str
    """What changed in the template, without the owner's files and edits."""
    handover: Handover | None = None
    """What is left to the owner of a project that the agent was brought into."""


@dataclass(frozen=True)
class Draft:
    """A change that was worked out, and what it takes to publish it."""

    change: Change
    store: Store
    mine: Tree
    """The owner's last commit of the repository."""
    merged: Merged
    old: Files
    """What the old state renders, seeds too."""
    new: Files


@contextmanager
def drafted(owned: Project, history: History, answers: Mapping[str, Any]) -> Iterator[Draft]:
    """Work out a change to other answers and to the newer state.

    Raises: UserError
    """
    wanted = {**owned.answers, **answers}
    old = render(history.old, owned.answers)
    new, handover = _rendered(owned, history, wanted, old)
    apart = {ANSWERS} | seeds(history.new, {**old, **new})
    with temporary.folder() as folder:
        store = Store.beside(folder / "store.git", owned.path)
        mine = entries(git.names(owned.path, "ls-tree", "-r", "-z", "HEAD"))
        sides = (_without(old, apart), _without(new, apart))
        merged = merge(store, _without(mine, apart), *sides, changelog.moves(*_texts(history)))
        merged = _with_answers(store, mine, merged, new[ANSWERS])
        change = Change(
            before=history.before,
            after=history.after,
            answers=project.parse(new[ANSWERS].held, owned.path).answers,
            files=tuple(sorted({*merged.writes, *merged.deletes})),
            conflicts=merged.conflicts,
            lost=merged.lost,
            missed=merged.missed,
            followed=merged.followed,
            offered=tuple(sorted((apart & {*new}) - {*old, *mine})),
            news=news(history, wanted),
            needs=_needs(store, mine, merged),
            diff=_diffs(*sides),
            handover=handover,
        )
        yield Draft(change, store, mine, merged, old, new)


def _rendered(
    owned: Project, history: History, wanted: Mapping[str, Any], old: Files
) -> tuple[Files, Handover | None]:
    """Return the new state, without what the project that it is a part of has in its place."""
    stamp = (owned.src_path, history.after)
    new = render(history.new, wanted, stamp)
    if not handing.is_adopted(wanted):
        return new, None
    left_out = handing.left_out(owned.path, {*new} - {*old})
    if left_out:
        answers = {**wanted, "host_files": sorted({*wanted["host_files"], *left_out})}
        new = render(history.new, answers, stamp)
    return new, handing.over(owned, history, wanted, left_out)


def news(history: History, answers: Mapping[str, Any]) -> News:
    """Return what the changelog says of the way from the old state to the new."""
    return changelog.news(*_texts(history), answers)


def diff(name: str, before: bytes | None, after: bytes | None, *labels: str) -> str:
    """Return a unified diff; None is a file that is not there. `labels` say what each side is."""
    old, new = ((side or b"").decode(errors="replace").splitlines() for side in (before, after))
    old_label, new_label = labels or ("a", "b")
    names = ("/dev/null" if before is None else f"{old_label}/{name}",
             "/dev/null" if after is None else f"{new_label}/{name}")  # fmt: skip
    lines = unified_diff(old, new, *names, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _texts(history: History) -> tuple[str, str]:
    """Return both states of the changelog."""
    return history.old.read(changelog.FILE), history.new.read(changelog.FILE)


def _without(files: Mapping[str, _T], names: Container[str]) -> dict[str, _T]:
    return {name: held for name, held in files.items() if name not in names}


def _with_answers(store: Store, mine: Tree, merged: Merged, answers: File) -> Merged:
    """Replace the answers file by the rendered one: only the commands change it."""
    like_mine = with_endings_of(_held(store, mine.get(ANSWERS)), answers.held)
    written = store.add({ANSWERS: File(answers.mode, like_mine)})
    if mine.get(ANSWERS) == written[ANSWERS]:
        return merged
    return replace(merged, writes={**merged.writes, **written})


def _held(store: Store, entry: Entry | None) -> bytes:
    return store.contents([entry.object])[entry.object] if entry else b""


def _needs(store: Store, mine: Tree, merged: Merged) -> tuple[str, ...]:
    """Return the lines that `.env.example` gets."""
    known = {*_held(store, mine.get(ENV)).splitlines()}
    lines = _held(store, merged.writes.get(ENV)).splitlines()
    return tuple(line.decode(errors="replace") for line in lines if line not in known)


def _diffs(old: Files, new: Files) -> str:
    changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    before, after = ({name: file.held for name, file in side.items()} for side in (old, new))
    return "".join(diff(name, before.get(name), after.get(name)) for name in changed)

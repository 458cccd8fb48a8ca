"""Line up the three sides of a merge, so that git merges only what is to be merged.

- A file that the template moved is moved in the base and in the owner's tree first. No other
  rename of the template's counts: one part that goes and another that comes may be alike.
- A file that the template dropped stays in its side: whether it goes is decided afterwards.
- A link, a submodule or a folder in the place of a file is the owner's, and no side of the merge.
- The template's states take the line endings of the owner's file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .store import Entry, File, Store, Tree

RENAMES = ("-M50%", "-l7000")
"""When two files count as one, and how many are compared; as in git's merge."""

Files = Mapping[str, File]


@dataclass(frozen=True)
class Sides:
    """Three trees, and how their names belong together."""

    base: Tree
    mine: Tree
    theirs: Tree
    moved: Mapping[str, str]
    """The owner's files that the template moves: from where they are to where they go."""
    renamed: Mapping[str, str]
    """The owner's renames: the template's name and the owner's."""
    changed: frozenset[str]
    """The template's files that its two states have differently."""
    dropped: frozenset[str]
    """Those of them that the new state does not have."""
    folders: frozenset[str]
    """The owner's folders."""
    hidden: frozenset[str]
    """What the owner has in the place of a file or a folder of the template."""

    def blocks(self, name: str) -> bool:
        """Return whether the owner has something else where a file of this name would go."""
        places = (name, *map(str, PurePosixPath(name).parents))
        return name in self.folders or not self.hidden.isdisjoint(places)


def line_up(store: Store, mine: Tree, old: Files, new: Files, moves: Mapping[str, str]) -> Sides:
    """Return the sides of the merge of an owner's tree with the template's way from old to new."""
    moves = _possible(moves, mine, old, new)
    old = {moves.get(name, name): file for name, file in old.items()}
    moved = {here: there for here, there in moves.items() if here in mine and mine[here].is_file}
    folders = _above(mine)
    mine = {moved.get(name, name): entry for name, entry in mine.items()}
    hidden = _hidden(mine, {*old, *new})
    mine = {name: entry for name, entry in mine.items() if name not in hidden}
    renamed = _renamed(store, store.add(old), mine)
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    taken = folders - {*renamed}
    old, new = ({name: file for name, file in side.items() if name not in taken}
                for side in (old, new))  # fmt: skip
    base, theirs = _like_mine(store, mine, renamed, old, new)
    dropped = {name: entry for name, entry in base.items() if name not in theirs}
    return Sides(
        base=base,
        mine=mine,
        theirs={**dropped, **theirs},
        moved=moved,
        renamed=renamed,
        changed=frozenset(changed),
        dropped=frozenset(dropped),
        folders=folders,
        hidden=hidden,
    )


def with_endings_of(mine: bytes, held: bytes) -> bytes:
    """Return a text with the line endings that most lines of the owner's have."""
    ending = _ending(mine)
    if not ending or b"\0" in mine + held or _ending(held) in (ending, b""):
        return held
    return re.sub(rb"\r?\n", ending, held)


def _possible(moves: Mapping[str, str], mine: Tree, old: Files, new: Files) -> dict[str, str]:
    """Return the files that move to a free place: no file, folder or link is there."""
    found, folders = {}, _above(mine)
    for name in old:
        place = _moved(name, moves)
        is_new = place in new and place not in old and name not in new
        is_free = place not in {*mine, *folders} and _above([place]).isdisjoint(mine)
        if is_new and is_free:
            found[name] = place
    return found


def _moved(name: str, moves: Mapping[str, str]) -> str:
    """Return where a file is after all moves, oldest first; a folder ends with a slash."""
    for here, there in moves.items():
        if name == here or (here.endswith("/") and name.startswith(here)):
            name = there + name.removeprefix(here)
    return name


def _hidden(mine: Tree, names: Iterable[str]) -> frozenset[str]:
    """Return what is a link or a submodule at one of the names, or anything above one."""
    names = {*names}
    above = _above(names)
    return frozenset(
        name
        for name, entry in mine.items()
        if name in above or (name in names and not entry.is_file)
    )


def _above(names: Iterable[str]) -> frozenset[str]:
    """Return the folders that names are in."""
    folders = {name.rpartition("/")[0] for name in names} - {""}
    return frozenset(
        str(above) for folder in folders for above in (folder, *PurePosixPath(folder).parents[:-1])
    )


def _renamed(store: Store, base: Tree, mine: Tree) -> dict[str, str]:
    if all(name in mine for name in base):
        return {}
    kind = ("--diff-filter=R", "--name-status")
    trees = (store.commit(base), store.commit(mine))
    facts = store.call("diff-tree", "-r", "-z", *RENAMES, *kind, *trees).split("\0")
    return dict(zip(facts[1::3], facts[2::3], strict=True))


def _like_mine(
    store: Store, mine: Tree, renamed: Mapping[str, str], old: Files, new: Files
) -> tuple[Tree, Tree]:
    """Store both states, each file with the line endings of the owner's."""
    base, theirs = store.add(old), store.add(new)
    own = {name: mine.get(renamed.get(name, name)) for name in {*old, *new}}
    edited = {
        name: entry.object
        for name, entry in own.items()
        if entry and (name not in base or entry.object != base[name].object)
    }
    held = store.contents(edited.values())

    def liken(side: Files) -> dict[str, Entry]:
        return store.add({
            name: File(side[name].mode, with_endings_of(held[identity], side[name].held))
            for name, identity in edited.items()
            if name in side
        })  # fmt: skip

    return base | liken(old), theirs | liken(new)


def _ending(held: bytes) -> bytes:
    """Return how most lines end; nothing where there is no line's end."""
    lines, windows = held.count(b"\n"), held.count(b"\r\n")
    if not lines:
        return b""
    return b"\r\n" if 2 * windows > lines else b"\n"

"""What an update must have done to the files of a project, without a look at how it does it.

It knows four trees: the template before and after, and the project before and after. What two sides
changed is merged here by `git merge-file`, a file at a time; the rest is arithmetic of sets. Each
rule returns what is wrong, in sentences.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .merging import Merged, is_binary, merges, resolve
from .trees import Entry, Tree

Problems = Iterator[str]


@dataclass(frozen=True)
class Update:
    """An update of a project, as everybody can see it."""

    old: Tree
    """The template, rendered in the version the project had."""
    new: Tree
    before: Tree
    """The project, as its owner committed it."""
    after: Tree
    seeds: tuple[str, ...] = ()
    """Where the owner is alone: what the template changes there never arrives."""
    converts: bool = False
    """The owner's git changes line endings on the way in and out."""
    private: frozenset[str] = frozenset()
    """The owner's files that are not in their last commit: they may be left, or be refused."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the program printed: the names of files, by what became of them."""

    @cached_property
    def changed(self) -> list[str]:
        """The files that the template changes, adds or drops."""
        names = sorted({*self.old, *self.new})
        return [
            name for name in names
            if self.old.get(name) != self.new.get(name) and not name.startswith(self.seeds)
        ]  # fmt: skip

    @cached_property
    def followed(self) -> dict[str, str]:
        """Files of the template that are elsewhere in the project."""
        return dict(self.told.get("followed", {}))

    def names(self, *lists: str) -> set[str]:
        return {name for one in lists for name in self.told.get(one, ())}

    def is_named(self, name: str) -> bool:
        """Tell whether the owner is told that a change is left to do."""
        places = {name, self.followed.get(name, name)}
        return bool(places & self.names("conflicts", "lost", "missed"))

    def plain(self, held: bytes) -> bytes:
        """Return a content without what the owner's git may change by itself."""
        held = re.sub(rb"\$Id:[^$\n]*\$", b"$Id$", held)
        return held.replace(b"\r\n", b"\n") if self.converts else held

    def lines(self, entry: Entry | None) -> set[bytes]:
        """Return the different lines of a file, without their ends."""
        held = self.plain(entry.held) if entry and entry.is_file else b""
        return {line.removesuffix(b"\r") for line in held.split(b"\n")} - {b""}


def at_new_places(update: Update, moves: Mapping[str, str]) -> Update:
    """Return an update as if the owner and the old template had each file where it was moved to.

    A file does not move to where the owner has something: it goes as one that is dropped, or stays
    as if it had always been the owner's.
    """
    before, after = update.before, update.after
    moved = {
        here: there for here, there in moves.items()
        if there not in before and (here not in before or not _is_blocked(update, there))
    }  # fmt: skip
    own = {here: moved[here] for here in moved if _is_file(before.get(here))}
    stay = {here for here in {*moves} - {*moved} if here in after and after[here] == before[here]}
    return replace(
        update,
        old={moved.get(name, name): one for name, one in update.old.items() if name not in stay},
        before={own.get(name, name): entry for name, entry in before.items()},
    )


def violations(update: Update) -> list[str]:
    """Return everything that is wrong with an update, nothing if it is right."""
    rules = (
        check_rest, check_changes, check_ends, check_names, check_seeds,
        lost_lines, changes_without_a_trace,
    )  # fmt: skip
    return [problem for rule in rules for problem in rule(update)]


# -- nothing is lost, nothing is kept quiet --------------------------------------------------


def lost_lines(update: Update) -> Problems:
    """Look for lines of the owner that are nowhere in the project any more."""
    template = _all_lines(update, update.old)
    left = _all_lines(update, update.after)
    for name, entry in update.before.items():
        if name in update.names("lost"):
            continue
        came = update.lines(update.old[name]) if name in update.old else template
        for line in sorted(update.lines(entry) - came - left):
            yield f"{name!r}: the owner's line {line!r} is gone"


def changes_without_a_trace(update: Update) -> Problems:
    """Look for changes of the template that are neither in the project nor named."""
    for name in update.changed:
        if not update.is_named(name) and not _arrived(update, name):
            yield f"{name!r}: the template's change is neither there nor named"


def _arrived(update: Update, name: str) -> bool:
    old, new = update.old.get(name), update.new.get(name)
    had, has = update.before.get(name), update.after.get(update.followed.get(name, name))
    if new is None:
        return not _is_file(has) or name in update.private
    if has is None or not has.is_file:
        return False
    if old and new.kind not in (old.kind, has.kind):
        return False
    if any(is_binary(entry.held) for entry in (old, new, had, has) if entry):
        same = old is not None and old.held == new.held
        return same or update.plain(has.held) == update.plain(new.held)
    return update.lines(new) - update.lines(old) <= update.lines(has)


def _all_lines(update: Update, tree: Tree) -> set[bytes]:
    return set().union(*map(update.lines, tree.values()))


# -- what the template did not change --------------------------------------------------------


def check_rest(update: Update) -> Problems:
    """Compare, byte by byte, all that the template did not change."""
    touched = {*update.changed, *update.followed.values()}
    renamed = {name for name in update.names("lost", "conflicts") if name not in update.old}
    for name in sorted({*update.before, *update.after} - touched - renamed):
        if update.before.get(name) != update.after.get(name):
            became = "is gone" if name not in update.after else "is different"
            became = "is new" if name not in update.before else became
            yield f"{name!r} {became}, and the template did not change it"


# -- what the template changed ---------------------------------------------------------------


def check_changes(update: Update) -> Problems:
    """Compare each file that the template changed with what it must be by now."""
    for name in update.changed:
        had = update.before.get(name)
        if name not in update.new:
            yield from _check_dropped(update, name)
        elif name in update.private and update.is_named(name):
            if update.after.get(name) != had:
                yield f"{name!r} is in no commit, and different"
        elif had and had.is_file:
            yield from _check_merged(update, name, name)
        elif name in update.followed:
            yield from _check_merged(update, name, update.followed[name])
            if update.after.get(name) != had:
                yield f"{name!r} came back"
        elif name in update.old or had or _is_blocked(update, name):
            yield from _check_missed(update, name)
        elif update.is_named(name) and not _has_folder(update.before, name):
            continue
        elif not _same(update, update.after.get(name), update.new[name]):
            yield f"{name!r} is new in the template, and did not arrive as it is there"


def _check_merged(update: Update, name: str, place: str) -> Problems:
    """Compare what stands at `place` with what git makes of the three versions."""
    old, new = update.old.get(name), update.new[name]
    had, has = update.before.get(place), update.after.get(place)
    if had is None:
        if not _same(update, has, new):
            yield f"{place!r} is not the template's new {name!r}"
        return
    if has is None or not has.is_file:
        yield f"{place!r} is no longer a file"
        return
    yield from _check_kind(place, old, new, had, has)
    told = place in update.names("conflicts")
    versions = [update.plain(one.held if one else b"") for one in (had, old, new)]
    if old is None and versions[0] == versions[2]:
        expected: Iterable[Merged] = [Merged(versions[0], conflicts=False)]
    elif any(map(is_binary, versions)):
        expected = [_choose(*versions)]
    elif _is_mixed(versions[0]):
        return
    else:
        expected = merges(*versions, same_ends=not update.converts)
    seen = Merged(update.plain(has.held), conflicts=told)
    if not any(_agree(seen, one) for one in expected):
        which = "conflicts" if told else "no conflicts"
        yield f"{place!r} is not what git merges, with {which} named"


def _check_kind(place: str, old: Entry | None, new: Entry, had: Entry, has: Entry) -> Problems:
    """A change of whether a file can be executed arrives, the owner's first."""
    changed = old is None or had.kind != old.kind
    if has.kind != (had.kind if changed else new.kind):
        yield f"{place!r} is a {has.kind} now"


def _check_missed(update: Update, name: str) -> Problems:
    """The owner has no file there: that stays so, and the change is named."""
    if update.after.get(name) != update.before.get(name):
        yield f"{name!r} came back"
    if not update.is_named(name):
        yield f"{name!r} did not arrive, and is not named"
    if name in update.old and name not in update.before and _twins(update, name):
        yield f"{name!r} was only renamed, and its change was not merged there"


def _check_dropped(update: Update, name: str) -> Problems:
    """What the template drops goes, and is named if the owner edited it."""
    old, had, has = update.old[name], update.before.get(name), update.after.get(name)
    if had is None or not had.is_file:
        if has != had:
            yield f"{name!r} is not of the template, and is different"
        return
    if has and name not in update.names("missed"):
        yield f"{name!r} is no longer of the template, and still there"
    alike = had.held.replace(b"\r\n", b"\n") == old.held.replace(b"\r\n", b"\n")
    if not (alike or has or name in update.names("lost")):
        yield f"{name!r} was edited and is gone, and is not named"


def check_ends(update: Update) -> Problems:
    """Whose lines end in one way keeps one way."""
    for name in update.changed:
        had, has = update.before.get(name), update.after.get(name)
        if not had or not has or is_binary(had.held) or is_binary(has.held):
            continue
        if _is_mixed(has.held) and not _is_mixed(had.held):
            yield f"{name!r} has lines with and without a carriage return now"


def _choose(mine: bytes, old: bytes, new: bytes) -> Merged:
    """Return what is left of a file that cannot be merged: the owner's, if there is one."""
    if mine == old:
        return Merged(new, conflicts=False)
    return Merged(mine, conflicts=new not in (old, mine))


def _agree(seen: Merged, expected: Merged) -> bool:
    if seen.conflicts != expected.conflicts:
        return False
    if not expected.conflicts:
        return seen.held == expected.held
    return resolve(seen.held) == resolve(expected.held)


def _same(update: Update, one: Entry | None, other: Entry) -> bool:
    if one is None or one.kind != other.kind:
        return False
    return update.plain(one.held) == update.plain(other.held)


def _is_file(entry: Entry | None) -> bool:
    return entry is not None and entry.is_file


def _is_mixed(held: bytes) -> bool:
    return b"\r\n" in held and held.count(b"\r\n") != held.count(b"\n")


def _is_blocked(update: Update, name: str) -> bool:
    """Tell whether a folder of the owner's stands at `name`, or a file where it needs a folder."""
    steps = name.split("/")
    above = {"/".join(steps[:end]) for end in range(1, len(steps))}
    return bool(above & {*update.before}) or any(
        path.startswith(f"{name}/") for path in update.before
    )


def _has_folder(tree: Tree, name: str) -> bool:
    """Tell whether anything is in the folder of a file."""
    folder = name.rpartition("/")[0]
    return any(path.startswith(f"{folder}/") for path in tree)


def _is_moved(update: Update, name: str) -> bool:
    """Tell whether the owner has something else for a file of the template, or has it elsewhere."""
    came = update.lines(update.old[name])
    own = [entry for path, entry in update.before.items() if path not in update.old]
    alike = any(2 * len(came & update.lines(entry)) >= len(came) for entry in own)
    return alike or name in update.before or _is_blocked(update, name)


def _twins(update: Update, name: str) -> list[str]:
    """Return the owner's only file that has what the template's file had, to the byte."""
    came = update.old[name]
    twins = [
        path for path, entry in update.before.items()
        if entry.is_file and entry.held == came.held and path not in update.old
    ]  # fmt: skip
    return twins if len(twins) == 1 else []


def check_seeds(update: Update) -> Problems:
    """A seed that is new is offered."""
    offered = update.names("offered")
    for name in sorted({*update.new} - {*update.old} - {*update.before} - offered):
        if name.startswith(update.seeds):
            yield f"{name!r} is a new seed, and was not offered"


# -- what is said ----------------------------------------------------------------------------


def check_names(update: Update) -> Problems:
    """Look for files that are named without a reason."""
    places = {*update.changed, *update.followed.values()}
    dropped = {name for name in update.changed if name not in update.new}
    if dropped - {*update.before}:  # the owner may have them under other names
        places |= {*update.before} - {*update.old}
    for name in sorted(update.names("conflicts") - places):
        yield f"{name!r} is among the conflicts, and the template did not change it"
    for name in sorted(update.names("lost")):
        if name in update.new or update.before.get(name) in (None, update.old.get(name)):
            yield f"{name!r} is called lost, and is not"
    for name in sorted(update.names("missed")):
        had = update.before.get(name)
        there = had and had.is_file and name not in update.private
        wanted = name in update.new or (name in update.old and _is_moved(update, name))
        if name not in update.changed or there or not wanted:
            yield f"{name!r} is called missed, and is not"
    for name, place in update.followed.items():
        had = update.before.get(name)
        if name not in update.changed or (had and had.is_file) or place not in update.after:
            yield f"{name!r} is said to be {place!r} now, and is not"

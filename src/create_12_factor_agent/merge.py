"""Merge the template's way from one state to another into an owner's tree: git's three-way merge.

Nothing of the owner's vanishes but what is named: `lost` where the template dropped a file that its
owner edited. What the template changed is in place, between markers, or named in `missed`. Knows no
working tree: `publish` carries out what is worked out here.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import git
from .errors import UserError
from .git import ALONE
from .sides import Files, Sides, line_up
from .store import Store, Tree

HOW = ("-c", "merge.directoryRenames=true", "-c", "merge.renameLimit=7000")
YOURS, TEMPLATE = "yours", "template"
"""What the markers of a conflict call each side."""

_USAGE = 129
"""How git ends on an option that it does not know."""


@dataclass(frozen=True)
class Merged:
    """What a merge does to an owner's tree."""

    writes: Tree
    """All that becomes different; a conflict has both versions between markers."""
    deletes: tuple[str, ...]
    unmerged: tuple[str, ...]
    """What the index gets for conflicts: lines of `mode object stage<TAB>name`."""
    conflicts: tuple[str, ...]
    """Changed by both. What git calls binary is not in `writes`: the owner's stays."""
    lost: tuple[str, ...]
    """Edited by the owner, and dropped by the template: deleted."""
    missed: tuple[str, ...]
    """Changed by the template, and deleted, renamed or replaced by the owner: did not arrive."""
    followed: Mapping[str, str]
    """Changed by the template, and renamed by the owner: its name there, and here."""


def merge(store: Store, mine: Tree, old: Files, new: Files, moves: Mapping[str, str]) -> Merged:
    """Merge the way from `old` to `new`, with its moves, into the owner's tree.

    Raises: UserError where git fails.
    """
    sides = line_up(store, mine, old, new, moves)
    merged, unmerged = _merge_trees(store, sides)
    stages = _stages(unmerged)
    deleted = {name for name, numbers in stages.items() if numbers == {"1", "3"}}
    gone = {name for name in sides.dropped if name in sides.mine}
    result = {name: entry for name, entry in merged.items() if name not in deleted | gone}
    places = {name: _place(name, sides, result) for name in sorted(sides.changed)}
    conflicts = {name for name, numbers in stages.items() if {"2", "3"} <= numbers}
    conflicts = {name for name in conflicts if not sides.blocks(name)}
    return Merged(
        writes={
            name: entry
            for name, entry in result.items()
            if mine.get(name) != entry and not sides.blocks(name)
        },
        deletes=tuple(sorted({*gone, *sides.moved})),
        unmerged=tuple(line for line in unmerged if line.partition("\t")[2] in conflicts),
        conflicts=tuple(sorted(conflicts)),
        lost=tuple(sorted(name for name in gone if sides.mine[name] != sides.base[name])),
        missed=tuple(name for name, place in places.items() if place is None),
        followed={name: place for name, place in places.items() if place not in (None, name)},
    )


def _place(name: str, sides: Sides, result: Tree) -> str | None:
    """Return where a change of the template's file arrived; None for nowhere."""
    if name in sides.dropped:
        return None if name in sides.renamed or sides.blocks(name) else name
    place = sides.renamed.get(name, name)
    if place in result:
        return None if sides.blocks(place) else place
    if name in sides.base:
        return None
    # The owner may have renamed its folder, where git then puts what is new in it.
    ends = f"/{name.rpartition('/')[2]}"
    alike = (new for new, entry in result.items() if entry == sides.theirs.get(name))
    return next((new for new in alike if new not in sides.mine and new.endswith(ends)), None)


def _merge_trees(store: Store, sides: Sides) -> tuple[Tree, list[str]]:
    """Return the merged tree, and the stages of what could not be merged."""
    base = store.commit(sides.base)
    for name, tree in ((YOURS, sides.mine), (TEMPLATE, sides.theirs)):
        store.call("update-ref", f"refs/heads/{name}", store.commit(tree, base))
    asked = ("merge-tree", "--write-tree", "--no-messages", "-z", YOURS, TEMPLATE)
    done = git.run(store.path, *HOW, *asked, env=ALONE)
    if done.returncode == _USAGE:
        return _merge_in_folder(store)
    if done.returncode not in (0, 1):
        raise UserError(f"git could not merge: {git.last_words(done)}", "Please report it.")
    result, *unmerged = os.fsdecode(done.stdout).split("\0")
    return store.read(result), [line for line in unmerged if line]


def _merge_in_folder(store: Store) -> tuple[Tree, list[str]]:
    """Merge as git before 2.38 can: with files in a folder of ours."""
    folder = store.path.with_name("merging")
    folder.mkdir()
    here = ALONE | {
        "GIT_DIR": str(store.path), "GIT_WORK_TREE": str(folder),
        "GIT_AUTHOR_NAME": YOURS, "GIT_AUTHOR_EMAIL": YOURS,
        "GIT_COMMITTER_NAME": YOURS, "GIT_COMMITTER_EMAIL": YOURS,
    }  # fmt: skip
    git.call(folder, "symbolic-ref", "HEAD", f"refs/heads/{YOURS}", env=here)
    git.call(folder, "reset", "--quiet", "--hard", env=here)
    done = git.run(folder, *HOW, "merge", "--no-ff", "--no-commit", "--quiet", TEMPLATE, env=here)
    if done.returncode not in (0, 1):
        raise UserError(f"git could not merge: {git.last_words(done)}", "Please report it.")
    unmerged = git.names(folder, "ls-files", "--unmerged", "-z", env=here)
    git.call(folder, "add", "--all", "--force", env=here)
    return store.read(git.call(folder, "write-tree", env=here)), unmerged


def _stages(unmerged: Iterable[str]) -> dict[str, set[str]]:
    """Return the versions of each name: 1 the base's, 2 the owner's, 3 the template's."""
    found: dict[str, set[str]] = {}
    for line in unmerged:
        facts, _, name = line.partition("\t")
        found.setdefault(name, set()).add(facts.split()[2])
    return found

"""Print what updates do to projects whose owners make it hard, ours and plain Copier's.

From the repository: `uv run python -m tests.benchmarks.owners`. `--owners` says how many there are
for each edit, `--quick` takes one of each kind, and `--each` prints a line for each edit and for
each of the surroundings.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import oracle, owners, trees
from tests.footprints import Room
from tests.oracle import Update
from tests.owners import EDITS, SURROUNDINGS, Owner, template
from tests.owners.template import MOVES, Releases
from tests.plain_git import git

USUAL = ("a line far from changes", "the line that changes")
"""What owners edit whose surroundings are looked at."""

COPIER = "import copier, sys; copier.run_update(sys.argv[1], defaults=True, overwrite=True)"
HEAD = """\
| the owner's | projects | lines lost | silent changes | stopped \
| lines lost by Copier | silent changes | stopped |
|---|--:|--:|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True)
class Count:
    lines: int
    """Lines of owners that are gone, and whose file is not named."""
    changes: int
    """Changes of the template that are neither there nor named."""
    stopped: int
    """Updates that ended with an error, and are no silence."""

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.lines + other.lines, self.changes + other.changes, self.stopped + other.stopped
        )

    def __str__(self) -> str:
        return f"{self.lines} | {self.changes} | {self.stopped}"


Measure = Callable[[Room, Owner, Releases], Count]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--owners", type=int, default=1)
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--each", action="store_true")
    flags = asked.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder).resolve()
        releases = template.release(path / "releases")
        print(HEAD, flush=True)
        for kind, drawn in _kinds(flags.owners, each=flags.each).items():
            chosen = drawn[:1] if flags.quick else drawn
            ours, theirs = (_total(way, chosen, releases, path / "room") for way in (us, copier))
            print(f"| {kind} | {len(chosen)} | {ours} | {theirs} |", flush=True)


def us(room: Room, owner: Owner, releases: Releases) -> Count:
    seen, _ = owners.update(room, owner, releases, undo=False)
    return _count(oracle.at_new_places(seen, MOVES), stopped=not seen.told)


def copier(room: Room, owner: Owner, releases: Releases) -> Count:
    seen = owners.look(room, owner, releases)
    ran = subprocess.run(
        [sys.executable, "-c", COPIER, room.project],
        cwd=room.folder, env=os.environ | {**room.variables}, stdin=subprocess.DEVNULL,
        capture_output=True, check=False,
    )  # fmt: skip
    unmerged = git(room.project, "diff", "--name-only", "--diff-filter=U", "-z", "--relative")
    told = {"conflicts": [os.fsdecode(name) for name in unmerged.split(b"\0") if name]}
    seen = replace(seen, after=trees.working_tree(room.project), told=told)
    return _count(seen, stopped=ran.returncode != 0)


def _count(seen: Update, *, stopped: bool) -> Count:
    changes = () if stopped else oracle.changes_without_a_trace(seen)
    return Count(len([*oracle.lost_lines(seen)]), len([*changes]), int(stopped))


def _total(measure: Measure, drawn: Iterable[Owner], releases: Releases, path: Path) -> Count:
    total = Count(0, 0, 0)
    for owner in drawn:
        total += measure(owners.settle(owner, releases, path), owner, releases)
        shutil.rmtree(path)
    return total


def _kinds(count: int, *, each: bool) -> Mapping[str, list[Owner]]:
    kinds = {kind: [*_owners(count, edits, ())] for kind, edits in EDITS.items()}
    kinds |= {kind: [*_owners(count, (), around)] for kind, around in SURROUNDINGS.items()}
    if not each:
        return kinds
    drawn = [owner for kind in kinds.values() for owner in kind]
    names = dict.fromkeys(_name(owner) for owner in drawn)
    return {name: [owner for owner in drawn if _name(owner) == name] for name in names}


def _owners(count: int, edits: Iterable[str], around: Iterable[str]) -> Iterator[Owner]:
    """Draw owners: those with the same edit pick other files, and other places in them."""
    yield from (Owner(number, (edit,)) for edit in edits for number in range(count))
    yield from (Owner(3, USUAL, (one,)) for one in around)


def _name(owner: Owner) -> str:
    return owner.around[0] if owner.around else owner.edits[0]


main()

"""Owners who make it hard: drawn by a number, and always the same for the same number.

An owner edits a project of the first release in some of the ways of `edits`, and keeps it in one of
the `surroundings`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any

from tests import footprints, oracle, trees
from tests.conftest import program
from tests.footprints import Footprint, Room
from tests.oracle import Problems, Update
from tests.plain_git import git

from .attributes import ATTRIBUTES, CONVERTING
from .contents import BYTES, LINES
from .files import Edit
from .names import NAMES
from .obstacles import OBSTACLES
from .surroundings import PLACES, SETTINGS, VARIABLES, Surroundings, join
from .template import MOVES, SEED, Releases

EDITS: Mapping[str, Mapping[str, Edit]] = {
    "lines": LINES,
    "bytes": BYTES,
    "names, folders and links": NAMES,
    "files where new ones go": OBSTACLES,
    "attributes": ATTRIBUTES,
}
"""What owners do to their files, by kind."""

SURROUNDINGS: Mapping[str, Mapping[str, Surroundings]] = {
    "where the repository is": PLACES,
    "settings of git": SETTINGS,
    "variables": VARIABLES,
}

ALL_EDITS = {name: edit for kind in EDITS.values() for name, edit in kind.items()}
ALL_SURROUNDINGS = {name: one for kind in SURROUNDINGS.values() for name, one in kind.items()}

SEEDS = (SEED, "README.md")


@dataclass(frozen=True)
class Owner:
    """What one owner does, and where."""

    number: int
    edits: tuple[str, ...]
    around: tuple[str, ...] = ()

    @property
    def surroundings(self) -> Surroundings:
        return reduce(join, (ALL_SURROUNDINGS[name] for name in self.around), Surroundings())

    @property
    def converts(self) -> bool:
        """Tell whether their git changes line endings on their way in and out."""
        return self.surroundings.converts or not CONVERTING.isdisjoint(self.edits)

    def __str__(self) -> str:
        return f"owner {self.number} ({' + '.join(self.edits)}; {' + '.join(self.around)})"


def draw(number: int) -> Owner:
    """Return an owner: edits and surroundings come up in turn, and more edits by chance."""
    chance = Random(number)  # noqa: S311
    first = _in_turn(ALL_EDITS, number)
    others = [edit for edit in ALL_EDITS if edit != first]
    around = (
        _in_turn(PLACES, number),
        *(_in_turn(SETTINGS, 2 * number + place) for place in (0, 1)),
        _in_turn(VARIABLES, number),
    )
    return Owner(number, (first, *chance.sample(others, chance.randrange(4))), around)


def _in_turn(names: Iterable[str], number: int) -> str:
    listed = [*names]
    return listed[number % len(listed)]


def settle(owner: Owner, releases: Releases, path: Path) -> Room:
    """Give an owner a room at `path`, with the project as they committed it."""
    chosen = owner.surroundings
    room = _room(chosen, releases, path)
    chance = Random(owner.number)  # noqa: S311
    for edit in owner.edits:
        ALL_EDITS[edit](room, chance)
    (room.project / ".env").write_text("KEY=secret\n")
    _commit(room)
    for finish in chosen.finishing:
        finish(room)
    return room


def _commit(room: Room) -> None:
    """Commit everything, and check it out again as the owner's git has it."""
    room.git("add", "--all")
    room.git("commit", "--quiet", "--allow-empty", "--message", "Mine")
    room.git("rm", "--quiet", "--cached", "-r", ".")
    room.git("reset", "--quiet", "--hard")


def look(room: Room, owner: Owner, releases: Releases) -> Update:
    """Return what there is to update, as if nothing had become of it."""
    old, new = map(trees.working_tree, (releases.old, releases.new))
    mine = trees.working_tree(room.project)
    private = footprints.private(room, mine)
    return Update(old, new, mine, mine, SEEDS, owner.converts, private)


def update(
    room: Room, owner: Owner, releases: Releases, *, undo: bool = True
) -> tuple[Update, list[str]]:
    """Update the project in a room; return what that did, and everything that is wrong with it.

    With `undo` it is taken back at last.
    """
    seen, before = look(room, owner, releases), footprints.take(room)
    done = _run(room, "update", "--json", "--no-install", "--project", str(room.project))
    seen = replace(seen, after=trees.working_tree(room.project), told=_read(done.stdout))
    after = footprints.take(room)
    if not seen.told:
        rightly = after == before and _is_refusal(seen, done.stderr)
        stopped = f"it stopped with {done.returncode}: {done.stderr[-900:]}"
        return seen, [] if rightly else [stopped]
    return seen, [
        *footprints.check_exit(done.returncode, done.stderr, seen),
        *oracle.violations(oracle.at_new_places(seen, MOVES)),
        *footprints.check_room(room, before, after, seen),
        *(_check_undone(room, seen.before, before) if undo else ()),
    ]


def _is_refusal(seen: Update, err: str) -> bool:
    """Tell whether nothing was changed because of files that are in no commit."""
    private = (f"{path}/" for path in seen.private)
    named = [name for name in seen.changed if name in err]
    return seen.before == seen.after and any(path.startswith((*named,)) for path in private)


def _check_undone(room: Room, before: trees.Tree, footprint: Footprint) -> Problems:
    """Take the update back, and look for what is not as it was."""
    done = _run(room, "update", "--abort", "--project", str(room.project))
    if done.returncode:
        yield f"it cannot be undone: {done.stderr[-900:]}"
        return
    after, found = trees.working_tree(room.project), footprints.take(room)
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name!r} is not as it was, and the update was undone"
    if (found.around, found.index) != (footprint.around, footprint.index):
        yield "the repository is not as it was, and the update was undone"


def _run(room: Room, *arguments: str) -> CompletedProcess[str]:
    return program(*arguments, cwd=room.folder, **room.variables)


def _read(printed: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(printed)
    except ValueError:
        return {}
    return told


def _room(chosen: Surroundings, releases: Releases, path: Path) -> Room:
    """Make a room with a project in it that nobody edited."""
    path = path.resolve()
    for name in ("home", "tmp", "Temporary files, in a folder with a long name", "shared"):
        (path / name).mkdir(parents=True)
    for name, text in chosen.files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
        (path / name).chmod(0o755)
    _other(path / "other")
    settings = path / "settings"
    settings.touch()
    for name, value in chosen.settings:
        git(path, "config", "--file", str(settings), name, value.replace("{room}", str(path)))
    project, top = chosen.layout(releases.old, path)
    given = {name: value.replace("{room}", str(path)) for name, value in chosen.variables.items()}
    variables = {
        "HOME": str(path / "home"), "TMPDIR": str(path / "tmp"),
        "GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1",
        **releases.variables, **given,
    }  # fmt: skip
    return Room(path, project, top, project / chosen.folder, variables)


def _other(path: Path) -> None:
    """Make the repository that variables of a hook point at."""
    path.mkdir()
    (path / "file").write_text("theirs\n")
    git(path, "init", "--quiet", "--initial-branch=main")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "Theirs")

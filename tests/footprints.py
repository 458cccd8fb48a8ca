"""What an update must leave alone: the repository around the project, and the machine around that.

An owner has a room of their own for all of it: the repository, other repositories, a home, a
folder for temporary files. A footprint is what can be seen in the room.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import trees
from .oracle import Problems, Update
from .plain_git import git, run
from .trees import Tree

HARMLESS = (
    "-c", "core.safecrlf=false", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=",
    "-c", "commit.gpgSign=false",
)  # fmt: skip

JOURNAL = "create-12-factor-agent"
"""What lets an update be undone, in git's own folder of a working tree."""

Index = Mapping[tuple[str, str], str]
"""Mode and object, by path and stage."""


@dataclass(frozen=True)
class Room:
    """Where an owner works."""

    path: Path
    project: Path
    top: Path
    """The folder of the repository: the project, or one above it."""
    folder: Path
    """Where the owner is in it."""
    variables: Mapping[str, str]
    """What the program finds in its environment."""

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def shared(self) -> Path:
        """A folder of the owner's that is in no repository."""
        return self.path / "shared"

    def git(self, *arguments: str) -> bytes:
        """Run the owner's git, without what would fail by their own settings."""
        return git(self.top, *HARMLESS, *arguments, variables=self.git_settings)

    @property
    def git_folder(self) -> Path:
        """Where git keeps what all worktrees of the repository have."""
        told = git(self.top, "rev-parse", "--git-common-dir")[:-1]
        return (self.top / os.fsdecode(told)).resolve()

    @property
    def index(self) -> Path:
        own = git(self.top, "rev-parse", "--absolute-git-dir")[:-1]
        return Path(os.fsdecode(own)) / "index"

    @property
    def settings(self) -> Path:
        """The owner's own settings of git."""
        return self.path / "settings"

    @property
    def git_settings(self) -> dict[str, str]:
        """The variables with which git has the owner's settings, and no others."""
        return {"HOME": str(self.home), "GIT_CONFIG_GLOBAL": str(self.settings)}


@dataclass(frozen=True)
class Footprint:
    """The room without the project's files, and the index of the repository."""

    around: Tree
    index: Index
    written: Mapping[str, tuple[int, int]]
    """Which file of the project stands at a path, and when it was written to."""


def take(room: Room) -> Footprint:
    """Look around in a room."""
    index = _within(room, room.index)
    objects = f"{_within(room, room.git_folder)}/objects/"
    shared_index = f"{index.removesuffix('index')}sharedindex."
    journal = f"{index.removesuffix('index')}{JOURNAL}"
    files, git_files = (f"{_within(room, room.project)}/{name}" for name in ("", ".git/"))

    def is_left_out(path: str) -> bool:
        of_project = path.startswith(files) and not f"{path}/".startswith(git_files)
        if path in (index, journal) or path.startswith((objects, shared_index, f"{journal}/")):
            return True
        return of_project

    return Footprint(trees.read(room.path, is_left_out), _read_index(room), _written(room))


def _written(room: Room) -> dict[str, tuple[int, int]]:
    facts = {name: (room.project / name).lstat() for name in trees.working_tree(room.project)}
    return {name: (fact.st_ino, fact.st_mtime_ns) for name, fact in facts.items()}


def private(room: Room, before: Tree) -> frozenset[str]:
    """Return the files that git does not know, or does not look at."""
    listed = room.git("ls-files", "-v", "-z").split(b"\0")
    seen = {os.fsdecode(line[2:]) for line in listed if line.startswith(b"H ")}
    prefix = _prefix(room)
    return frozenset(name for name in before if prefix + name not in seen)


def _prefix(room: Room) -> str:
    """Return how the project's paths begin in the repository."""
    return "" if room.project == room.top else f"{room.project.relative_to(room.top).as_posix()}/"


def _within(room: Room, path: Path) -> str:
    return path.relative_to(room.path).as_posix()


def check_room(room: Room, before: Footprint, after: Footprint, update: Update) -> Problems:
    """Compare two footprints; return what is wrong."""
    for path in sorted({*before.around, *after.around}):
        if before.around.get(path) != after.around.get(path):
            yield f"{path!r}, around the project, was changed or left behind"
    for name in sorted({*update.before} & {*update.after} - update.names("files", "conflicts")):
        if before.written[name] != after.written[name]:
            yield f"{name!r} was written to, and has nothing new"
    yield from _check_index(room, before.index, after.index, update)
    yield from _check_status(room, update)


def check_exit(code: int, err: str, update: Update) -> Problems:
    """The exit code says whether anything is left to the owner."""
    if "Traceback" in err:
        yield f"a traceback: {err[-600:]}"
    left = update.names("conflicts", "missed", "lost")
    if code != (3 if left else 0):
        yield f"the exit code is {code}, with {len(left)} files left to the owner: {err[-300:]}"


def _read_index(room: Room) -> dict[tuple[str, str], str]:
    listed = git(room.top, "ls-files", "--stage", "-z").split(b"\0")
    index = {}
    for line in filter(None, listed):
        entry, _, name = line.partition(b"\t")
        mode, blob, stage = entry.decode().split()
        index[os.fsdecode(name), stage] = f"{mode} {blob}"
    return index


def _check_index(room: Room, before: Index, after: Index, update: Update) -> Problems:
    """Nothing is staged, but for the three versions of each conflict."""
    prefix = _prefix(room)
    unmerged = {path for path, stage in after if stage != "0"}
    named = {prefix + name for name in update.names("conflicts")}
    if unmerged != named:
        yield f"unmerged are {sorted(unmerged)}, and as conflicts are named {sorted(named)}"
    for entry in sorted({*before, *after}):
        if entry[0] not in unmerged and before.get(entry) != after.get(entry):
            yield f"{entry[0]!r} was staged: {before.get(entry)} to {after.get(entry)}"
    for path in sorted(unmerged & named):
        yield from _check_sides(room, before, after, path)
        template = _template_version(update, path.removeprefix(prefix))
        theirs = after.get((path, "3"), "").rpartition(" ")[2]
        if template is not None and _read_blob(room, theirs) != template:
            yield f"{path!r}: the template's side of the conflict is not what the template has"


def _check_sides(room: Room, before: Index, after: Index, path: str) -> Problems:
    """`git checkout --ours` takes the owner's version back, and each version can be read."""
    mine = before.get((path, "0"))
    if mine and after.get((path, "2")) != mine:
        yield f"{path!r}: the owner's side of the conflict is not what the owner had"
    for stage in "123":
        held = after.get((path, stage))
        if held and run(room.top, "cat-file", "-e", held.split()[1])[0]:
            yield f"{path!r}: side {stage} of the conflict is not in the repository"


def _template_version(update: Update, place: str) -> bytes | None:
    """Return what the new template has of a file, without carriage returns."""
    names = {own: name for name, own in update.followed.items()}
    new = update.new.get(names.get(place, place))
    return new.held.replace(b"\r", b"") if new else None


def _read_blob(room: Room, blob: str) -> bytes:
    return git(room.top, "cat-file", "blob", blob).replace(b"\r", b"") if blob else b""


def _check_status(room: Room, update: Update) -> Problems:
    """The owner's own git, as it is set up, sees the changes and nothing else."""
    listed, ignored = _status(room)
    names = {*update.before, *update.after}
    raw = {name for name in names if update.before.get(name) != update.after.get(name)}
    real = {name for name in raw if not _is_alike(update, name)}
    hidden = {name for name in raw for start in ignored if name.startswith(start)}
    conflicts = update.names("conflicts")
    for name in sorted((real | conflicts) - hidden - listed):
        yield f"{name!r} is different, and the owner's git does not see it"
    for name in sorted(listed - raw - conflicts):
        yield f"{name!r} is not different, and the owner's git says it is"
    told = update.names("files")
    for name in sorted((real - told) | (told - raw - conflicts)):
        yield f"{name!r} is wrong in the list of files that were changed"


def _status(room: Room) -> tuple[set[str], set[str]]:
    """Return the paths of the project that git lists, and where those are that it ignores."""
    options = ("--porcelain", "-z", "--untracked-files=all", "--ignored", "--no-renames")
    out = room.git("status", *options, "--", str(room.project))
    prefix = _prefix(room)
    listed: set[str] = set()
    ignored: set[str] = set()
    for line in filter(None, out.split(b"\0")):
        name = os.fsdecode(line[3:]).removeprefix(prefix)
        (ignored if line.startswith(b"!!") else listed).add(name)
    return listed, ignored


def _is_alike(update: Update, name: str) -> bool:
    had, has = update.before.get(name), update.after.get(name)
    if had is None or has is None or had.kind != has.kind:
        return False
    return update.plain(had.held) == update.plain(has.held)

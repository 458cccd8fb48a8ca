"""The files of a project that an edit can be done to."""

from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from random import Random

from tests.footprints import Room

from .template import CHANGES, MOVES, NEW, OLD, SEED

Edit = Callable[[Room, Random], object]
"""Does what its name says to one file or a few; nothing where no file is left for it."""

Change = Callable[[bytes, Random], bytes]
"""Makes the owner's content of what a file holds."""

CHANGED = sorted({*CHANGES} & {*OLD} & {*NEW} - {"README.md", f"{SEED}tools.py"})
"""What both releases have, and the second has differently."""

ADDED = sorted(name for name in NEW if name not in OLD and not name.startswith(SEED))
DROPPED = "src/agent/engine/legacy.py"
GOING = (DROPPED, *MOVES)
BINARY = ("assets/icon.bin", "assets/logo.bin", "docs/strings.txt")
TEXT = [name for name in (*CHANGED, "scripts/check") if name not in BINARY]
CODE = [name for name in TEXT if name.endswith(".py")]
ENGINE = "src/agent/engine"


def walk(folder: Path) -> list[Path]:
    """Return all files in a folder, git's left out, links neither named nor followed."""
    return sorted(_walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_symlink() or path.name == ".git":
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def pick(room: Room, chance: Random, *names: str) -> Path | None:
    """Return one of these files of the template, in whichever folder it is by now."""
    wanted = {Path(name).name for name in names}
    found = [path for path in walk(room.project) if path.name in wanted]
    return chance.choice(found) if found else None


def pick_folder(room: Room, chance: Random, *names: str) -> Path | None:
    """Return one of these folders, if it is still there."""
    folder = room.project / chance.choice(names)
    return folder if folder.is_dir() and folder.resolve() == folder else None


def pick_free(room: Room, chance: Random) -> Path | None:
    """Return where the template adds a file, with nothing in the way yet."""
    path = room.project / chance.choice(ADDED)
    if path.exists() or path.is_symlink() or path.parent.resolve() != path.parent:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return None
    return path


def template_name(path: Path) -> str:
    """Return what the template calls a file that may have been moved."""
    return next(name for name in {**OLD, **NEW} if Path(name).name == path.name)


def changed_lines(path: Path) -> list[int]:
    """Return the lines that the template changes in a file, counted in the first release."""
    name = template_name(path)
    old, new = (held.splitlines() for held in (OLD[name], NEW.get(name, b"")))
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [start for tag, start, *_ in blocks if tag != "equal"] or [0]


def line(chance: Random) -> bytes:
    """Make a line that nobody else has."""
    return b"# mine, %d\n" % chance.randrange(10**9)


def rewrite(change: Change, *names: str) -> Edit:
    """Make an edit of one of these files from a change of its content."""

    def edit(room: Room, chance: Random) -> None:
        if path := pick(room, chance, *names):
            path.write_bytes(change(path.read_bytes(), chance))

    return edit

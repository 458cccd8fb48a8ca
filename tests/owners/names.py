"""What owners do to where their files are: names, folders, links, modes."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from random import Random

from tests.footprints import Room
from tests.plain_git import git

from .files import (
    BINARY,
    CHANGED,
    CODE,
    ENGINE,
    GOING,
    TEXT,
    Edit,
    line,
    pick,
    pick_folder,
    walk,
)
from .template import MOVES

ODD_NAMES = ("two words.py", 'a "quoted" \'name\'.md', "a\nb.txt", "caf\udce9.py", "ünï.md", "-f",
             ":(top)x", "*.py", "back\\slash", " lead", "HEAD", "a\tb", "nul", "~1")  # fmt: skip


def _delete(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CHANGED, *GOING):
        path.unlink()


def _rename(rewritten: float) -> Edit:
    """Rename a file, here or to another folder, and replace this share of its lines."""

    def edit(room: Room, chance: Random) -> None:
        if path := pick(room, chance, *CHANGED, *MOVES, "scripts/check"):
            place = chance.choice([path.parent, room.project / "lib"])
            place.mkdir(exist_ok=True)
            moved = path.rename(place / f"my_{path.name}")
            if rewritten and path.name not in {Path(name).name for name in BINARY}:
                lines = moved.read_bytes().splitlines(keepends=True)
                start = int(len(lines) * (1 - rewritten))
                mine = [line(chance) for _ in lines[start:]]
                moved.write_bytes(b"".join(lines[:start] + mine))

    return edit


def _rename_in_capitals(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CODE):
        path.rename(path.with_name(path.name.upper()))


def _rename_oddly(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CODE):
        path.rename(path.with_name(chance.choice(ODD_NAMES)))


def _rename_folder(room: Room, chance: Random) -> None:
    if folder := pick_folder(room, chance, ENGINE, "docs", "scripts", f"{ENGINE}/llms"):
        folder.rename(folder.with_name("core"))


def _move_folder(room: Room, chance: Random) -> None:
    if folder := pick_folder(room, chance, ENGINE, "docs"):
        (room.project / "lib").mkdir(exist_ok=True)
        moved = folder.rename(room.project / "lib" / folder.name)
        folder.symlink_to(os.path.relpath(moved, folder.parent))


def _move_folder_out(room: Room, chance: Random) -> None:
    """The link leads out of the repository, to where nothing may be written."""
    if folder := pick_folder(room, chance, ENGINE, "docs", "src/agent"):
        folder.symlink_to(shutil.move(folder, room.shared / folder.name))


def _move_file_out(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CHANGED, *GOING):
        path.symlink_to(shutil.move(path, room.shared / path.name))


def _link(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CHANGED):
        path.symlink_to(path.rename(path.with_name(f"real_{path.name}")).name)


def _make_folder(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CHANGED, *GOING):
        held = chance.choice([path.read_bytes(), line(chance)])
        path.unlink()
        path.mkdir()
        (path / "main").write_bytes(held)


def _swap(room: Room, _: Random) -> None:
    found = [path for path in walk(room.project) if path.name in ("loop.py", "store.py")]
    if len(found) > 1:
        one, other = (path.read_bytes() for path in found[:2])
        found[0].write_bytes(other)
        found[1].write_bytes(one)


def _copy(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CODE):
        path.with_name(f"copy_of_{path.name}").write_bytes(path.read_bytes() + line(chance))


def _split(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *CODE):
        head, *functions = path.read_bytes().split(b"\n\ndef ")
        half = len(functions) // 2
        for number, part in enumerate((functions[:half], functions[half:])):
            held = b"\n\ndef ".join([head, *part]).rstrip(b"\n") + b"\n"
            path.with_name(f"{path.stem}_{number}.py").write_bytes(held)
        path.unlink()


def _change_mode(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *TEXT, *GOING):
        path.chmod(path.stat().st_mode ^ 0o111)


def _name_oddly(room: Room, chance: Random) -> None:
    for name in chance.sample(ODD_NAMES, 6):
        (room.project / name).write_bytes(line(chance))


def _nest(room: Room, _: Random) -> None:
    path = room.project / "vendor/library"
    if not path.exists():
        path.mkdir(parents=True)
        (path / "file").write_text("of another repository\n")
        kind = room.git("rev-parse", "--show-object-format").decode().strip()
        git(path, "init", "--quiet", "--initial-branch=main", f"--object-format={kind}")
        git(path, "add", "--all")
        git(path, "commit", "--quiet", "--message", "Library")


NAMES: Mapping[str, Edit] = {
    "a file deleted": _delete,
    "a file renamed": _rename(0),
    "a file renamed and edited": _rename(0.2),
    "a file renamed and rewritten": _rename(0.9),
    "a file renamed in capitals": _rename_in_capitals,
    "a file renamed oddly": _rename_oddly,
    "a folder renamed": _rename_folder,
    "a folder moved, and a link": _move_folder,
    "a folder moved out, and a link": _move_folder_out,
    "a file moved out, and a link": _move_file_out,
    "a file behind a link": _link,
    "a folder in place of a file": _make_folder,
    "two files swapped": _swap,
    "a file copied": _copy,
    "a module split in two": _split,
    "the mode of a file": _change_mode,
    "odd names": _name_oddly,
    "a nested repository": _nest,
}

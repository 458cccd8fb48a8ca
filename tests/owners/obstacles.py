"""What owners have where the template adds a file, or say of it in `.gitignore`."""

import os
from collections.abc import Mapping
from pathlib import Path
from random import Random

from tests.footprints import Room

from .files import Change, Edit, line, pick_folder, pick_free
from .template import NEW


def _hold(change: Change) -> Edit:
    """Have a file of the new name already, made of what the template will have there."""

    def edit(room: Room, chance: Random) -> None:
        if path := pick_free(room, chance):
            name = path.relative_to(room.project).as_posix()
            path.write_bytes(change(NEW[name], chance))

    return edit


def _make_folder(room: Room, chance: Random) -> None:
    if path := pick_free(room, chance):
        path.mkdir()
        (path / "mine").write_bytes(line(chance))


def _link(room: Room, chance: Random) -> None:
    if path := pick_free(room, chance):
        path.symlink_to(room.shared / "nowhere")


def _make_file(room: Room, chance: Random) -> None:
    if place := _pick_new_folder(room, chance):
        place.write_bytes(line(chance))


def _link_folder(room: Room, chance: Random) -> None:
    if place := _pick_new_folder(room, chance):
        place.symlink_to(room.shared)


def _pick_new_folder(room: Room, chance: Random) -> Path | None:
    """Return where the template adds a folder, with nothing in the way yet."""
    folder = pick_folder(room, chance, "src/agent")
    place = folder / chance.choice(["metrics", "post"]) if folder else None
    return place if place and not os.path.lexists(place) else None


def _ignore_own(room: Room, chance: Random) -> None:
    """A file that git does not know cannot be had back from it."""
    if path := pick_free(room, chance):
        _ignore(room, f"/{path.relative_to(room.project).as_posix()}")
        path.write_bytes(line(chance))


def _ignore(room: Room, *patterns: str) -> None:
    with (room.project / ".gitignore").open("a") as file:
        file.writelines(f"{pattern}\n" for pattern in patterns)


OBSTACLES: Mapping[str, Edit] = {
    "a folder where a file is new": _make_folder,
    "a file where a folder is new": _make_file,
    "a link where a file is new": _link,
    "a link where a folder is new": _link_folder,
    "an ignored file where one is new": _ignore_own,
    "new files ignored": lambda room, _: _ignore(room, "metrics/", "retry.*"),
    "the new file already": _hold(lambda held, _: held),
    "the new file already, in CRLF": _hold(lambda held, _: held.replace(b"\n", b"\r\n")),
    "the new file already, edited": _hold(lambda held, chance: held + line(chance)),
    "another file of a new name": _hold(lambda _, chance: line(chance)),
}

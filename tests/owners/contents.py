"""What owners do to what is in their files: lines, and bytes that are no lines."""

from collections.abc import Mapping, Sequence
from random import Random

from tests.footprints import Room

from .files import (
    BINARY,
    CHANGED,
    CODE,
    DROPPED,
    TEXT,
    Edit,
    changed_lines,
    line,
    pick,
    rewrite,
    template_name,
    walk,
)
from .template import MOVES, NEW, OLD, SEED

ANY_CODE = (*CODE, "src/agent/engine/clock.py")
ANY_TEXT = (*TEXT, "src/agent/engine/clock.py")


def _insert(*distances: int) -> Edit:
    """Insert a line so many lines from one that changes."""

    def edit(room: Room, chance: Random) -> None:
        if path := pick(room, chance, *TEXT):
            lines = path.read_bytes().splitlines(keepends=True)
            place = chance.choice(changed_lines(path)) + chance.choice(distances)
            lines.insert(min(max(0, place), len(lines)), line(chance))
            path.write_bytes(b"".join(lines))

    return edit


def _replace_changed_line(room: Room, chance: Random) -> None:
    if path := pick(room, chance, *TEXT):
        lines = path.read_bytes().splitlines(keepends=True)
        place = chance.choice(changed_lines(path))
        lines[place : place + 1] = [line(chance)]
        path.write_bytes(b"".join(lines))


def _edit_every_file(room: Room, chance: Random) -> None:
    for path in walk(room.project):
        if path.name in {name.rpartition("/")[2] for name in OLD if name not in BINARY}:
            path.write_bytes(line(chance) + path.read_bytes())


def _do_the_same(more: bool) -> Edit:
    def edit(room: Room, chance: Random) -> None:
        if path := pick(room, chance, *(TEXT if more else CHANGED)):
            path.write_bytes(NEW[template_name(path)] + (line(chance) if more else b""))

    return edit


def _move_functions(held: bytes, chance: Random) -> bytes:
    head, *functions = held.split(b"\n\ndef ")
    chance.shuffle(functions)
    return b"\n\ndef ".join([head, *functions]).rstrip(b"\n") + b"\n"


def _reformat(held: bytes, chance: Random) -> bytes:
    return held.replace(b"    ", chance.choice([b"\t", b"  "])).replace(b", ", b",")


def _append(held: bytes, chance: Random) -> bytes:
    return held + line(chance)


LINES: Mapping[str, Edit] = {
    "a line beside a change": _insert(0, 1),
    "a line near a change": _insert(-3, -2, 2, 3, 4),
    "a line far from changes": _insert(-12, 12, 40),
    "the line that changes": _replace_changed_line,
    "a line in every file": _edit_every_file,
    "the same change": _do_the_same(more=False),
    "the same change and more": _do_the_same(more=True),
    "functions moved": rewrite(_move_functions, *CODE),
    "a module reformatted": rewrite(_reformat, *ANY_CODE),
    "a file emptied": rewrite(lambda _held, _chance: b"", *TEXT),
    "a file that is dropped": rewrite(_append, DROPPED),
    "a file that is moved": rewrite(_append, *MOVES),
    "a seed": rewrite(_append, f"{SEED}tools.py"),
}


def _trail(held: bytes, _: Random) -> bytes:
    lines = held.split(b"\n")
    return b"\n".join(one + b"  " * (place % 5 == 2) for place, one in enumerate(lines))


def _end_all(ends: Sequence[bytes]) -> Edit:
    """End each line in one of these ways."""

    def change(held: bytes, chance: Random) -> bytes:
        lines = (held + line(chance)).replace(b"\r\n", b"\n").split(b"\n")[:-1]
        return b"".join(one + chance.choice(ends) for one in lines)

    return rewrite(change, *ANY_TEXT)


def _insert_in_line(added: bytes) -> Edit:
    def change(held: bytes, chance: Random) -> bytes:
        place = chance.choice([0, *(at for at, byte in enumerate(held) if byte == ord("\n"))])
        return held[:place] + added + held[place:]

    return rewrite(change, *TEXT)


def _edit_binary(held: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(held) + 1)
    return held[:place] + b"\0mine\0" + held[place:]


def _edit_latin(held: bytes, _: Random) -> bytes:
    return held.replace(b"12, K", b"12, fr\xfcher K") + "Düsseldorf\n".encode("latin-1")


BYTES: Mapping[str, Edit] = {
    "trailing whitespace": rewrite(_trail, *TEXT),
    "no newline at the end": rewrite(lambda held, chance: held + line(chance).rstrip(), *TEXT),
    "CRLF": _end_all([b"\r\n"]),
    "LF": _end_all([b"\n"]),
    "LF in place of CRLF": rewrite(lambda held, _: held.replace(b"\r\n", b"\n"), "scripts/run.bat"),
    "mixed line endings": _end_all([b"\n", b"\r\n"]),
    "a byte that is not UTF-8": _insert_in_line(b" \xff"),
    "a NUL": _insert_in_line(b" \0"),
    "text as UTF-16": rewrite(lambda held, _: held.decode("latin-1").encode("utf-16"), *TEXT),
    "a binary file": rewrite(_edit_binary, *BINARY),
    "a Latin-1 file": rewrite(_edit_latin, "docs/latin.txt"),
}

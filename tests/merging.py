"""Three versions of a file, merged by git alone: a file at a time, with none of our code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .plain_git import git, run

SEEN = 8000
"""Where in a file git looks for a NUL, to tell what is binary."""

FAILED = 127
"""The exit code of `git merge-file` is the number of conflicts, or more than this."""

_CONFLICT = re.compile(
    rb"^<{7}(?: [^\n]*)?\r?\n(?P<mine>(?:(?!={7}\r?\n)[^\n]*\n)*)={7}\r?\n"
    rb"(?P<theirs>(?:(?!>{7}[ \r\n])[^\n]*\n)*)>{7}(?: [^\n]*)?(?:\n|\Z)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Merged:
    held: bytes
    conflicts: bool


def is_binary(held: bytes) -> bool:
    """Tell what git tells of a file without attributes."""
    return b"\0" in held[:SEEN]


def merges(mine: bytes, old: bytes, new: bytes, *, same_ends: bool) -> Iterator[Merged]:
    """Return what git makes of three versions.

    It has two ways to compare lines: `merge-file` does it by one, a merge of trees by the other.
    With `same_ends` the template's versions first get the line endings of the owner's.
    """
    if same_ends:
        old, new = (_end(held, like=mine) for held in (old, new))
    with TemporaryDirectory() as folder:
        yield _merge_files(Path(folder), mine, old, new)
        yield _merge_trees(Path(folder), mine, old, new)


def resolve(held: bytes) -> tuple[bytes, bytes]:
    """Take the one, and the other side of every conflict in a file."""
    mine, theirs = (_CONFLICT.sub(rf"\g<{side}>".encode(), held) for side in ("mine", "theirs"))
    return mine, theirs


def _end(held: bytes, *, like: bytes) -> bytes:
    plain = held.replace(b"\r\n", b"\n")
    if b"\n" not in like:
        return held
    return plain.replace(b"\n", b"\r\n") if b"\r\n" in like else plain


def _merge_files(folder: Path, mine: bytes, old: bytes, new: bytes) -> Merged:
    names = ("mine", "old", "new")
    for name, held in zip(names, (mine, old, new), strict=True):
        (folder / name).write_bytes(held)
    code, out, err = run(folder, "merge-file", "-p", "--quiet", *names)
    assert code <= FAILED, err
    return Merged(out, conflicts=code > 0)


def _merge_trees(folder: Path, mine: bytes, old: bytes, new: bytes) -> Merged:
    """Merge trees of this one file; with nothing in `old`, both sides have added it."""
    store = folder / "store"
    git(folder, "init", "--quiet", "--bare", "store")
    base = _commit(store, old or None)
    sides = [_commit(store, held, base) for held in (mine, new)]
    code, out, err = run(store, "merge-tree", "--write-tree", *sides)
    assert code in (0, 1), err
    merged = git(store, "cat-file", "blob", f"{out.decode().splitlines()[0]}:file")
    return Merged(merged, conflicts=code == 1)


def _commit(store: Path, held: bytes | None, *parents: str) -> str:
    entry = b""
    if held is not None:
        blob = git(store, "hash-object", "-w", "--stdin", feed=held).strip()
        entry = b"100644 blob %s\tfile\n" % blob
    tree = git(store, "mktree", feed=entry).decode().strip()
    above = [argument for parent in parents for argument in ("-p", parent)]
    return git(store, "commit-tree", "-m", "", *above, tree).decode().strip()

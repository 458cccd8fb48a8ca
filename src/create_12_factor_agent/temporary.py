"""Temporary folders that are gone afterwards, whatever ended the program that made them.

Beside each folder lies a file that its process keeps locked. A lock that can be had belongs to a
process that was killed: the next command removes that folder first. Knows nothing of git.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import gettempdir

from .errors import UserError

PREFIX, LOCK = "create-12-factor-agent-", ".lock"


@contextmanager
def folder(prefix: str = PREFIX, near: Path | None = None) -> Iterator[Path]:
    """Give an empty folder of this user's own, in `near` or where temporary files are.

    Raises: UserError where none can be made.
    """
    try:
        place = near or Path(gettempdir())
    except OSError as error:
        raise UserError(str(error), "Set TMPDIR to a folder that can be written to.") from error
    sweep(place, prefix)
    made = place / f"{prefix}{os.urandom(4).hex()}"
    with locked(made.with_name(made.name + LOCK)):
        try:
            made.mkdir(mode=0o700)
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock for as long as it takes, and remove its file afterwards.

    Raises: BlockingIOError while another process has it.
    """
    handle = _lock(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(handle)


@cache
def sweep(place: Path, prefix: str) -> None:
    """Remove what killed processes of this user left; look once."""
    for file in place.glob(f"{prefix}*{LOCK}"):
        with suppress(OSError), locked(file):
            shutil.rmtree(file.with_name(file.name.removesuffix(LOCK)), ignore_errors=True)


def _lock(file: Path) -> int:
    handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one that had it may have removed this file, and a third made another.
            if not os.path.samestat(os.fstat(handle), file.lstat()):
                raise BlockingIOError
    except OSError as error:
        os.close(handle)
        raise BlockingIOError(f"{file} is locked.") from error
    return handle

"""Files and folders that only the user of this process may read, whatever the umask is, and paths
that are for this user alone."""

import os
import stat
from pathlib import Path
from typing import TextIO, TypeVar

E = TypeVar("E", bound=Exception)


def make_private_folder(path: Path) -> None:
    """Create a folder if it does not exist. The mode of one that exists is its owner's decision."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def open_private(path: Path) -> TextIO:
    """Open a new file to write text to; one of this name is deleted first. Raises OSError."""
    path.unlink(missing_ok=True)
    binary = getattr(os, "O_BINARY", 0)  # otherwise Windows would add to the ends of lines
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o600)
    return os.fdopen(opened, "w", encoding="utf-8", newline="\n")


def add_path(error: E, path: str | Path) -> E:
    """Note in an error which file it is about, for the terminal and the log: its text may be shown
    to anyone."""
    error.add_note(f"The file is {str(path)!r}.")
    return error


def make_private(path: Path) -> None:
    """Take a file that everyone may read away from everyone, if it is ours.

    A mode that shares it with a group alone is left as it is: somebody chose it.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    mine = hasattr(os, "geteuid") and found.st_uid == os.geteuid()
    if mine and found.st_mode & stat.S_IRWXO:
        path.chmod(0o600)

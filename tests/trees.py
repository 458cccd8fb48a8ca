"""Folders as values: each file with its content, each link with its target."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FILE, SCRIPT, LINK, FOLDER = "file", "script", "link", "folder"


@dataclass(frozen=True)
class Entry:
    """What stands at a path."""

    kind: str
    held: bytes = b""
    """The content of a file, the target of a link."""

    @property
    def is_file(self) -> bool:
        return self.kind in (FILE, SCRIPT)


Tree = Mapping[str, Entry]
"""Entries by relative path, with slashes; bytes that are not UTF-8 are surrogates."""


def read(folder: Path, left_out: Callable[[str], bool] = lambda _: False) -> dict[str, Entry]:
    """Read a folder, links not followed, without the paths that `left_out` names."""
    return {path: entry for path, entry in _walk(str(folder), "") if not left_out(path)}


def working_tree(project: Path) -> dict[str, Entry]:
    """Read the files of a repository, those of git left out."""
    entries = read(project, lambda path: ".git" in path.split("/"))
    return {path: entry for path, entry in entries.items() if entry.kind != FOLDER}


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, Entry]]:
    for found in os.scandir(folder):
        path = prefix + found.name
        if found.is_symlink():
            yield path, Entry(LINK, os.fsencode(Path(found.path).readlink()))
        elif found.is_dir():
            yield path, Entry(FOLDER)
            yield from _walk(found.path, f"{path}/")
        elif found.is_file():
            kind = SCRIPT if found.stat().st_mode & 0o100 else FILE
            yield path, Entry(kind, Path(found.path).read_bytes())

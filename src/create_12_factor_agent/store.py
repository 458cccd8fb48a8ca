"""A throw-away object store that sees the owner's objects and none of the owner's settings.

Trees come and go as mappings of names to entries; names that are not UTF-8 are kept as Python
keeps names of files. What is computed here is in the owner's repository only once it is `packed`.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from . import git
from .git import ALONE

NO_ATTRIBUTES = (
    "* !conflict-marker-size !export-ignore !export-subst !eol !filter !ident !merge !text"
    " !working-tree-encoding\n"
)
"""For `info/attributes` of a repository of ours: it takes precedence over all other attributes."""

FILE, PROGRAM = "100644", "100755"


class Entry(NamedTuple):
    """What git has at a name."""

    mode: str
    """As git writes it: `FILE`, `PROGRAM`, or that of a link or a submodule."""
    object: str

    @property
    def is_file(self) -> bool:
        """Return whether it is a regular file."""
        return self.mode in (FILE, PROGRAM)


Tree = Mapping[str, Entry]
"""Entries by name, with slashes."""


class File(NamedTuple):
    """A file that is in no repository yet."""

    mode: str
    held: bytes


@dataclass(frozen=True)
class Store:
    """A bare repository in a folder of ours."""

    path: Path

    @classmethod
    def beside(cls, path: Path, repository: Path) -> "Store":
        """Make a store at `path` that sees the objects of another repository."""
        form = git.call(repository, "rev-parse", "--show-object-format")
        git.call(path.parent, "init", "--quiet", "--bare", f"--object-format={form}",
                 "--template=", str(path), env=ALONE)  # fmt: skip
        objects = git.call(repository, "rev-parse", "--git-path", "objects")
        alternates = path / "objects/info/alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_bytes(os.fsencode((repository / objects).resolve()) + b"\n")
        (path / "info").mkdir(exist_ok=True)
        (path / "info/attributes").write_text(NO_ATTRIBUTES, "utf-8", newline="\n")
        return cls(path)

    def add(self, files: Mapping[str, File]) -> dict[str, Entry]:
        """Store files, byte by byte, and return their entries."""
        folder = self.path / "added"
        folder.mkdir(exist_ok=True)
        contents = [*dict.fromkeys(file.held for file in files.values())]
        for number, held in enumerate(contents):
            (folder / str(number)).write_bytes(held)
        numbers = "".join(f"added/{number}\n" for number in range(len(contents))).encode()
        ids = self.call("hash-object", "-w", "--no-filters", "--stdin-paths", feed=numbers)
        known = dict(zip(contents, ids.split(), strict=True))
        return {name: Entry(file.mode, known[file.held]) for name, file in files.items()}

    def commit(self, tree: Tree, *parents: str) -> str:
        """Make a commit of a tree."""
        index = {"GIT_INDEX_FILE": str(self.path / "writing")}
        self.call("read-tree", "--empty", env=index)
        self.call("update-index", "-z", "--index-info", feed=listing(tree), env=index)
        written = self.call("write-tree", "--missing-ok", env=index)
        return git.commit_tree(self.path, written, *parents, env=ALONE)

    def read(self, tree: str) -> dict[str, Entry]:
        """Return everything in a tree or a commit."""
        return entries(git.names(self.path, "ls-tree", "-r", "-z", tree, env=ALONE))

    def contents(self, objects: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of files by their objects."""
        wanted = [*dict.fromkeys(objects)]
        feed = "".join(f"{name}\n" for name in wanted).encode()
        answer = BytesIO(git.run(self.path, "cat-file", "--batch", feed=feed, env=ALONE).stdout)
        found = {}
        for name in wanted:
            _, _, size = answer.readline().split()
            found[name] = answer.read(int(size) + 1)[:-1]
        return found

    def pack(self, objects: Iterable[str], repository: Path) -> None:
        """Put objects into the repository that this store stands beside."""
        feed = "".join(f"{name}\n" for name in dict.fromkeys(objects)).encode()
        packed = git.run(self.path, "pack-objects", "--stdout", "-q", feed=feed, env=ALONE)
        git.call(repository, "unpack-objects", "-q", feed=packed.stdout)

    def call(self, *arguments: str, feed: bytes = b"", env: Mapping[str, str] = git.NOTHING) -> str:
        """Run git in here. Raises: UserError."""
        return git.call(self.path, *arguments, feed=feed, env={**ALONE, **env})


def entries(listed: Iterable[str]) -> dict[str, Entry]:
    """Read what `git ls-tree -z` lists."""
    found = {}
    for line in listed:
        facts, _, name = line.partition("\t")
        mode, _, identity = facts.split()
        found[name] = Entry(mode, identity)
    return found


def listing(tree: Tree) -> bytes:
    """Write entries as `git update-index -z --index-info` reads them."""
    lines = (f"{entry.mode} {entry.object}\t{name}\0" for name, entry in tree.items())
    return os.fsencode("".join(lines))

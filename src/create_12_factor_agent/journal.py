"""What a change was to do, written down in the repository's git folder before it is done.

The journal has every file ready to be moved to its place, as it becomes and as it was: a change
that was killed can be finished or undone, and one that is done can be undone until it is committed.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import git, temporary
from .errors import UserError
from .store import Entry, Tree, listing

FOLDER = "create-12-factor-agent"
_FILE = "change.json"


@dataclass(frozen=True)
class Journal:
    """A change of a working tree. Names are relative to its top."""

    folder: Path
    top: Path
    head: str
    """The commit that it was made from."""
    before: str
    after: str
    """What the template's state was called, and what it is called afterwards. Nothing was before an
    agent was brought in."""
    was: Tree
    """Every file that changes or is in conflict, as it was; one that is new is not in it."""
    becomes: Tree
    """The same files, as they become; one that goes is not in it."""
    unmerged: tuple[str, ...]
    """What the index gets for conflicts: lines of `mode object stage<TAB>name`."""
    stamp: str
    """The answers file: the last to be moved."""
    files: tuple[str, ...]
    """What a `Change` says of these, relative to the project as there."""
    conflicts: tuple[str, ...]
    lost: tuple[str, ...]
    missed: tuple[str, ...]
    is_done: bool = False

    @property
    def is_merged(self) -> bool:
        """Return whether nothing is left to the owner."""
        return not (self.conflicts or self.lost or self.missed)

    @property
    def way(self) -> str:
        """Return from where to where it goes, in words."""
        return f"{self.before} to {self.after}" if self.before else f"adopt {self.after}"

    @property
    def in_conflict(self) -> frozenset[str]:
        """Return the files that are to be merged by hand."""
        return frozenset(line.partition("\t")[2] for line in self.unmerged)

    def old(self, name: str) -> Path:
        """Return where a file lies as it was."""
        return self.folder / "old" / name

    def new(self, name: str) -> Path:
        """Return where a file lies as it becomes; it is gone once it was moved."""
        return self.folder / "new" / name

    def write(self) -> None:
        """Write it down, at once."""
        facts = asdict(self) | {"folder": None, "top": None}
        draft = self.folder / f"{_FILE}.new"
        draft.write_text(json.dumps(facts), "ascii")
        draft.replace(self.folder / _FILE)

    def lay_out(self) -> None:
        """Write both versions of all files, as git would check them out."""
        for tree, name in ((self.was, "old"), (self.becomes, "new")):
            prefix = f"--prefix={self.folder / name}/"
            git.call(self.top, "checkout-index", "--all", "--quiet", prefix, env=self._on(tree))

    def is_committed(self) -> bool:
        """Return whether the last commit has one of the files otherwise than it was."""
        done = git.run(self.top, "diff-tree", "-r", "--name-only", "-z", self.head, "HEAD", "--")
        changed = os.fsdecode(done.stdout).split("\0")
        return done.returncode != 0 or not {*self.was, *self.becomes}.isdisjoint(changed)

    def edited(self) -> list[str]:
        """Return the files that are neither as they were nor as they become."""
        there = {name for name in {*self.was, *self.becomes} if os.path.lexists(self.top / name)}
        return sorted(there - self.matching(self.was) - self.matching(self.becomes))

    def matching(self, tree: Tree) -> set[str]:
        """Return the files that are in the working tree as in `tree`, or not there at all."""
        index = self._on(tree)
        git.run(self.top, "update-index", "-q", "--refresh", env=index)
        listed = ("diff-files", "--name-only", "--diff-filter=d", "-z")
        return {*tree} - {*git.names(self.top, *listed, env=index)}

    def _on(self, tree: Tree) -> dict[str, str]:
        """Return what lets git work on an index of just these files."""
        index = self.folder / "index"
        index.unlink(missing_ok=True)
        env = {"GIT_INDEX_FILE": str(index)}
        git.call(self.top, "update-index", "-z", "--index-info", feed=listing(tree), env=env)
        return env


def read(project: Path) -> Journal | None:
    """Return the last change of the repository that `project` is in, if it can be undone."""
    folder, top = place(project)
    try:
        facts: dict[str, Any] = json.loads((folder / _FILE).read_text("ascii"))
    except (OSError, ValueError):
        return None
    for tree in ("was", "becomes"):
        facts[tree] = {name: Entry(*entry) for name, entry in facts[tree].items()}
    found = Journal(**facts | {"folder": folder, "top": top})
    return None if found.is_done and found.is_committed() else found


@contextmanager
def held(project: Path) -> Iterator[Path]:
    """Keep other changes of the repository out; give the journal's folder.

    Raises: UserError while there is one.
    """
    folder, _ = place(project)
    folder.parent.mkdir(exist_ok=True)
    try:
        with temporary.locked(folder.with_name(folder.name + temporary.LOCK)):
            yield folder
    except BlockingIOError as error:
        raise UserError("Another change of this repository is running.", "Wait for it.") from error


def place(project: Path) -> tuple[Path, Path]:
    """Return the folder of the project's journal, and the top of the working tree."""
    folder = git.call(project, "rev-parse", "--git-path", FOLDER)
    top = git.call(project, "rev-parse", "--show-toplevel")
    prefix = git.call(project, "rev-parse", "--show-prefix")
    own = quote(prefix.rstrip("/"), safe="") or "top"
    return (project / folder).resolve() / own, Path(top)


def clear(folder: Path) -> None:
    """Forget a change."""
    shutil.rmtree(folder, ignore_errors=True)

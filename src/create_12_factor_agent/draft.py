"""A change is worked out in a draft and published at once.

A draft is a linked worktree of a repository's last commit, in a temporary folder: whatever stops
a change before it is published leaves the repository as it was. Knows no Copier.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from . import git, source, target
from .errors import UserError


@contextmanager
def of(project: Path) -> Iterator[Path]:
    """Give the last commit of a repository in a folder of its own, gone afterwards."""
    top = _top(project)
    with TemporaryDirectory(prefix=f"{source.NAME}-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder, top.name)
        try:
            git.call(top, "worktree", "add", "--quiet", "--detach", str(tree), "HEAD")
            yield tree / project.relative_to(top)
        finally:
            # Not `prune`: it would forget others of the owner's whose disk is not mounted.
            git.run(top, "worktree", "remove", "--force", "--force", str(tree))
            shutil.rmtree(tree, ignore_errors=True)


def record(drafted: Path) -> None:
    """Commit everything in a draft, for Copier, which goes on from a clean tree only."""
    git.call(drafted, "add", "--all")
    written = git.call(drafted, "write-tree")
    parent = git.call(drafted, "rev-parse", "HEAD")
    git.call(drafted, "update-ref", "HEAD", git.commit_tree(drafted, written, parent))


def changed(drafted: Path) -> tuple[str, ...]:
    """Return the files of a draft that are not as its owner has them."""
    names = git.call(drafted, "diff", "--name-only", "-z", "--relative", "HEAD~1", tree(drafted))
    return tuple(sorted(filter(None, names.split("\0"))))


def tree(drafted: Path) -> str:
    """Return the tree of everything in a draft, as it lies there."""
    with TemporaryDirectory(prefix=f"{source.NAME}-") as folder:
        index = Path(folder, "index")
        git.call(drafted, "read-tree", "HEAD", index=index)
        git.call(drafted, "add", "--all", "--force", index=index)  # ignored or not, it is new
        return git.call(drafted, "write-tree", index=index)


def conflicts(drafted: Path) -> tuple[str, ...]:
    """Return the files that could not be merged, relative to the repository."""
    names = git.call(drafted, "diff", "--name-only", "--diff-filter=U", "-z", "--relative")
    return tuple(sorted(filter(None, names.split("\0"))))


def publish(project: Path, drafted: Path) -> None:
    """Make the repository what its draft is: nothing staged, conflicts as git leaves them.

    Raises: UserError where a file that git does not know is in the way; nothing was changed.
    """
    unmerged = git.call(drafted, "ls-files", "--unmerged", "--full-name", "-z")
    top, made = _top(project), tree(drafted)
    _check_free(top, made)
    with target.signals_held():
        try:
            git.call(top, "read-tree", "-m", "-u", "HEAD", made)
            git.call(top, "reset", "--quiet")
            git.call(top, "update-index", "-z", "--index-info", feed=_entries(unmerged))
        except BaseException:
            with suppress(UserError):
                for back in ((made,), ("-u", "HEAD")):
                    git.call(top, "read-tree", "--reset", *back)
            raise


def _top(project: Path) -> Path:
    return Path(git.call(project, "rev-parse", "--show-toplevel"))


def _check_free(top: Path, tree: str) -> None:
    """Refuse to write over a file that git ignores."""
    added = git.call(top, "diff-tree", "-r", "-z", "--name-only", "--diff-filter=A", "HEAD", tree)
    for name in filter(None, added.split("\0")):
        if (top / name).exists() or (top / name).is_symlink():
            raise UserError(f"{name} is in the way, and git ignores it.", "Move it first.")


def _entries(unmerged: str) -> bytes:
    """Return index entries for git to read, each path first taken out as a merged one."""
    entries = [entry for entry in unmerged.split("\0") if entry]
    names = {entry.partition("\t")[2]: "0" * len(entry.split()[1]) for entry in entries}
    gone = [f"0 {no_object}\t{name}" for name, no_object in names.items()]
    return "".join(f"{entry}\0" for entry in (*gone, *entries)).encode(errors="surrogateescape")

"""Two states of the template, as a repository that Copier can go from and to.

`v1` is what a repository was made from, and takes its answers as they are; `v2` is what it could
become. Copier compares versions to refuse a way back, and cannot compare two states without a
release between them: these two always follow each other. Knows no question and no Copier.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from . import git, origin, source
from .errors import UsageError, UserError

OLD, NEW = "v1", "v2"


@dataclass(frozen=True)
class History:
    """A temporary repository with the tags `OLD` and `NEW`."""

    path: Path
    before: str
    """What the owner's repository was made from, as `_commit` has it."""
    after: str
    """What the newer state is called; the same as `before` where it is no other."""

    @property
    def moves(self) -> bool:
        """Tell whether there is something newer."""
        return self._held(OLD) != self._held(NEW)

    def read(self, tag: str, name: str) -> str:
        """Return a file of one state, empty where it has none of that name."""
        done = git.run(self.path, "show", f"{tag}:{name}")
        return done.stdout.decode() if done.returncode == 0 else ""

    @contextmanager
    def template(self, tag: str) -> Iterator[Path]:
        """Give the template of one state as a plain folder."""
        with TemporaryDirectory(prefix=f"{source.NAME}-") as folder:
            git.extract(self.path, tag, Path(folder), *origin.FILES)
            yield Path(folder)

    def _held(self, tag: str) -> tuple[str, str]:
        template = git.call(self.path, "rev-parse", f"{tag}:template")
        return template, _without_validators(self.read(tag, "copier.yml"))


@contextmanager
def since(src_path: str, commit: str, *, newest: bool) -> Iterator[History]:
    """Give the state `commit` of the template at `src_path`, and the newest one that is known.

    What this installation renders is the newest of where it came from; of any other place it
    is the last release, or what stands there where nothing was released. Without `newest`,
    both states are the same.

    Raises: UserError where the template or that state of it cannot be had.
    """
    with TemporaryDirectory(prefix=f"{source.NAME}-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "history.git")
        here = origin.here() if newest else None  # first: it may make a snapshot to be fetched
        _fetch(src_path, path)
        old = _find(path, commit) or _raise_unknown(src_path, commit)
        new = _newest(path, src_path, here) if here else old
        if new != old and git.run(path, "merge-base", "--is-ancestor", new, old).returncode == 0:
            raise _too_new(commit)
        after = origin.describe(path, new) if new != old else commit
        first = git.commit_tree(path, _accepting(path, old))
        second = git.commit_tree(path, git.call(path, "rev-parse", f"{new}^{{tree}}"), first)
        for tag, made in ((OLD, first), (NEW, second)):
            git.call(path, "update-ref", f"refs/tags/{tag}", made)
        yield History(path, commit, after)


def _fetch(src_path: str, path: Path) -> None:
    place = origin.repository(src_path)
    done = git.run(Path.cwd(), "clone", "--quiet", "--mirror", "--", place, str(path))
    if done.returncode:
        problem = f"The template cannot be had from {src_path}: {git.last_words(done)}"
        raise UserError(problem, "It is `_src_path` in .copier-answers.yml: is it still there?")


def _find(path: Path, ref: str) -> str:
    """Return the commit that `ref` names, or nothing."""
    # `ref` goes through standard input: an answers file could make an option of it.
    wanted = f"{ref}^{{commit}}\n".encode()
    found = git.call(path, "cat-file", "--batch-check=%(objectname)", feed=wanted)
    return found if re.fullmatch(r"[0-9a-f]{40,64}", found) else ""


def _raise_unknown(src_path: str, ref: str) -> NoReturn:
    if src_path == source.url():
        raise _too_new(ref)
    problem = f"{ref} is no state of the template at {src_path}."
    raise UsageError(problem, "Correct `_commit` in .copier-answers.yml: a tag or a commit.")


def _accepting(path: Path, commit: str) -> str:
    """Return the tree of a state that checks no answer: bad ones can be mended then."""
    index = path / "accepting"
    text = git.run(path, "show", f"{commit}:copier.yml").stdout.decode()
    made = _without_validators(text).encode()
    blob = git.call(path, "hash-object", "-w", "--stdin", feed=made)
    git.call(path, "read-tree", commit, index=index)
    git.call(path, "update-index", "--cacheinfo", f"100644,{blob},copier.yml", index=index)
    return git.call(path, "write-tree", index=index)


def _without_validators(text: str) -> str:
    """Take out each key `validator` with the lines that are indented below it."""
    return re.sub(r"^( +)validator:.*\n(?:\1 .*\n|\n)*", "", text, flags=re.MULTILINE)


def _newest(path: Path, src_path: str, here: origin.Origin) -> str:
    if src_path == here.url and (rendered := _find(path, here.ref)):
        return rendered
    tags = git.call(path, "for-each-ref", "--sort=-version:refname", "--format=%(refname:short)",
               "refs/tags/v*").split()  # fmt: skip
    last = next((tag for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag)), "HEAD")
    return _find(path, last)


def _too_new(commit: str) -> UsageError:
    problem = (
        f"{commit}, which this repository is at, is newer than {source.NAME} {source.version()}."
    )
    return UsageError(problem, f"Use the newest: uvx {source.NAME}@latest")

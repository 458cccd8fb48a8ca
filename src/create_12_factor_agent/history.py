"""The way from the state that a repository was made from to a newer one.

Knows no question and no Copier.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import NoReturn

from . import git, origin, source, temporary
from .errors import UsageError, UserError
from .state import State
from .store import NO_ATTRIBUTES


@dataclass(frozen=True)
class History:
    """Two states, in a temporary copy of the template's repository."""

    old: State
    new: State
    before: str
    """What the owner's repository was made from, as `_commit` has it."""
    after: str
    """What the newer state is called; the same as `before` where it is no other."""

    @property
    def moves(self) -> bool:
        """Return whether there is something newer."""
        return not self.old.renders_like(self.new)


@contextmanager
def since(src_path: str, commit: str, *, newest: bool, to: str = "") -> Iterator[History]:
    """Give the state `commit` of the template at `src_path`, and a newer one.

    That is `to`, a release or a commit, or the newest that is known: what this installation
    renders, where the template came from here; elsewhere the last release, or what stands there
    where nothing was released. Without `newest`, both states are the same.

    Raises: UserError where the template or one of the states cannot be had.
    """
    _check_stamp(src_path, commit)
    with temporary.folder() as folder:
        path = folder / "history.git"
        here = origin.here() if newest else None  # first: it may make a snapshot to be fetched
        _fetch(src_path, path)
        old = _find_old(path, src_path, commit)
        if to:
            new = _find_wanted(path, src_path, to)
        else:
            new = _newest(path, src_path, here) if here else old
        if new != old and git.run(path, "merge-base", "--is-ancestor", new, old).returncode == 0:
            raise _backwards(to, commit) if to else _ahead(path, src_path, commit, new)
        for state, name in ((old, commit), (new, to or new)):
            _check_template(path, src_path, state, name)
        after = origin.describe(path, new) if new != old else commit
        yield History(State(path, old, is_strict=False), State(path, new), commit, after)


# -- fetching --------------------------------------------------------------------------------


def _check_stamp(src_path: str, commit: str) -> None:
    """Refuse the stamp of a build that knew no commit: no repository has that version."""
    if src_path == source.url() and re.fullmatch(r"\d[\d.]*\.dev\d+(\+[\w.]+)?", commit):
        problem = f"This repository was made by {commit}, a build that is not a release."
        hint = "Set `_commit` in .copier-answers.yml to the nearest release, then commit that."
        raise UsageError(f"{problem} Nothing says which template it has.", hint)


def _fetch(src_path: str, path: Path) -> None:
    place = origin.repository(src_path)
    quiet = ("--quiet", "--mirror", "--template=")
    _check_fetched(src_path, git.run(Path.cwd(), "clone", *quiet, "--", place, str(path)))
    (path / "info").mkdir(exist_ok=True)
    (path / "info/attributes").write_text(NO_ATTRIBUTES, "utf-8", newline="\n")


def _check_fetched(src_path: str, done: CompletedProcess[bytes]) -> None:
    if done.returncode:
        problem = f"The template cannot be had from {src_path}: {git.last_words(done)}"
        raise UserError(problem, "It is `_src_path` in .copier-answers.yml: is it still there?")


# -- finding ---------------------------------------------------------------------------------


def _find(path: Path, ref: str) -> str:
    """Return the commit that `ref` names, or nothing."""
    # `ref` goes through standard input: an answers file could make an option of it.
    wanted = f"{ref}^{{commit}}\n".encode()
    found = git.call(path, "cat-file", "--batch-check=%(objectname)", feed=wanted)
    return found if re.fullmatch(r"[0-9a-f]{40,64}", found) else ""


def _find_old(path: Path, src_path: str, ref: str) -> str:
    found = _find(path, ref)
    if not found and origin.is_bundled(src_path) and not _number(ref):
        # The bundle has nothing between two releases: look at the address itself.
        refs = [f"+refs/{kind}/*:refs/{kind}/*" for kind in ("heads", "tags")]
        _check_fetched(src_path, git.run(path, "fetch", "--quiet", "--", src_path, *refs))
        found = _find(path, ref)
    return found or _raise_unknown(path, src_path, ref)


def _find_wanted(path: Path, src_path: str, to: str) -> str:
    """Return the commit of a release, with or without its `v`, or of any other name."""
    found = _find(path, f"v{to}") or _find(path, to)
    if not found:
        releases = ", ".join(_releases(path)) or "none"
        problem = f"{to} is not a version of the template at {src_path}."
        raise UsageError(problem, f"The releases it has: {releases}")
    return found


def _newest(path: Path, src_path: str, here: origin.Origin) -> str:
    if origin.is_same(src_path, here.url) and (rendered := _find(path, here.ref)):
        return rendered
    return _find(path, _last(path))


def _releases(path: Path) -> list[str]:
    """Return the tags of releases, oldest first."""
    tags = git.call(path, "for-each-ref", "--format=%(refname:short)", "refs/tags/v*").split()
    return sorted(filter(_number, tags), key=_number)


def _last(path: Path) -> str:
    """Return the tag of the last release, or `HEAD` where nothing was released."""
    return ["HEAD", *_releases(path)][-1]


def _number(tag: str) -> list[int]:
    """Return the numbers of a release's tag, and none of anything else."""
    return [*map(int, tag[1:].split("."))] if re.fullmatch(r"v\d+\.\d+\.\d+", tag) else []


def _check_template(path: Path, src_path: str, commit: str, name: str) -> None:
    wanted = "".join(f"{commit}:{file}\n" for file in origin.FILES).encode()
    if " missing" in git.call(path, "cat-file", "--batch-check", feed=wanted):
        problem = f"{name} of {src_path} has no template (copier.yml and template/)."
        raise UsageError(problem, "Correct `_commit` and `_src_path` in .copier-answers.yml.")


# -- words -----------------------------------------------------------------------------------


def _raise_unknown(path: Path, src_path: str, ref: str) -> NoReturn:
    if origin.is_bundled(src_path) and _number(ref):
        raise _too_new(ref) if _number(ref) > _number(_last(path)) else _left_out(ref)
    problem = f"{ref} is no state of the template at {src_path}."
    there = "Set `_commit` in .copier-answers.yml to a tag or a commit that is there"
    raise UsageError(problem, f"{there}, or push this one.")


def _ahead(path: Path, src_path: str, commit: str, new: str) -> UsageError:
    if src_path == source.url():
        return _too_new(commit)
    newest = f"{origin.describe(path, new)} at {src_path}"
    problem = f"{commit}, which this repository is at, is newer than {newest}."
    return UsageError(problem, "There is no update until something newer is there.")


def _backwards(to: str, commit: str) -> UsageError:
    problem = f"{to} is older than {commit}, which this repository is at."
    return UsageError(problem, "To undo an update that you committed: git revert")


def _left_out(tag: str) -> UsageError:
    problem = f"{source.NAME} {source.version()} was built without the release {tag}."
    build = "or build from a full clone: git fetch --unshallow --tags"
    return UsageError(problem, f"Use a release: uvx {source.NAME}@latest, {build}")


def _too_new(commit: str) -> UsageError:
    problem = (
        f"{commit}, which this repository is at, is newer than {source.NAME} {source.version()}."
    )
    return UsageError(problem, f"Use the newest: uvx {source.NAME}@latest")

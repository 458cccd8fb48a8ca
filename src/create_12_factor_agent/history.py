"""Two states of the template: what a repository was made from, and what it could become.

Knows no question and no Copier.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from . import git, origin, source, temporary
from .errors import UsageError, UserError
from .store import NO_ATTRIBUTES


@dataclass(frozen=True)
class State:
    """The template at one commit."""

    repository: Path
    commit: str
    is_strict: bool = True
    """It checks answers; the old state does not, so that bad ones can be mended."""

    def read(self, name: str) -> str:
        """Return a file, empty where there is none of that name."""
        done = git.run(self.repository, "show", f"{self.commit}:{name}")
        return done.stdout.decode() if done.returncode == 0 else ""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give the template as a plain folder."""
        with temporary.folder() as folder:
            git.extract(self.repository, self.commit, folder, *origin.FILES)
            if not self.is_strict:
                questions = folder / "copier.yml"
                questions.write_text(_without_validators(questions.read_text("utf-8")), "utf-8")
            yield folder

    def renders_like(self, other: "State") -> bool:
        """Return whether repositories are the same, made from this state or from another."""
        return self._rendered() == other._rendered()

    def _rendered(self) -> tuple[str, str]:
        template = git.call(self.repository, "rev-parse", f"{self.commit}:template")
        return template, _without_validators(self.read("copier.yml"))


@dataclass(frozen=True)
class History:
    """The way from one state to another."""

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
    with temporary.folder() as folder:
        path = folder / "history.git"
        here = origin.here() if newest else None  # first: it may make a snapshot to be fetched
        _fetch(src_path, path)
        old = _find(path, commit) or _raise_unknown(src_path, commit)
        new = _wanted(path, src_path, to) if to else ""
        new = new or (_newest(path, src_path, here) if here else old)
        if new != old and git.run(path, "merge-base", "--is-ancestor", new, old).returncode == 0:
            raise _backwards(to, commit) if to else _too_new(commit)
        for state, name in ((old, commit), (new, to or new)):
            _check_template(path, src_path, state, name)
        after = origin.describe(path, new) if new != old else commit
        yield History(State(path, old, is_strict=False), State(path, new), commit, after)


def _fetch(src_path: str, path: Path) -> None:
    place = origin.repository(src_path)
    done = git.run(
        Path.cwd(), "clone", "--quiet", "--mirror", "--template=", "--", place, str(path)
    )
    if done.returncode:
        problem = f"The template cannot be had from {src_path}: {git.last_words(done)}"
        raise UserError(problem, "It is `_src_path` in .copier-answers.yml: is it still there?")
    (path / "info").mkdir(exist_ok=True)
    (path / "info/attributes").write_text(NO_ATTRIBUTES)


def _find(path: Path, ref: str) -> str:
    """Return the commit that `ref` names, or nothing."""
    # `ref` goes through standard input: an answers file could make an option of it.
    wanted = f"{ref}^{{commit}}\n".encode()
    found = git.call(path, "cat-file", "--batch-check=%(objectname)", feed=wanted)
    return found if re.fullmatch(r"[0-9a-f]{40,64}", found) else ""


def _check_template(path: Path, src_path: str, commit: str, name: str) -> None:
    wanted = "".join(f"{commit}:{file}\n" for file in origin.FILES).encode()
    if " missing" in git.call(path, "cat-file", "--batch-check", feed=wanted):
        problem = f"{name} of {src_path} has no template (copier.yml and template/)."
        raise UsageError(problem, "Correct `_commit` and `_src_path` in .copier-answers.yml.")


def _wanted(path: Path, src_path: str, to: str) -> str:
    """Return the commit of a release, with or without its `v`, or of any other name."""
    found = _find(path, f"v{to}") or _find(path, to)
    if not found:
        releases = ", ".join(_releases(path)) or "none"
        problem = f"{to} is not a version of the template at {src_path}."
        raise UsageError(problem, f"The releases it has: {releases}")
    return found


def _raise_unknown(src_path: str, ref: str) -> NoReturn:
    if src_path == source.url():
        raise _too_new(ref)
    problem = f"{ref} is no state of the template at {src_path}."
    raise UsageError(problem, "Correct `_commit` in .copier-answers.yml: a tag or a commit.")


def _without_validators(text: str) -> str:
    """Take out each key `validator` with the lines that are indented below it."""
    return re.sub(r"^( +)validator:.*\n(?:\1 .*\n|\n)*", "", text, flags=re.MULTILINE)


def _newest(path: Path, src_path: str, here: origin.Origin) -> str:
    if src_path == here.url and (rendered := _find(path, here.ref)):
        return rendered
    return _find(path, next(iter(_releases(path)), "HEAD"))


def _releases(path: Path) -> list[str]:
    """Return the tags of releases, newest first."""
    tags = git.call(path, "for-each-ref", "--sort=-version:refname", "--format=%(refname:short)",
               "refs/tags/v*").split()  # fmt: skip
    return [tag for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]


def _backwards(to: str, commit: str) -> UsageError:
    problem = f"{to} is older than {commit}, which this repository is at."
    return UsageError(problem, "An update that you committed is undone by: git revert")


def _too_new(commit: str) -> UsageError:
    problem = (
        f"{commit}, which this repository is at, is newer than {source.NAME} {source.version()}."
    )
    return UsageError(problem, f"Use the newest: uvx {source.NAME}@latest")

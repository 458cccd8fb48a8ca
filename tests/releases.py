"""The template as it was: releases to update from.

The newest is the working tree. Those before it are made from it, backwards: each lacks what the
next one brings. The releases that this repository has tags of come before all of these.
"""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import ROOT, checked_in
from .templates import commit, git

KEPT = ("copier.yml", "template/", "docs/changelog.md", ".gitattributes", ".gitignore")

Undo = Callable[[Path], None]


@dataclass(frozen=True)
class Release:
    """A release and what it brought."""

    tag: str
    brought: str
    undo: Undo
    """Takes a working tree back to the release before."""


def _swap(name: str, new: str, old: str) -> Undo:
    def undo(folder: Path) -> None:
        text = (folder / name).read_text()
        assert text.count(new) == 1, f"{new!r} is {text.count(new)} times in {name}"
        (folder / name).write_text(text.replace(new, old))

    return undo


def _all(*steps: Undo) -> Undo:
    def undo(folder: Path) -> None:
        for step in steps:
            step(folder)

    return undo


def _no_checks(folder: Path) -> None:
    """Take the part `ci` away."""
    questions = (folder / "copier.yml").read_text()
    questions = re.sub(r"^    Checks on every push.*\n", "", questions, flags=re.MULTILINE)
    questions = re.sub(r"^  - .*/(\.github|docs/ci\.md).*\n", "", questions, flags=re.MULTILINE)
    questions = questions.replace("default: [docker, ci]", "default: [docker]")
    (folder / "copier.yml").write_text(questions)
    for name in (".github/workflows/check.yml", ".github/workflows/update.yml", "docs/ci.md"):
        (folder / "template" / name).unlink()


def _another_module(folder: Path) -> None:
    """Give it a module that is gone by now."""
    (folder / "template/src/agent/engine/legacy.py").write_text('"""What is no longer needed."""\n')


LOOP = "template/src/agent/engine/loop/advance.py"
SCHEMA = "template/src/agent/engine/stores/sqlite/schema.py"
ATTEMPTS, CRASHES = (f"{name} INTEGER NOT NULL DEFAULT 0" for name in ("attempts", "crashes"))
STATEMENTS = "template/src/agent/engine/stores/sqlite/statements.py"

RELEASES = (
    Release("v90.2.0", "Deliveries are tried more often.", _all(
        _swap(LOOP, "MAX_DELIVERIES = 5\n", "MAX_DELIVERIES = 3\n"),
        _swap(LOOP, 'case "escalate":\n', 'case "escalate" | "limit":\n'),
        _another_module,
    )),
    Release("v90.3.0", "The store counts crashes, in a column of its own.", _all(
        _swap(SCHEMA, f"{ATTEMPTS},\n        {CRASHES}\n", f"{ATTEMPTS}\n"),
        _swap(STATEMENTS, "crashes = 0, status = :status,", "status = :status,"),
    )),
    Release("v90.4.0", "A new part: `ci`.", _no_checks),
    Release("v90.5.0", "A newer Rich.", _swap(
        "template/pyproject.toml.jinja", '    "rich>=14",\n', '    "rich>=13.9",\n'
    )),
)  # fmt: skip
"""Oldest first; the last is the working tree."""

FIRST = "v90.1.0"

FIRST_COMMIT = "49c24cfcc9118cfa173711f6e1004bfe3f95db2b"
"""The first commit whose repositories start after an update. It may be a later one until 0.1; a
change that needs that breaks what owners have, and the changelog says so."""


def clone(folder: Path, stops: int) -> list[str]:
    """Clone this repository into `folder`, its branch `main` as the working tree is.

    Returns: the first commit, and as many between it and `main`.
    """
    if subprocess.run(["git", "cat-file", "-e", FIRST_COMMIT], cwd=ROOT, check=False).returncode:
        pytest.skip(f"this clone has no commit {FIRST_COMMIT}: git fetch --unshallow")
    git(ROOT, "clone", "--quiet", "--no-tags", str(ROOT), str(folder))
    since = git(folder, "rev-list", "--reverse", f"{FIRST_COMMIT}..HEAD", "--", *KEPT).splitlines()
    git(folder, "checkout", "--quiet", "-B", "main")
    for name in git(folder, "ls-files").splitlines():
        (folder / name).unlink()
    commit(_write(folder, _files(ROOT, checked_in())), {})
    return [
        FIRST_COMMIT,
        *(since[len(since) * stop // (stops + 1)] for stop in range(1, stops + 1)),
    ]


def build(folder: Path) -> list[str]:
    """Make a repository of all releases in `folder`; return their tags, oldest first."""
    tags, states = [FIRST, *(release.tag for release in RELEASES)], [_files(ROOT, checked_in())]
    for release in reversed(RELEASES):
        work = _write(folder.with_name(f"before-{release.tag}"), states[0])
        release.undo(work)
        names = [path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file()]
        states.insert(0, _files(work, names))
    brought = ["What it was.", *(release.brought for release in RELEASES)]
    news = states[-1]["docs/changelog.md"].decode()
    for tag, state, item in zip(tags, states, brought, strict=True):
        news = news.replace("\n## ", f"\n## {tag[1:]}\n\n- {item}\n\n## ", 1)
        state["docs/changelog.md"] = news.encode()
    real = [tag for tag in git(ROOT, "tag").split() if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]
    real.sort(key=lambda tag: [int(number) for number in tag[1:].split(".")])
    for tag, state in zip([*real, *tags], [*map(_released, real), *states], strict=True):
        for name in git(folder, "ls-files").splitlines() if (folder / ".git").exists() else ():
            (folder / name).unlink()
        commit(_write(folder, state), {}, tag)
    return [*real, *tags]


def _released(tag: str) -> dict[str, bytes]:
    names = git(ROOT, "ls-tree", "-r", "--name-only", tag).splitlines()
    return {
        name: git(ROOT, "show", f"{tag}:{name}").encode() + b"\n"
        for name in names
        if name.startswith(KEPT)
    }


def _files(folder: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names if name.startswith(KEPT)}


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, held in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(held)
    return folder

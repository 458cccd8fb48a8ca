"""Finish a repository that is already complete: `uv sync`, `git init`, the first commit.

Conveniences: a tool that is missing or fails leaves a note saying what to do, never an error.
"""

import os
import shutil
import subprocess
from pathlib import Path

from . import source

_STRAY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
"""What a hook or an active environment sets, and what would point git and uv elsewhere."""


def install(path: Path) -> str | None:
    """Run `uv sync`; return a note if that did not work."""
    uv = shutil.which("uv") or os.environ.get("UV")
    if uv is None:
        return "uv is not installed: install it (pip install uv), then run: uv sync"
    done = _run(path, uv, "sync", "--quiet")
    return (
        f"uv sync failed; run it again. It said:\n{done.stderr.strip()}"
        if done.returncode
        else None
    )


def init(path: Path) -> str | None:
    """Make `path` a git repository with the branch `main`; return a note if it is none now."""
    if shutil.which("git") is None:
        return "git is not installed: install it, then run: git init"
    inside = _git(path, "rev-parse", "--show-toplevel")
    if inside.returncode == 0:
        return f"Inside the git repository {inside.stdout.strip()}: nothing was committed."
    done = _git(path, "-c", "init.defaultBranch=main", "init", "--quiet")
    return f"git init failed: {done.stderr.strip()}" if done.returncode else None


def commit(path: Path) -> str | None:
    """Make the first commit, without hooks and signatures; return a note if that did not work.

    A machine where git knows nobody's name commits as this program, and the note says so.
    """
    known = _git(path, "var", "GIT_AUTHOR_IDENT").returncode == 0
    nobody = ("-c", f"user.name={source.NAME}", "-c", f"user.email={source.NAME}@localhost")
    identity = () if known else nobody
    message = f"Create the agent with {source.NAME} {source.version()}"
    quiet = ("--quiet", "--no-gpg-sign", "--no-verify", "--message", message)
    for command in (("add", "--all"), ("-c", f"core.hooksPath={os.devnull}", "commit", *quiet)):
        done = _git(path, *identity, *command)
        if done.returncode:
            return f"The first commit failed: {done.stderr.strip()}"
    return None if known else f"git knows no user.name: the first commit is {source.NAME}'s."


def _git(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run(path, "git", *arguments)


def _run(path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _STRAY}
    return subprocess.run(
        command,
        cwd=path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )

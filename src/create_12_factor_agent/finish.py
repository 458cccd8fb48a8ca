"""Finish a repository that is already complete: `uv sync`, `git init`, the first commit.

Conveniences: a tool that is missing or fails leaves a note saying what to do, never an error.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from . import git, source

_STRAY = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
"""What an active environment sets, and what would point uv elsewhere."""


def install(path: Path) -> str | None:
    """Run `uv sync`; return a note if that did not work."""
    uv = shutil.which("uv") or os.environ.get("UV")
    if uv is None:
        return "uv is not installed: install it (pip install uv), then run: uv sync"
    done = _run(path, uv, "sync", "--quiet")
    if done.returncode:
        return f"uv sync failed; run it again. It said:\n{done.stderr.strip()}"
    return None


def add(path: Path, tool: str, *arguments: str) -> str | None:
    """Let the project's own tool add requirements; return a note if that did not work."""
    place = shutil.which(tool) or (os.environ.get("UV") if tool == "uv" else None)
    shown = shlex.join([tool, *arguments])
    if place is None:
        return f"{tool} is not installed: install it, then run: {shown}"
    done = _run(path, place, *arguments)
    if done.returncode:
        said = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
        return f"This failed: {shown}\n{said}"
    return None


def _run(path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=path,
        env={name: value for name, value in os.environ.items() if name not in _STRAY},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def ignored(path: Path, names: Iterable[str]) -> str | None:
    """Return a note if git ignores new files: `git add --all` would leave them out."""
    feed = os.fsencode("".join(f"{name}\0" for name in names))
    done = git.run(path, "check-ignore", "-z", "--stdin", feed=feed)
    found = os.fsdecode(done.stdout).rstrip("\0").replace("\0", ", ")
    return f"git ignores {found}: add it with git add --force." if found else None


def init(path: Path) -> str | None:
    """Make `path` a git repository with the branch `main`; return a note if it is none now."""
    if not git.installed():
        return "git is not installed: install it, then run: git init"
    inside = git.run(path, "rev-parse", "--show-toplevel")
    if inside.returncode == 0:
        top = os.fsdecode(inside.stdout).strip()
        return f"Inside the git repository {top}: nothing was committed."
    done = git.run(path, "-c", "init.defaultBranch=main", "init", "--quiet")
    return f"git init failed: {git.last_words(done)}" if done.returncode else None


def commit(path: Path) -> str | None:
    """Make the first commit, without hooks and signatures; return a note if that did not work.

    A machine where git knows nobody's name commits as this program, and the note says so.
    """
    known = git.run(path, "var", "GIT_AUTHOR_IDENT").returncode == 0
    nobody = ("-c", f"user.name={source.NAME}", "-c", f"user.email={source.NAME}@localhost")
    identity = () if known else nobody
    message = f"Create the agent with {source.NAME} {source.version()}"
    quiet = ("--quiet", "--no-gpg-sign", "--no-verify", "--message", message)
    for command in (("add", "--all"), ("commit", *quiet)):
        done = git.run(path, *identity, *command)
        if done.returncode:
            return f"The first commit failed: {git.last_words(done)}"
    return None if known else f"git knows no user.name: the first commit is {source.NAME}'s."

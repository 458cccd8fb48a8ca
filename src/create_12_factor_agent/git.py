"""Run git so that nothing around it leaks in.

In the owner's repository git keeps the owner's settings, but runs no hook, asks nothing and ignores
the variables of a hook. In a repository of our own (`ALONE`) it sees no settings at all.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tarfile import ReadError, TarFile
from types import MappingProxyType

from .errors import UsageError, UserError

KEPT = ("GIT_ASKPASS", "GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSL", "GIT_PROXY")
"""How the names begin of variables that say where git and its settings are, and how it reaches the
network. The others belong to a hook or point git elsewhere."""

SETTINGS = {
    "core.hooksPath": os.devnull,
    "protocol.file.allow": "always",
    "safe.bareRepository": "all",
    "status.showUntrackedFiles": "all",
}
"""In place of the owner's, whatever file those are in."""

ALONE = {
    "GIT_ATTR_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "0", "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1", "HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull,
}  # fmt: skip
"""The variables with which git reads no settings and no attributes but a repository's own."""

NOTHING: Mapping[str, str] = MappingProxyType({})

_NOBODY = "create-12-factor-agent <nobody@localhost> 0 +0000"


def run(
    folder: Path, *arguments: str, feed: bytes = b"", env: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[bytes]:
    """Run git in `folder` with `feed` as its input and `env` in its environment.

    It is in no process group of ours: Ctrl-C reaches this program, which decides what to undo.
    """
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    return subprocess.run(
        ["git", *settings, *arguments],
        cwd=folder,
        env={**_environment(), **env},
        input=feed,
        capture_output=True,
        start_new_session=True,
        check=False,
    )


def call(folder: Path, *arguments: str, feed: bytes = b"", env: Mapping[str, str] = NOTHING) -> str:
    """Return what git says, without the end of the last line.

    Raises: UserError with git's own words.
    """
    done = run(folder, *arguments, feed=feed, env=env)
    if done.returncode:
        raise UserError(f"git {arguments[0]} failed: {last_words(done)}", "Mend that first.")
    return os.fsdecode(done.stdout).removesuffix("\n")


def names(folder: Path, *arguments: str, env: Mapping[str, str] = NOTHING) -> list[str]:
    """Return what git lists with `-z`. Raises: UserError."""
    return [*filter(None, call(folder, *arguments, env=env).split("\0"))]


def last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return why a run failed, in git's words and one line."""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    fatal = [line.removeprefix("fatal: ") for line in said if line.startswith("fatal: ")]
    return (fatal or said[-1:] or [f"exit code {done.returncode}"])[0]


def commit_tree(folder: Path, tree: str, *parents: str, env: Mapping[str, str] = NOTHING) -> str:
    """Write a commit of `tree` by nobody at no time; return its id, the same for the same."""
    above = [f"parent {parent}" for parent in parents]
    lines = [f"tree {tree}", *above, f"author {_NOBODY}", f"committer {_NOBODY}", "", "Template\n"]
    write = ("hash-object", "-t", "commit", "-w", "--stdin")
    return call(folder, *write, feed="\n".join(lines).encode(), env=env)


def extract(repository: Path, commit: str, folder: Path, *names: str) -> None:
    """Write files and folders of a commit into `folder`.

    Raises: UserError where git fails.
    """
    as_they_are = ("-c", "core.autocrlf=false", "-c", f"core.attributesFile={os.devnull}")
    done = run(
        repository, *as_they_are, "archive", commit, "--", *names, env={"GIT_ATTR_NOSYSTEM": "1"}
    )
    try:
        TarFile(fileobj=BytesIO(done.stdout)).extractall(folder, filter="tar")
    except ReadError as error:
        problem = f"git archive failed: {last_words(done)}"
        raise UserError(problem, "Mend that first.") from error


def check_installed() -> None:
    """Refuse to go on without git. Raises: UsageError."""
    if not installed():
        raise UsageError("git is not installed.", "Install it, then try again.")


def installed() -> bool:
    """Return whether there is a git to run."""
    return shutil.which("git") is not None


def _environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _is_stray(name)}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _is_stray(name: str) -> bool:
    return name.startswith("GIT_") and (
        name == "GIT_CONFIG_PARAMETERS" or not name.startswith(KEPT)
    )

"""git, run so that nothing around it leaks in: no hooks, no prompts, no variables of a hook."""

import os
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from tarfile import TarFile

from .errors import UsageError, UserError

STRAY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""What a running hook sets, and what would point git elsewhere."""

_NOBODY = "create-12-factor-agent <nobody@localhost> 0 +0000"


def run(
    folder: Path, *arguments: str, feed: bytes = b"", index: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in `folder` with `feed` as its input, and with an index of its own at need.

    It is in no process group of ours: Ctrl-C reaches this program, which decides what to undo.
    """
    environment = {name: value for name, value in os.environ.items() if name not in STRAY}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    if index:
        environment["GIT_INDEX_FILE"] = str(index)
    return subprocess.run(
        ["git", "-c", f"core.hooksPath={os.devnull}", *arguments],
        cwd=folder,
        env=environment,
        input=feed,
        capture_output=True,
        start_new_session=True,
        check=False,
    )


def call(folder: Path, *arguments: str, feed: bytes = b"", index: Path | None = None) -> str:
    """Return what git says, without the last line's end.

    Raises: UserError with git's own words.
    """
    done = run(folder, *arguments, feed=feed, index=index)
    if done.returncode:
        raise UserError(f"git {arguments[0]} failed: {last_words(done)}", "Mend that first.")
    return os.fsdecode(done.stdout).removesuffix("\n")


def last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return why a run failed, in git's words and one line."""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1].removeprefix("fatal: ") if said else f"exit code {done.returncode}"


def commit_tree(folder: Path, tree: str, *parents: str) -> str:
    """Write a commit of `tree` by nobody at no time; return its id, the same for the same."""
    above = [f"parent {parent}" for parent in parents]
    lines = [f"tree {tree}", *above, f"author {_NOBODY}", f"committer {_NOBODY}", "", "Template\n"]
    write = ("hash-object", "-t", "commit", "-w", "--stdin")
    return call(folder, *write, feed="\n".join(lines).encode())


def extract(repository: Path, commit: str, folder: Path, *names: str) -> None:
    """Write files and folders of a commit into `folder`."""
    archive = run(repository, "archive", commit, *names).stdout
    TarFile(fileobj=BytesIO(archive)).extractall(folder, filter="tar")


def check_installed() -> None:
    """Refuse to go on without git. Raises UsageError."""
    if not installed():
        raise UsageError("git is not installed.", "Install it, then try again.")


def installed() -> bool:
    """Tell whether there is a git to run."""
    return shutil.which("git") is not None

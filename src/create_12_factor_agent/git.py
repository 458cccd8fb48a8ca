"""git, run so that nothing around it leaks in.

No hooks, no prompts, no variables of a hook, and none of the owner's settings that would change a
merge.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, MutableMapping
from io import BytesIO
from pathlib import Path
from tarfile import TarFile

from .errors import UsageError, UserError

KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH")
"""Variables of git that say where it and its settings are. `GIT_SSH…` and `GIT_ASKPASS` are kept
too, for the network; the others are a hook's, and point git elsewhere."""

SETTINGS = {
    "apply.whitespace": "nowarn",
    "core.attributesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "merge.conflictStyle": "merge",
    "protocol.file.allow": "always",
    "safe.bareRepository": "all",
    "status.showUntrackedFiles": "all",
}
"""In place of the owner's, whatever file those are in."""

_NOBODY = "create-12-factor-agent <nobody@localhost> 0 +0000"


def run(
    folder: Path, *arguments: str, feed: bytes = b"", index: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in `folder` with `feed` as its input, and with an index of its own at need.

    It is in no process group of ours: Ctrl-C reaches this program, which decides what to undo.
    """
    own_index = {"GIT_INDEX_FILE": str(index)} if index else {}
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment() | own_index,
        input=feed,
        capture_output=True,
        start_new_session=True,
        check=False,
    )


def environment() -> dict[str, str]:
    """Return the variables to run git with."""
    ours = {name: value for name, value in os.environ.items() if not is_stray(name)}
    for number, (name, value) in enumerate(SETTINGS.items()):
        ours |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return ours | {
        "GIT_CONFIG_COUNT": str(len(SETTINGS)), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
    }  # fmt: skip


def isolate(copied: MutableMapping[str, str], names: Iterable[str]) -> None:
    """Prepare the variables of this process, and a copy that has `names`, for another's git."""
    for variables, known in ((os.environ, [*os.environ]), (copied, [*names])):
        for name in filter(is_stray, known):
            del variables[name]
    copied.update(environment())


def is_stray(name: str) -> bool:
    """Tell whether a variable would point git elsewhere or change what it does."""
    kept = name in KEPT or name.startswith(("GIT_SSH", "GIT_ASKPASS"))
    return name.startswith("GIT_") and not kept


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

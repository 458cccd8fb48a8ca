"""git as if it were just installed: no settings, no variables, and bytes for an answer."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

VARIABLES = {
    "HOME": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e@localhost",
    "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "e@localhost",
    "LC_ALL": "C",
}  # fmt: skip


def git(
    folder: Path, *arguments: str, feed: bytes = b"", variables: Mapping[str, str] = VARIABLES
) -> bytes:
    """Return what git prints. Raises: AssertionError with what it says of a failure."""
    code, out, err = run(folder, *arguments, feed=feed, variables=variables)
    assert code == 0, f"git {' '.join(arguments)}: {err.decode(errors='replace')}"
    return out


def run(
    folder: Path, *arguments: str, feed: bytes = b"", variables: Mapping[str, str] = VARIABLES
) -> tuple[int, bytes, bytes]:
    """Return git's exit code, and what it printed."""
    ran = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | VARIABLES | {**variables},
        input=feed,
        capture_output=True,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr

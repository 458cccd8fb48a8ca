#!/usr/bin/env python3
"""Make the default agent in a folder with a space in its path, and do there what its owner would.

It needs no `make`, so that it runs on every system: `uv run .ci/try_default.py`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

OURS = ("--version", "parts", "status", "update --check")
THEIRS = (
    "ruff format --check", "ruff check", "mypy", "lint-imports", "pytest", "pytest tests/engine",
    "agent doctor --help", "agent demo", "agent threads",
)  # fmt: skip


def run(folder: Path, *command: str) -> None:
    """Run a command, and end with it if it fails."""
    sys.stderr.write(f"$ {' '.join(command)}\n")
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"it ended with {done.returncode}")


def main() -> None:
    """Try everything once."""
    program = [sys.executable, "-m", "create_12_factor_agent"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        agent = Path(place) / "größer than one word" / "my-agent"
        agent.parent.mkdir()
        run(agent.parent, *program, "my-agent", "--yes")
        for words in OURS:
            run(agent, *program, *words.split())
        for words in THEIRS:
            run(agent, "uv", "run", *words.split())


main()

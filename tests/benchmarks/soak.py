"""Run an agent for minutes or hours while its processes are killed, and count what got lost.

From the repository: `uv run python -m tests.benchmarks.soak [--minutes 5] [--store sqlite|postgres]
[--kill-every 10] [--people 8]`. It makes a repository in a folder that is gone afterwards, and
runs in it the scripts beside this one, with the scripted model: `agent serve` and a worker on one
SQLite file, or `agent serve` and two workers on a PostgreSQL of its own. It prints a row a minute,
and exits with 1 if anything was lost or happened twice.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from create_12_factor_agent import generate

HERE = Path(__file__).parent
WANTED: dict[str, dict[str, Any]] = {
    "sqlite": {"llm": [], "web": "http", "extra": []},
    "postgres": {
        "llm": [], "web": "http", "store": "postgres", "runner": "procrastinate",
        "extra": ["engine-tests"],
    },
}  # fmt: skip
APP = '''"""The agent that soak.py runs."""

from .engine.build import Application
from .soak import agent

application = Application(agents={"soak": agent})
'''


def main() -> None:
    parser = argparse.ArgumentParser(description="Count what got lost while processes were killed.")
    parser.add_argument("--store", choices=[*WANTED], default="sqlite")
    asked, rest = parser.parse_known_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    folder.chmod(0o755)  # run by root, PostgreSQL is somebody else, and its programs are in here
    try:
        made = _made(folder / "agent", asked.store)
        print(
            f"{time.strftime('%Y-%m-%d')}: {asked.store}, {os.cpu_count()} cores, load "
            f"{os.getloadavg()[0]:.1f} before, Python {platform.python_version()}",
            flush=True,
        )
        command = ("uv", "run", "--quiet", "python", HERE / "soak_run.py", asked.store, *rest)
        sys.exit(subprocess.run(command, cwd=made, env=_environment(), check=False).returncode)
    finally:
        shutil.rmtree(folder)


def _made(place: Path, store: str) -> Path:
    """Make a repository with the agent and its script."""
    made = generate.new(place, WANTED[store], ask=False).path
    shutil.copy(HERE / "soak_agent.py", made / "src/agent/soak.py")
    (made / "src/agent/app.py").write_text(APP, "utf-8")
    subprocess.run(("uv", "sync", "--quiet"), cwd=made, env=_environment(), check=True)
    return made


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}


if __name__ == "__main__":
    main()

"""What one PostgreSQL and a number of workers carry; `docs/capacity.md` tells of it.

From the repository: `uv run python -m tests.benchmarks.capacity [runs] [memory] [growth] [lists]`,
all by default, in twenty minutes on a machine at rest. It makes a repository with a slow
model, in a folder that is gone afterwards, and runs in it the scripts beside this one. What it
does not know goes to `runs`: `--workers 1,2 --waiting 10 --latency 0.05 --rounds 1` does less.
"""

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from create_12_factor_agent import generate

HERE = Path(__file__).parent
WANTED = {"llm": [], "store": "postgres", "runner": "procrastinate", "extra": ["engine-tests"]}
PLUGGED = """
from dataclasses import replace

from .slow import SlowLLM

application = replace(application, llms={"slow": SlowLLM.from_env})
"""
LANGGRAPH = ("langgraph", "langgraph-checkpoint-postgres", "langgraph-checkpoint-sqlite")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a PostgreSQL and workers carry.")
    parser.add_argument("what", nargs="*", default=["runs", "memory", "growth", "lists"])
    asked, rest = parser.parse_known_args()
    folder = Path(tempfile.mkdtemp(prefix="capacity-"))
    folder.chmod(0o755)  # run by root, PostgreSQL is somebody else, and its programs are in here
    try:
        made = _made(folder / "agent")
        print(_machine(), flush=True)
        for what in asked.what:
            more = [_langgraph(folder)] if what == "growth" else rest if what == "runs" else []
            _run(made, "python", HERE / f"capacity_{what}.py", *more)
    finally:
        shutil.rmtree(folder)


def _made(place: Path) -> Path:
    """Make a repository with a model that takes its time."""
    made = generate.new(place, WANTED, ask=False).path
    shutil.copy(HERE / "capacity_model.py", made / "src/agent/slow.py")
    with (made / "src/agent/app.py").open("a", encoding="utf-8") as app:
        app.write(PLUGGED)
    _run(made, "sync", "--quiet")
    return made


def _langgraph(folder: Path) -> str:
    python = folder / "langgraph/bin/python"
    _run(folder, "venv", "--quiet", "langgraph")
    _run(folder, "pip", "install", "--quiet", "--python", python, *LANGGRAPH, "psycopg[binary]")
    listed = ("uv", "pip", "freeze", "--quiet", "--python", python)
    found = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    print(f"\n{', '.join(line for line in found if line.startswith(LANGGRAPH))}", flush=True)
    return str(python)


def _run(folder: Path, *command: str | Path) -> None:
    verb = ("run", *command) if command[0] == "python" else command
    settings = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(["uv", *verb], cwd=folder, env=settings | {"PYTHONPATH": "."}, check=True)


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores ({model}), load {load:.1f} before, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()

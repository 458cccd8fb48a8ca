"""Each benchmark runs to its end, with little to do. What it measures here tells nothing."""

import subprocess
import sys

import pytest

from .conftest import ROOT, Agent

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

OURS = {
    "measure.py": "| `--help` |",
    "-m tests.benchmarks.drill": "| Another line length for all code. |",
    "-m tests.benchmarks.owners --quick": "| variables |",
    "-m tests.benchmarks.capacity runs --latency 0.05 --waiting 10 --workers 1 --rounds 1":
        "| no commit waits for the disk: |",
    "-m tests.benchmarks.capacity memory": "A thread that waits takes",
    "-m tests.benchmarks.capacity growth": "| LangGraph, delta |",
    "-m tests.benchmarks.capacity lists": "| PostgreSQL | 1,000 followers",
    "-m tests.benchmarks.soak --minutes 0.5 --kill-every 5": "lost: 0, doubled: 0",
    "-m tests.benchmarks.soak --minutes 0.5 --kill-every 5 --store postgres":
        "lost: 0, doubled: 0",
    "-m tests.benchmarks.steps --quick --rounds 1": "| **ours** |",
}  # fmt: skip
"""Arguments of Python in this repository, and what is printed near the end."""

IN_AN_AGENT = {
    "start.py": "| `agent run`, gemini |",
    "strangers.py": "0 tracebacks",
    "tokens.py": "as messages and",
}


@pytest.mark.parametrize("arguments", OURS)
def test_it_measures_this_program(arguments: str) -> None:
    command = arguments if arguments.startswith("-m") else f"tests/benchmarks/{arguments}"
    ran = subprocess.run(
        [sys.executable, *command.split()],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=1800,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert OURS[arguments] in ran.stdout


@pytest.mark.parametrize("arguments", IN_AN_AGENT)
def test_it_measures_an_agent(arguments: str, full: Agent) -> None:
    agent = Agent(full.path, full.environment | {"PYTHONPATH": "."})
    script = ROOT / "tests/benchmarks" / arguments
    printed = agent.run(f"uv run --with bpe-openai python {script}", timeout_s=1800)
    assert IN_AN_AGENT[arguments] in printed

"""What a step costs beside a loop by hand and beside frameworks; `docs/benchmarks.md` tells of it.

From the repository: `uv run python -m tests.benchmarks.steps [--rounds N] [--quick]`. It makes a
repository, installs it with the others into one environment, which is gone afterwards, and runs
each loop of `peers/` in a process of its own, against a model server on this machine that answers
at once, or after 50 ms where many threads run. All are durable in SQLite after each step. Each
round runs them all one after another; the table has the medians.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from create_12_factor_agent import generate

PEERS = Path(__file__).parent / "peers"
INSTALLED = (
    "httpx", "langgraph", "langchain-openai", "langgraph-checkpoint-sqlite",
    "pydantic-ai-slim[openai]", "openai-agents",
)  # fmt: skip
SHOWN = ("langgraph", "langgraph-checkpoint-sqlite", "pydantic-ai-slim", "openai-agents", "openai")
LOOPS = {
    "httpx": "by hand, httpx",
    "openai": "by hand, the SDK",
    "ours": "**ours**",
    "langgraph": "LangGraph",
    "pydantic_ai": "Pydantic AI",
    "openai_agents": "OpenAI Agents",
}
ROWS = {  # steps, threads, at once, latency in seconds
    "10 steps": (10, 30, 1, 0.0),
    "200 steps": (200, 1, 1, 0.0),
    "2,000 steps": (2000, 1, 1, 0.0),
    "200 threads at once, 5 steps, 50 ms": (5, 200, 200, 0.05),
}
LONGEST = 500
"""Steps of a thread that a framework runs: the time of the others grows with their square."""
BASE = "openai"
Taken = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a step costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="Two rows and no frameworks.")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="steps-"))
    try:
        python = _install(folder, () if asked.quick else INSTALLED)
        loops = [*LOOPS][:3] if asked.quick else [*LOOPS]
        rows = [*ROWS.items()][:: 3 if asked.quick else 1]
        for title, (steps, threads, at_once, latency_s) in rows:
            some = [each for each in loops if steps < LONGEST or each in [*LOOPS][:3]]
            how = map(str, (steps, threads, at_once))
            _show(title, at_once > 1, _measure(python, some, latency_s, asked.rounds, *how))
    finally:
        shutil.rmtree(folder)


def _install(folder: Path, packages: tuple[str, ...]) -> str:
    """Make an environment with a repository of ours and these packages; return its Python."""
    answers = {"llm": ["openai"], "web": "none", "trigger": [], "extra": []}
    made = generate.new(folder / "agent", answers, ask=False).path
    python = str(folder / "venv/bin/python")
    _run("uv", "venv", "--quiet", "--python", platform.python_version(), folder / "venv")
    install = ("uv", "pip", "install", "--quiet", "--python", python)
    _run(*install, "--editable", made, *(packages or ("httpx",)))
    freeze = ("uv", "pip", "freeze", "--quiet", "--python", python)
    found = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.split()
    versions = ", ".join(each for each in found if each.partition("==")[0] in SHOWN)
    print(
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {versions}", flush=True
    )
    return python


def _measure(
    python: str, loops: list[str], latency_s: float, rounds: int, *how: str
) -> dict[str, list[Taken]]:
    how = tuple(how)
    taken: dict[str, list[Taken]] = {name: [] for name in loops}
    with _model(python, latency_s) as url:
        for _ in range(rounds):
            for name in loops:
                said = _run(python, PEERS / f"with_{name}.py", url, *how)
                taken[name].append(json.loads(said.splitlines()[-1]))
    return taken


@contextmanager
def _model(python: str, latency_s: float) -> Iterator[str]:
    """Start the model server, and return its address."""
    command = (python, PEERS / "endpoint.py", str(latency_s))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _show(title: str, many: bool, taken: dict[str, list[Taken]]) -> None:
    """Print a table: ratios are those of one round, and the median of them."""
    base = taken[BASE]
    print(f"\n| {title} | CPU a step | against the SDK by hand | written a step | steps a second |")
    print("|---|--:|--:|--:|--:|", flush=True)
    for name, rounds in taken.items():
        middle = {what: median(each[what] for each in rounds) for what in rounds[0]}
        what = "pace" if many else "cpu"
        ratios = (one[what] / other[what] for one, other in zip(rounds, base, strict=True))
        print(
            f"| {LOOPS[name]} | {middle['cpu']:.1f} ms | {median(ratios):.2f} x"
            f"{' the pace' if many else ''} | {middle['kB']:.0f} kB | {middle['pace']:.0f} |",
            flush=True,
        )


def _run(*command: str | Path) -> str:
    settings = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.run(
        command, env=settings, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


if __name__ == "__main__":
    main()

"""What starting costs: CPU time of commands, and the time to the first request to a model.

In a rendered repository: `uv run python <path to>/tests/benchmarks/start.py`. Each round starts
everything once: bare Python, an empty Typer program and one of its commands, commands of the agent,
and `agent run` for every provider that is here. A server here notes when the request comes in and
refuses the key, which ends the process. The clock goes on while others use the machine; the CPU
time does not.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from threading import Thread

ROUNDS = 11
PROVIDERS = {"openai": "/v1", "anthropic": "", "gemini": ""}
SDKS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google.genai"}
COMMANDS = ("--help", "threads", "show")
EMPTY = """
import typer

cli = typer.Typer(add_completion=False, rich_markup_mode=None)


@cli.command()
def one() -> None:
    print(1)


@cli.command()
def two(number: int = 1) -> None:
    print(number)


cli()
"""
BIN = Path(sys.executable).parent
arrived: list[float] = []


class Refuses(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        arrived.append(time.perf_counter())
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


Taken = tuple[float, float]
"""Milliseconds by the clock, to the first request or the end, and of CPU time, to the end."""


def run(*command: str | Path, **settings: str) -> Taken:
    arrived.clear()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=os.environ | settings, capture_output=True, check=False)
    end = arrived[0] if arrived else time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return 1000 * (end - start), 1000 * cpu


def first_request(provider: str, url: str, folder: str) -> Taken:
    name = provider.upper()
    taken = run(
        BIN / "agent", "run", "hello",
        MODEL=f"{provider}:any", SQLITE_PATH=f"{folder}/first.db",
        **{f"{name}_BASE_URL": url, f"{name}_API_KEY": "k"},
    )  # fmt: skip
    assert arrived, f"{provider} sent no request"
    return taken


def measure(taken: dict[str, list[Taken]], folder: str, server: HTTPServer) -> None:
    """Start everything once."""

    def add(name: str, one: Taken) -> None:
        taken.setdefault(name, []).append(one)

    empty, python = Path(folder, "empty.py"), sys.executable
    empty.write_text(EMPTY, "utf-8")
    add("`python -c pass`", run(python, "-c", "pass"))
    add("an empty Typer program: `--help`", run(python, empty, "--help"))
    add("an empty Typer program: a command", run(python, empty, "two"))
    for command in COMMANDS:
        store = {"SQLITE_PATH": f"{folder}/threads.db"}
        add(f"`agent {command}`", run(BIN / "agent", command, **store))
    for provider, path in PROVIDERS.items():
        if find_spec(f"agent.engine.llms.{provider}"):
            url = f"http://127.0.0.1:{server.server_port}{path}"
            add(f"`import {SDKS[provider]}`", run(python, "-c", f"import {SDKS[provider]}"))
            add(f"`agent run`, {provider}", first_request(provider, url, folder))


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Refuses)
    Thread(target=server.serve_forever, daemon=True).start()
    taken: dict[str, list[Taken]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS + 1):
            measure(taken, folder, server)
    print("| | clock | CPU | CPU beside bare Python |\n|---|--:|--:|--:|")
    bare = median(cpu for _, cpu in taken["`python -c pass`"][1:])
    for name, each in taken.items():
        clock, cpu = (median(kind) for kind in zip(*each[1:], strict=True))
        print(f"| {name} | {clock:.0f} ms | {cpu:.0f} ms | {cpu - bare:.0f} ms |")


main()

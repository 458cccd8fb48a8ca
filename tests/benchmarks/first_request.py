"""How long it takes from the start of a process to the first request to a model, per provider.

In a rendered repository with these models:
`uv run python <path to>/tests/benchmarks/first_request.py`. Each round starts bare Python, and
`agent run` for every provider; a server here notes when the request comes in and refuses the key,
which ends the process. The clock goes on while others use the machine; the CPU time does not.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from statistics import median
from threading import Thread

ROUNDS = 11
PROVIDERS = {"openai": "/v1", "anthropic": "", "gemini": ""}
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


def first_request(provider: str, url: str) -> Taken:
    name = provider.upper()
    with tempfile.TemporaryDirectory() as folder:
        taken = run(
            BIN / "agent", "run", "hello",
            MODEL=f"{provider}:any", SQLITE_PATH=f"{folder}/threads.db",
            **{f"{name}_BASE_URL": url, f"{name}_API_KEY": "k"},
        )  # fmt: skip
    assert arrived, f"{provider} sent no request"
    return taken


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Refuses)
    Thread(target=server.serve_forever, daemon=True).start()
    bare, ours = "python -c pass", "import agent.app"
    taken: dict[str, list[Taken]] = {name: [] for name in (bare, ours, *PROVIDERS)}
    for _ in range(ROUNDS + 1):
        taken[bare].append(run(sys.executable, "-c", "pass"))
        taken[ours].append(run(sys.executable, "-c", ours))
        for provider, path in PROVIDERS.items():
            url = f"http://127.0.0.1:{server.server_port}{path}"
            taken[provider].append(first_request(provider, url))
    print("| | clock | CPU | CPU, against bare Python |\n|---|---|---|---|")
    for name, each in taken.items():
        clock, cpu = (median(kind) for kind in zip(*each[1:], strict=True))
        ratio = cpu / median(cpu for _, cpu in taken[bare][1:])
        print(f"| `{name}` | {clock:.0f} ms | {cpu:.0f} ms | {ratio:.0f} x |")


main()

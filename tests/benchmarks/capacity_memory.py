"""What a thread that waits costs, and one that runs: memory, disk, statements.

In a repository that capacity.py made: `python <path to>/capacity_memory.py`. Memory is the
proportional set size: what processes share is counted once.
"""

import asyncio
import time
from statistics import median
from typing import Any

import capacity_lab as lab
from agent.app import application
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread
from agent.engine.stores.postgres.statements import CLAIM_DUE
from capacity_meter import payload
from psutil import Process

THREADS = 1000
STEPS = 100
RUNNING = "SELECT count(*) FROM threads WHERE holder IS NOT NULL"
TRANSACTIONS = "SELECT sum(xact_commit)::bigint FROM pg_stat_database"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'agent'"
DISK = "SELECT pg_total_relation_size('events') + pg_total_relation_size('threads')"
SETTLED_S = 6.0
"""Longer than from one sweep to the next, and from one renewal to the next."""
LATENCY_S = 90.0


def measured(url: str, what: str, running: int) -> None:
    """Print what there is once a worker has begun all that is due, and nothing happens."""
    with lab.workers(url, 1, LATENCY_S, max(running, 16)) as (worker,):
        lab.wait_for(lambda: lab.one(url, RUNNING) == running)
        time.sleep(SETTLED_S)
        before, start = lab.one(url, TRANSACTIONS), time.monotonic()
        time.sleep(SETTLED_S)
        each_s = (lab.one(url, TRANSACTIONS) - before) / (time.monotonic() - start)
        lab.row(
            what, f"{megabytes(worker):.0f} MB", f"{megabytes(*lab.servers(url)):.0f} MB",
            lab.one(url, CONNECTIONS), f"{each_s:.0f}", f"{median(map(looked, [url] * 9)):.2f} ms",
        )  # fmt: skip
        lab.query(url, "UPDATE threads SET wake_at = NULL")  # the next worker has nothing to do


def megabytes(*processes: Process) -> float:
    return sum(each.memory_full_info().pss for each in processes) / 2**20


def looked(url: str) -> float:
    """Return how many ms PostgreSQL looks for what is due, where nothing is."""
    claim = CLAIM_DUE.replace("%(holder)s", "'nobody'").replace("%(ttl_s)s", "1")
    return float(lab.one(url, f"EXPLAIN (ANALYZE, FORMAT JSON) {claim}")[0]["Execution Time"])


async def long_thread() -> None:
    """Store a thread that ended after so many steps."""
    events = [make_event("message", "ana", text="hello", source="capacity")]
    for step in range(2, 3 * STEPS + 2, 3):
        result = {"step": step, "output": payload(step)}
        events += [
            make_event("step", call={"intent": "list_git_tags"}, tokens={"input": 1, "output": 1}),
            make_event("tool_started", step=step, key="k"),
            make_event("tool_finished", "agent", f"result:{step}", **result),
        ]
    store: Any = application.build(lambda _: "").ports.store
    await store.append(Thread("long"), *events, make_event("finished", message="ok"))
    await store.close()


def main() -> None:
    with lab.postgres() as url:
        lab.heads("threads", "worker", "PostgreSQL", "connections", "transactions/s", "a look")
        lab.begin(url)
        measured(url, "none", 0)
        empty = lab.one(url, DISK)
        lab.begin(url, 10 * THREADS)
        disk = (lab.one(url, DISK) - empty) / 10 / THREADS
        measured(url, f"{10 * THREADS:,} wait", 0)
        lab.send(THREADS)
        measured(url, f"{10 * THREADS:,} wait, {THREADS:,} run", THREADS)
        lab.begin(url)
        asyncio.run(long_thread())
        lab.query(url, "UPDATE threads SET wake_at = NULL; DELETE FROM procrastinate_jobs")
        lab.copy(url, THREADS - 1)
        lab.send(THREADS, to=[name for (name,) in lab.query(url, "SELECT id FROM threads")])
        measured(url, f"{THREADS:,} run, each with {STEPS} steps of 1 kB behind it", THREADS)
    print(f"\nA thread that waits takes {disk:,.0f} bytes of disk, with its indexes.")


main()

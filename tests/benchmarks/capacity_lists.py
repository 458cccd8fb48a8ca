"""What a list costs at 200,000 threads, and a thousand streams in which nothing happens.

In a repository that capacity.py made: `python <path to>/capacity_lists.py`. A tenth of the threads
wait; both stores get the same ones. Times are medians, by the clock.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import capacity_lab as lab
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.store import Store
from agent.engine.stores.postgres import PostgresStore
from agent.engine.stores.sqlite import SqliteStore

THREADS = 200_000
STREAMS = 1_000
ROUNDS = 21
IDLE_S = 10.0
HEADS = ("store", "newest 100", "waiting 100", "waits with what they ask", "by id", "a claim")

INSERT = """
    INSERT INTO threads (id, version, status, agent, owner, title, wait, created, updated)
    VALUES (?, 2, ?, '', 'ana', 'a title of some length, as people write them', ?, ?, ?)
"""
GENERATE = """
    INSERT INTO threads (id, version, status, agent, owner, title, wait, created, updated)
    SELECT gen_random_uuid(), 2, CASE WHEN n % 10 = 0 THEN 'waiting:question' ELSE 'finished' END,
        '', 'ana', 'a title of some length, as people write them', CASE WHEN n % 10 = 0 THEN 2 END,
        to_timestamp(1.7e9 + random() * 1e6), to_timestamp(1.7e9 + random() * 1e6)
    FROM generate_series(1, 200000) AS numbers(n)
"""
EVENTS = """
    INSERT INTO events (thread_id, seq, type, key, actor, data, at)
    SELECT id, 2, 'paused', NULL, 'agent', '{"kind": "question", "text": "Which of them?"}', updated
    FROM threads WHERE wait IS NOT NULL
"""


def fill_sqlite(path: Path) -> None:
    """Add the threads to an empty database."""
    rows = [
        (uuid4().hex, *(("finished", None) if n % 10 else ("waiting:question", 2)), at, at)
        for n in range(THREADS)
        for at in [1.7e9 + n * 7919 % 200_003]
    ]
    db = sqlite3.connect(path)
    db.executemany(INSERT, rows)
    db.execute(EVENTS)
    db.commit()
    db.close()


def fill_postgres(url: str) -> None:
    lab.query(url, GENERATE)
    lab.query(url, EVENTS)
    lab.query(url, "VACUUM (ANALYZE)")


async def take_ms(ask: Callable[[], Awaitable[Any]]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await ask()
        times.append(1000 * (time.perf_counter() - start))
    return median(times)


async def measure(name: str, store: Store, fill: Callable[[], None]) -> None:
    await store.threads()
    fill()
    some = (await store.threads(limit=1))[0].id
    asked = (
        store.threads,
        lambda: store.threads(waiting=True),
        store.waits,
        lambda: store.threads(limit=4, prefix=some[:8]),
        lambda: store.claim("me", 1.0),
    )
    lab.row(name, *[f"{await take_ms(ask):.1f} ms" for ask in asked])
    await measure_idle(name, store)


async def measure_idle(name: str, store: Store) -> None:
    """Say what following so many threads costs while nothing happens."""
    threads = [
        await store.append(Thread(uuid4().hex), make_event("message", "ana", text="hello"))
        for _ in range(STREAMS)
    ]
    following = [asyncio.create_task(store.grown(thread)) for thread in threads]
    await asyncio.sleep(1)
    start = time.process_time()
    await asyncio.sleep(IDLE_S)
    share = (time.process_time() - start) / IDLE_S
    lab.row(name, f"{STREAMS:,} followers, nothing happens: {100 * share:.1f} % of a core")
    for each in following:
        each.cancel()
    await asyncio.wait(following)


async def main(url: str) -> None:
    lab.heads(*HEADS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "threads.db")
        await measure("SQLite", SqliteStore(path), lambda: fill_sqlite(path))
    await measure("PostgreSQL", PostgresStore(url), lambda: fill_postgres(url))


with lab.postgres() as url:
    asyncio.run(main(url))

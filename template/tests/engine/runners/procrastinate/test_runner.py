"""The runner for many machines, on a real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection, Connection

from agent.engine.context.window import Prompt
from agent.engine.log.errors import Misconfigured, StoreFailed
from agent.engine.loop.ports import Ports, Reply
from agent.engine.runners.procrastinate.runner import ProcrastinateRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.postgres import PostgresStore

from ...domain import Says, World, build_ports, list_types, make_message, make_step, store_thread
from ...stores.postgres.server import create_database, pass_time, query
from ..contract import DONE, Pass, RunnerContract, charge_once, start_working, wait_until


@pytest.fixture
def url() -> Iterator[str]:
    with create_database() as url:
        yield url


@pytest.fixture
async def stores(url: str) -> AsyncIterator[Callable[[], PostgresStore]]:
    """Make stores, each as in a process of its own."""
    async with AsyncExitStack() as closing:

        def make() -> PostgresStore:
            store = PostgresStore(url)
            closing.push_async_callback(store.close)
            return store

        yield make


@pytest.fixture
def store(stores: Callable[[], PostgresStore]) -> PostgresStore:
    return stores()


class TestProcrastinateRunner(RunnerContract):
    @pytest.fixture
    def store(self, stores: Callable[[], PostgresStore]) -> PostgresStore:
        return stores()

    @pytest.fixture
    def passes(self, url: str) -> Pass:
        async def passed_here(seconds: float) -> None:
            await asyncio.to_thread(pass_time, url, seconds)

        return passed_here

    def runner(self, ports: Ports) -> ProcrastinateRunner:
        return ProcrastinateRunner(ports, sweep_s=1)


def read_hints(url: str) -> list[str]:
    """Return the threads that the jobs name, in order."""
    rows = query(url, "SELECT args FROM procrastinate_jobs WHERE task_name = 'advance' ORDER BY id")
    return [args["thread_id"] for (args,) in rows]


# The hint


@pytest.mark.parametrize("kind", [AsyncConnection, Connection])
async def test_a_hint_is_part_of_the_transaction_of_a_borrowed_connection(
    kind: Any, store: PostgresStore, world: World, url: str
) -> None:
    ProcrastinateRunner(build_ports(store, Says(), world))
    await store.threads()  # makes the tables
    connection = kind.connect(url)
    db = await connection if kind is AsyncConnection else connection
    await store_thread(await store.borrow(db), make_message())
    assert read_hints(url) == []
    if committed := db.commit():
        await committed
    assert read_hints(url) == ["t"]
    if closed := db.close():
        await closed


async def test_a_hint_is_part_of_the_append_that_makes_a_thread_due(
    store: PostgresStore, world: World, url: str
) -> None:
    ProcrastinateRunner(build_ports(store, Says(), world))
    thread = await store_thread(store, make_message())
    assert read_hints(url) == ["t"]
    await store.append(thread, make_step("look"))
    assert read_hints(url) == ["t"]


async def test_an_append_is_not_stored_if_its_hint_fails(
    store: PostgresStore, world: World, url: str
) -> None:
    ProcrastinateRunner(build_ports(store, Says(), world))
    thread = await store_thread(store, make_message())
    query(url, "ALTER TABLE procrastinate_jobs RENAME TO elsewhere")
    with pytest.raises(StoreFailed, match="procrastinate_jobs"):
        await store.append(thread, make_message())
    assert await store.load("t") == thread


async def test_a_worker_ends_if_the_database_rejects_its_statements(
    store: PostgresStore, world: World, url: str
) -> None:
    runner = ProcrastinateRunner(build_ports(store, Says(), world), poll_s=0.1)
    await store_thread(store, make_message())
    query(url, "ALTER TABLE procrastinate_workers RENAME TO elsewhere")
    with pytest.raises(StoreFailed, match=r"cannot take jobs: .*procrastinate_workers"):
        await asyncio.wait_for(runner.work(), 10)


async def test_a_running_thread_needs_no_hint(store: PostgresStore, world: World, url: str) -> None:
    runner = ProcrastinateRunner(build_ports(store, charge_once, world))
    await store_thread(store, make_message())
    await runner.finish("t")
    assert "tool_finished" in list_types(await store.load("t"))
    assert read_hints(url) == ["t"]


@pytest.mark.parametrize("copies", [0, 5], ids=["lost", "doubled"])
async def test_a_hint_may_be_lost_or_doubled(
    copies: int, store: PostgresStore, world: World, url: str
) -> None:
    runner = ProcrastinateRunner(build_ports(store, charge_once, world), sweep_s=1)
    for name in ("a", "b"):
        await store_thread(store, make_message(), thread_id=name)
    query(
        url,
        "WITH taken AS (DELETE FROM procrastinate_jobs RETURNING queue_name, task_name, args) "
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
        f"SELECT taken.* FROM taken, generate_series(1, {copies})",
    )
    async with start_working(runner):
        await wait_until(TestProcrastinateRunner.all_finished(store, "a", "b"))
    assert world.effects("charge") == ["5", "5"]


async def test_a_sweep_that_finds_many_threads_lets_others_help(
    store: PostgresStore, world: World
) -> None:
    thinking, all_there = 0, asyncio.Event()

    async def together(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        nonlocal thinking
        thinking += 1
        if thinking == 5:
            all_there.set()
        await all_there.wait()
        return Reply(json.dumps({"next_step": DONE}), {})

    names = [str(number) for number in range(5)]
    for name in names:
        await store_thread(store, make_message(), thread_id=name)
    async with start_working(ProcrastinateRunner(build_ports(store, together, world), sweep_s=60)):
        await wait_until(TestProcrastinateRunner.all_finished(store, *names))


async def test_a_thread_released_by_a_stopping_worker_is_run_by_others(
    stores: Callable[[], PostgresStore], world: World
) -> None:
    thinking, go = asyncio.Event(), asyncio.Event()

    async def slow(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        thinking.set()
        await go.wait()
        return await charge_once(prompt, schema)

    store = stores()
    first = ProcrastinateRunner(build_ports(store, slow, world), sweep_s=60)
    others = ProcrastinateRunner(build_ports(stores(), charge_once, world), sweep_s=60)
    async with start_working(first) as task:
        await store_thread(store, make_message())
        await thinking.wait()
        task.cancel()
        await asyncio.wait({task}, timeout=0.05)
        go.set()
        await asyncio.wait({task})
    async with start_working(others):
        await wait_until(TestProcrastinateRunner.all_finished(store))


# Workers that died


async def test_the_jobs_of_dead_workers_are_cleared_and_their_threads_taken_over(
    store: PostgresStore, world: World, url: str
) -> None:
    runner = ProcrastinateRunner(build_ports(store, charge_once, world), sweep_s=1)
    await store_thread(store, make_message())
    query(
        url,
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) "
        "VALUES (now() - interval '1 hour') RETURNING id) "
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead",
    )

    async def cleared() -> bool:
        return not await asyncio.to_thread(read_hints, url)

    async with start_working(runner):
        await wait_until(TestProcrastinateRunner.all_finished(store))
        await wait_until(cleared)
    assert world.effects("charge") == ["5"]


async def test_no_job_remains_when_its_work_is_done(
    store: PostgresStore, world: World, url: str
) -> None:
    async def nothing_left() -> bool:
        return not await asyncio.to_thread(query, url, "SELECT 1 FROM procrastinate_jobs")

    async with start_working(
        ProcrastinateRunner(build_ports(store, charge_once, world), sweep_s=1)
    ):
        await store_thread(store, make_message())
        await wait_until(TestProcrastinateRunner.all_finished(store))
        await wait_until(nothing_left)


async def test_a_worker_continues_when_the_database_is_back(
    store: PostgresStore, world: World, url: str
) -> None:
    runner = ProcrastinateRunner(build_ports(store, charge_once, world), poll_s=0.01, sweep_s=1)
    listening = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    mine = "application_name = 'agent' AND datname = current_database()"
    async with start_working(runner):
        await wait_until(lambda: asyncio.to_thread(query, url, listening))
        query(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")
        await store_thread(store, make_message())
        await wait_until(TestProcrastinateRunner.all_finished(store))


# The tables


async def test_the_tables_of_procrastinate_are_created_and_migrated_with_the_store(
    store: PostgresStore, world: World, url: str
) -> None:
    runner = ProcrastinateRunner(build_ports(store, Says(), world))
    await store.threads()
    schema = store.database.schemas["procrastinate"]
    versions = query(url, "SELECT version FROM agent.schema_versions WHERE name = 'procrastinate'")
    assert versions == [(schema.version,)]
    assert list(schema.scripts(0)) == [SchemaManager.get_schema()]
    assert len(list(schema.scripts(schema.version - 2))) == 2
    assert await (await runner.open_app()).check_connection_async()


def test_the_runner_needs_the_postgres_store(world: World) -> None:
    with pytest.raises(Misconfigured, match="needs the store 'postgres'"):
        ProcrastinateRunner(build_ports(MemoryStore(), Says(), world))


async def test_a_worker_that_ignores_a_stop_is_cancelled_again(
    store: PostgresStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, cancelled = asyncio.Event(), list[str]()

    async def ignore_cancellation() -> None:
        while len(cancelled) < 2:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append("stop")

    runner = ProcrastinateRunner(build_ports(store, Says(), world))
    monkeypatch.setattr("agent.engine.runners.ending.AGAIN_S", 0.01)
    monkeypatch.setattr(runner, "_run_worker", ignore_cancellation)
    work = asyncio.create_task(runner.work())
    await started.wait()
    work.cancel()
    await asyncio.wait({work}, timeout=10)
    assert work.cancelled()
    assert cancelled == ["stop", "stop"]

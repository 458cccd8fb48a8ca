"""The runner behind a real PgBouncer that lends a connection for one transaction."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from agent.engine.runners.procrastinate.runner import ProcrastinateRunner
from agent.engine.stores.postgres import PostgresStore

from ...domain import World, build_ports, make_message, store_thread
from ...stores.postgres.pooler import Urls, create_pooled_database
from ...stores.postgres.server import query
from ..contract import charge_once, start_working, wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def urls() -> Iterator[Urls]:
    with create_pooled_database() as urls:
        yield urls


@pytest.fixture
async def store(urls: Urls) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(urls.pooled, urls.direct)
    yield store
    await store.close()


async def test_a_worker_is_notified_of_a_job(
    store: PostgresStore, world: World, urls: Urls
) -> None:
    """Jobs would be found without a notification, but only every five seconds."""
    runner = ProcrastinateRunner(build_ports(store, charge_once, world), sweep_s=30)
    where = "query LIKE '%LISTEN%' AND pid <> pg_backend_pid()"

    async def is_listening() -> bool:
        return bool(
            await asyncio.to_thread(
                query, urls.direct, f"SELECT 1 FROM pg_stat_activity WHERE {where}"
            )
        )

    async def is_finished() -> bool:
        return (await store.load("t")).state.status == "finished"

    async with start_working(runner):
        await wait_until(is_listening)
        await store_thread(store, make_message())
        async with asyncio.timeout(2):
            await wait_until(is_finished)
    assert world.effects("charge") == ["5"]


async def test_many_threads_run_behind_a_pooler(store: PostgresStore, world: World) -> None:
    runner = ProcrastinateRunner(build_ports(store, charge_once, world), sweep_s=1)
    names = [str(number) for number in range(30)]
    for name in names:
        await store_thread(store, make_message(), thread_id=name)

    async def are_finished() -> bool:
        return all(row.status == "finished" for row in await store.threads())

    async with start_working(runner):
        await wait_until(are_finished)
    assert world.effects("charge") == ["5"] * len(names)

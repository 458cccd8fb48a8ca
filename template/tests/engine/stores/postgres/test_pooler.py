"""The store and the runner behind a real PgBouncer that lends a connection for one transaction."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from agent.engine.log.errors import Misconfigured, StoreFailed, Unavailable
from agent.engine.runners.procrastinate.runner import ProcrastinateRunner
from agent.engine.stores.postgres import PostgresStore

from ...domain import World, build_ports, make_message, store_thread
from ...runners.contract import charge_once, start_working, wait_until
from ..contract import Pass, StoreContract
from .pooler import Urls, create_pooled_database
from .server import pass_time, query

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


class TestPooledStore(StoreContract):
    @pytest.fixture
    async def store(self, urls: Urls) -> AsyncIterator[PostgresStore]:
        store = PostgresStore(urls.pooled, urls.direct)
        yield store
        await store.close()

    @pytest.fixture
    def passes(self, urls: Urls) -> Pass:
        async def passed_here(seconds: float) -> None:
            pass_time(urls.direct, seconds)

        return passed_here

    @pytest.fixture
    def jumps(self, passes: Pass) -> Pass:
        return passes


async def append_often(store: PostgresStore, thread_id: str) -> None:
    thread = await store_thread(store, make_message(), thread_id=thread_id)
    for number in range(20):
        thread = await store.append(await store.load(thread_id), make_message(str(number)))
    assert thread.state.version == 21


async def test_no_statement_is_prepared(store: PostgresStore) -> None:
    await asyncio.gather(*[append_often(store, str(number)) for number in range(8)])


async def test_a_pooler_that_nobody_named_is_recognized(urls: Urls) -> None:
    store = PostgresStore(urls.pooled)
    with pytest.raises(StoreFailed, match=r"prepared statement .*set DATABASE_DIRECT_URL"):
        await asyncio.gather(*[append_often(store, str(number)) for number in range(8)])
    await store.close()


async def test_nothing_is_set_beyond_a_transaction(store: PostgresStore, urls: Urls) -> None:
    await store_thread(store, make_message())
    show = "SHOW idle_in_transaction_session_timeout"
    async with store.database.transact() as db:
        assert await (await db.execute(show)).fetchone() == ("10s",)
    for _ in range(10):
        assert await store.database.fetch_rows(show) == [("0",)]


async def test_tables_are_made_on_the_direct_connection(urls: Urls) -> None:
    store = PostgresStore(urls.pooled, "postgresql://127.0.0.1:1/nowhere?password=secret")
    with pytest.raises(Unavailable, match="port 1 failed") as error:
        await store.threads()
    assert "secret" not in str(error.value)
    wrong = PostgresStore(urls.pooled, "mysql://ana:secret@localhost/agent")
    with pytest.raises(Misconfigured, match="DATABASE_DIRECT_URL is not a PostgreSQL URL"):
        await wrong.threads()


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


def test_the_settings_name_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://pooler/agent")
    monkeypatch.setenv("DATABASE_DIRECT_URL", "postgresql://server/agent")
    assert "host=server" in PostgresStore.from_env().database.session_url
    monkeypatch.delenv("DATABASE_DIRECT_URL")
    assert "host=pooler" in PostgresStore.from_env().database.session_url

"""The store behind a real PgBouncer that lends a connection for one transaction."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from agent.engine.log.errors import Misconfigured, StoreFailed, Unavailable
from agent.engine.stores.postgres import PostgresStore

from ...domain import make_message, store_thread
from ..contract import Pass, StoreContract
from .pooler import Urls, create_pooled_database
from .server import pass_time

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


async def test_a_pooler_that_no_setting_names_is_recognized(urls: Urls) -> None:
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


def test_the_settings_name_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://pooler/agent")
    monkeypatch.setenv("DATABASE_DIRECT_URL", "postgresql://server/agent")
    assert "host=server" in PostgresStore.from_env().database.session_url
    monkeypatch.delenv("DATABASE_DIRECT_URL")
    assert "host=pooler" in PostgresStore.from_env().database.session_url

"""Launching within a transaction of one's own: committed together, or not at all."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, ClientCursor, Connection
from psycopg.rows import dict_row

from agent.engine.log.errors import Misconfigured, StoreFailed, ThreadNotFound
from agent.engine.log.thread import Thread
from agent.engine.loop.api import launch
from agent.engine.stores.postgres import PostgresStore

from ...domain import Says, World, build_ports, list_types
from .server import create_database, query


@pytest.fixture
def url() -> Iterator[str]:
    with create_database() as url:
        query(url, "CREATE TABLE events (name text)")  # a table of the product
        yield url


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url)
    yield store
    await store.close()


async def start(store: PostgresStore, connection: object, delivery: str = "1") -> Thread:
    ports = build_ports(await store.borrow(connection), Says(), World(":memory:"))
    return await launch(ports, "t", "hi", actor="ana", delivery=delivery, source="program")


async def test_a_thread_is_committed_with_the_rows_of_the_product(
    store: PostgresStore, url: str
) -> None:
    async with await AsyncConnection.connect(url) as db:
        await db.execute("INSERT INTO events VALUES ('an order')")
        thread = await start(store, db)
        with pytest.raises(ThreadNotFound):
            await store.load("t")
    assert await store.load("t") == thread
    assert query(url, "SELECT name FROM events") == [("an order",)]
    assert await store.claim("me", 30, "t")


async def test_a_rollback_takes_the_thread_back(store: PostgresStore, url: str) -> None:
    async with await AsyncConnection.connect(url) as db:
        await start(store, db)
        await db.rollback()
    with pytest.raises(ThreadNotFound):
        await store.load("t")
    assert query(url, "SELECT count(*) FROM agent.threads") == [(0,)]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_blocking_connection_works_alike(
    ending: str, store: PostgresStore, url: str
) -> None:
    with psycopg.connect(url) as db:
        db.execute("INSERT INTO events VALUES ('an order')")
        await start(store, db)
        getattr(db, ending)()
    stored = 1 if ending == "commit" else 0
    assert query(url, "SELECT count(*) FROM agent.threads") == [(stored,)]


async def test_what_its_owner_set_on_a_connection_does_not_matter(
    store: PostgresStore, url: str
) -> None:
    """As Django does, which makes the values part of the text of a statement."""
    rows: Any = dict_row
    with Connection.connect(url, row_factory=rows, cursor_factory=ClientCursor) as db:
        await start(store, db)
        assert db.execute("SELECT 1 AS one").fetchone() == {"one": 1}
    async with await AsyncConnection.connect(url, row_factory=rows) as other:
        thread = await start(store, other, "2")
    assert list_types(await store.load("t")) == list_types(thread) == ["message", "message"]


async def test_a_thread_that_grew_meanwhile_leaves_the_transaction_intact(
    store: PostgresStore, url: str
) -> None:
    await launch(
        build_ports(store, Says(), World(":memory:")),
        "t", "first", actor="ana", delivery="0", source="program",
    )  # fmt: skip
    async with await AsyncConnection.connect(url) as db:
        await db.execute("INSERT INTO events VALUES ('an order')")
        thread = await start(store, db)  # it begins with a stale thread
        again = await start(store, db)
    assert list_types(thread) == list_types(again) == ["message", "message"]
    assert query(url, "SELECT name FROM events") == [("an order",)]


async def test_a_transaction_that_failed_is_not_used(store: PostgresStore, url: str) -> None:
    async with await AsyncConnection.connect(url) as db:
        with pytest.raises(psycopg.Error):
            await db.execute("SELECT no_such_column")
        with pytest.raises(StoreFailed, match="roll it back first"):
            await start(store, db)
        await db.rollback()
        await start(store, db)
    assert list_types(await store.load("t")) == ["message"]


async def test_a_connection_to_another_database_is_refused(store: PostgresStore, url: str) -> None:
    with create_database() as other:
        async with await AsyncConnection.connect(other) as db:
            with pytest.raises(Misconfigured, match="another database than DATABASE_URL"):
                await start(store, db)
            await db.execute("SELECT 1")  # the transaction can go on


async def test_a_connection_without_a_transaction_is_refused(
    store: PostgresStore, url: str
) -> None:
    """Nothing would be taken back by it."""
    async with await AsyncConnection.connect(url, autocommit=True) as db:
        with pytest.raises(Misconfigured, match="begin one first"):
            await start(store, db)
        async with db.transaction():
            await start(store, db)
    assert list_types(await store.load("t")) == ["message"]


async def test_a_connection_that_is_closed_or_of_another_driver_is_refused(
    store: PostgresStore, url: str
) -> None:
    closed = psycopg.connect(url)
    closed.close()
    with pytest.raises(Misconfigured, match="the connection is closed"):
        await start(store, closed)
    with pytest.raises(Misconfigured, match=r"psycopg 3, not a builtins\.dict"):
        await start(store, {})


async def test_a_serialization_failure_is_not_retried_in_the_transaction(
    store: PostgresStore, url: str
) -> None:
    async with await AsyncConnection.connect(url) as db:
        await db.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await db.execute("SELECT count(*) FROM events")
        await launch(
            build_ports(store, Says(), World(":memory:")),
            "t", "first", actor="ana", delivery="0", source="program",
        )  # fmt: skip
        with pytest.raises(StoreFailed, match="has to be rolled back"):
            await start(store, db)

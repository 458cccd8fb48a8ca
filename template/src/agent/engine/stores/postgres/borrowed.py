"""Works on a connection of the caller, in the transaction that is open there.

The caller commits it or rolls it back. Each write has a savepoint, so that a conflict with
another process does not fail their transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import psycopg
from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from ...log.errors import Misconfigured, StoreFailed
from .pool import Database

Values = Sequence[Any] | Mapping[str, Any]

_IDENTITY = """
    SELECT oid::text, pg_postmaster_start_time()::text FROM pg_database
    WHERE datname = current_database()
"""
"""What no two databases share."""
_known: dict[str, list[Any]] = {}
"""The identity of each database by URL, as it was when a connection was checked last."""


class Borrowed(Database):
    """The database through one connection, which stays its owner's."""

    def __init__(self, connection: object) -> None:
        """`connection` is one of psycopg 3, asynchronous or not.

        Raises:
            Misconfigured: it is of another kind, closed, or has no open transaction.
            StoreFailed: its transaction has failed.
        """
        super().__init__("")
        self._db = cast(AsyncConnection, _wrap(connection))

    async def check(self, own: Database) -> None:
        """Raise Misconfigured if the connection is to another database than `own`."""
        theirs = await self.fetch_rows(_IDENTITY)
        if _known.get(own.url) != theirs:
            _known[own.url] = await own.fetch_rows(_IDENTITY)
        if _known[own.url] != theirs:
            raise Misconfigured("the connection is to another database than DATABASE_URL")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Lend the connection. Raises StoreFailed: nothing is retried in a transaction."""
        try:
            yield self._db
        except psycopg.Error as error:
            said = error.diag.message_primary or "the connection is lost"
            raise StoreFailed(f"your transaction has to be rolled back: {said}") from error


class _Plain:
    """A connection whose rows are tuples, whatever its owner chose."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self.transaction = connection.transaction
        self.cursor = connection.cursor

    async def execute(self, query: Any, values: Values = ()) -> AsyncCursor[Any]:
        return await AsyncCursor(self._connection, row_factory=tuple_row).execute(query, values)


class _Blocking:
    """A connection that blocks, which works in a thread while the event loop goes on."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def cursor(self, row_factory: Any = tuple_row) -> "_BlockingCursor":
        return _BlockingCursor(Cursor(self._connection, row_factory=row_factory))

    async def execute(self, query: Any, values: Values = ()) -> "_BlockingCursor":
        return await self.cursor().execute(query, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self._connection.transaction():  # a savepoint: it waits for no other transaction
            yield


class _BlockingCursor:
    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor
        self.adapters = cursor.adapters
        self.connection = cursor.connection

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    async def execute(self, query: Any, values: Values = ()) -> Self:
        await asyncio.to_thread(self._cursor.execute, query, values)
        return self

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._cursor.close()


def _wrap(connection: object) -> _Plain | _Blocking:
    if not isinstance(connection, AsyncConnection | Connection):
        kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
        raise Misconfigured(f"the connection has to be one of psycopg 3, not a {kind}")
    status = connection.info.transaction_status
    if status == TransactionStatus.INERROR:
        raise StoreFailed("your transaction has failed: roll it back first")
    if connection.closed:
        raise Misconfigured("the connection is closed")
    if connection.autocommit and status == TransactionStatus.IDLE:
        raise Misconfigured("the connection has no open transaction: begin one first")
    if isinstance(connection, AsyncConnection):
        return _Plain(connection)
    return _Blocking(connection)

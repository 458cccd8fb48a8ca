"""Connections to PostgreSQL, opened at the first use and shared within the process.

With `DATABASE_DIRECT_URL`, `DATABASE_URL` leads through a pooler such as PgBouncer, which may run
two transactions of a connection on two connections of the server. Nothing is then kept between
them: no prepared statement and no `SET`. Tables are made, and jobs are listened for, on a direct
connection.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from ...log.errors import Misconfigured, StoreFailed, Unavailable
from .outages import is_lost_statement, is_outage
from .schema import AGENT, Schema, upgrade

Pool = AsyncConnectionPool[AsyncConnection]

WAIT_S = 5.0
"""How long to wait for a connection."""
MOST = 10
"""Connections of one process."""
EXAMPLE = "postgresql://user:password@localhost:5432/agent"


FREEZE = "idle_in_transaction_session_timeout = '10s'"
"""A process that freezes in a transaction keeps its locks no longer than this."""
_POOLED = " If DATABASE_URL is a pooler such as PgBouncer, set DATABASE_DIRECT_URL as well."


class Database:
    def __init__(self, url: str, direct_url: str = "") -> None:
        """`direct_url` is the same database without the pooler that `url` goes through."""
        self.schemas = {AGENT.name: AGENT}
        """The tables that must exist before anything else is done."""
        self._ready = dict[str, Schema]()
        self.url = url
        self._direct_url = direct_url
        self._pool: Pool | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in autocommit mode.

        Raises:
            Unavailable: the database cannot be reached now; see `is_outage`.
            StoreFailed: the database rejects the statement.
            Misconfigured: DATABASE_URL is missing or wrong, or a newer version made the tables.
        """
        async with self.translate_errors(), (await self.open_pool()).connection() as db:
            yield db

    @asynccontextmanager
    async def transact(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in a transaction. Raises as `connect` does."""
        async with self.connect() as db, db.transaction():
            if self._direct_url:
                await db.execute(f"SET LOCAL {FREEZE}")
            yield db

    async def fetch_rows(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[Any]:
        """Return the rows of `query`. Raises as `connect` does."""
        async with self.connect() as db:
            return await (await db.execute(query, values)).fetchall()

    async def open_pool(self) -> Pool:
        """Return the open pool. Raises as `connect` does."""
        async with self.translate_errors(), self._opening:
            if self._ready != self.schemas:
                await self._upgrade()
            self._pool = self._pool or await self._create_pool()
            return self._pool

    async def close(self) -> None:
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        self._pool = self._keeper = None

    @asynccontextmanager
    async def translate_errors(self) -> AsyncIterator[None]:
        """Raise errors as `Unavailable` or `StoreFailed`.

        The text of a failed connection names users and hosts, and is a note of the error: for the
        log and the terminal, while `str(error)` is shown to anyone.
        """
        try:
            yield
        except (psycopg.Error, OSError) as error:
            kind = Unavailable if is_outage(error) else StoreFailed
            hint = "" if self._direct_url or not is_lost_statement(error) else _POOLED
            said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
            failed = kind(f"the database failed: {said or 'there is no connection'}{hint}")
            failed.add_note(f"The database in DATABASE_URL: {format_error(error)}")
            raise failed from error

    @property
    def session_url(self) -> str:
        """The URL of a connection that keeps its state between transactions."""
        if self._direct_url:
            return _complete_url(self._direct_url, "DATABASE_DIRECT_URL")
        return _complete_url(self.url)

    async def _upgrade(self) -> None:
        async with await AsyncConnection.connect(self.session_url, autocommit=True) as db:
            for schema in self.schemas.values():
                await upgrade(db, schema)
        self._ready = dict(self.schemas)

    async def _create_pool(self) -> Pool:
        pool: Pool = AsyncConnectionPool(
            _complete_url(self.url),
            min_size=1,
            max_size=MOST,
            timeout=WAIT_S,
            configure=_configure_pooled if self._direct_url else _configure,
            check=AsyncConnectionPool.check_connection,  # survives a restart of the database
            open=False,
        )
        self._keeper = asyncio.create_task(_close_at_end(pool))
        try:
            await pool.open(wait=True, timeout=WAIT_S)
        except BaseException:
            self._keeper.cancel()
            raise
        return pool


async def _close_at_end(pool: Pool) -> None:
    """Close the pool when the event loop ends: tasks of the pool survive their cancellation."""
    try:
        await asyncio.Event().wait()
    finally:
        await pool.close()


def format_error(error: BaseException) -> str:
    """Return PostgreSQL's message, which often has several lines, on one line."""
    return " ".join(str(error).split())


async def _configure(db: AsyncConnection) -> None:
    await db.set_autocommit(True)
    await db.execute(f"SET {FREEZE}")


async def _configure_pooled(db: AsyncConnection) -> None:
    await db.set_autocommit(True)
    db.prepare_threshold = None


def _complete_url(url: str, name: str = "DATABASE_URL") -> str:
    """Add our defaults to `url`. Raises Misconfigured without showing the password."""
    if not url:
        raise Misconfigured(f"{name} is not set. Set it in .env, for example to {EXAMPLE}")
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise Misconfigured(f"{name} is not a PostgreSQL URL such as {EXAMPLE}") from None
    ours: dict[str, Any] = {"connect_timeout": 5, "tcp_user_timeout": 10_000}
    return make_conninfo(**{"application_name": "agent", **ours, **given})

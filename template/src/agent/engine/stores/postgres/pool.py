"""Connections to PostgreSQL: opened at the first use, shared by whoever is in the process."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from ...log.errors import Misconfigured, Unavailable
from .schema import AGENT, Schema, upgrade

Pool = AsyncConnectionPool[AsyncConnection]

WAIT_S = 5.0
"""How long to wait for a connection."""
MOST = 10
"""Connections of one process."""
EXAMPLE = "postgresql://user:password@localhost:5432/agent"


class Database:
    def __init__(self, url: str) -> None:
        self.schemas = {AGENT.name: AGENT}
        """The tables to be there before anything else is done."""
        self._ready = dict[str, Schema]()
        self._url = url
        self._pool: Pool | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in which every statement commits by itself.

        Raises:
            Unavailable: the database cannot be reached or does not do what it is asked.
            Misconfigured: DATABASE_URL names none, or a newer version made its tables.
        """
        async with self.errors(), (await self.pool()).connection() as db:
            yield db

    async def rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Return what `query` finds. Raises as `connection` does."""
        async with self.connection() as db:
            return await (await db.execute(query, values)).fetchall()

    async def pool(self) -> Pool:
        """Return the open pool. Raises as `connection` does."""
        async with self.errors(), self._opening:
            if self._ready != self.schemas:
                await self._upgrade()
            self._pool = self._pool or await self._opened()
            return self._pool

    async def close(self) -> None:
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        self._pool = self._keeper = None

    @asynccontextmanager
    async def errors(self) -> AsyncIterator[None]:
        """Put PostgreSQL's errors into ours, in its own words."""
        try:
            yield
        except (psycopg.Error, OSError) as error:
            raise Unavailable(f"the database of DATABASE_URL: {in_words(error)}") from error

    async def _upgrade(self) -> None:
        async with await AsyncConnection.connect(_complete(self._url), autocommit=True) as db:
            for schema in self.schemas.values():
                await upgrade(db, schema)
        self._ready = dict(self.schemas)

    async def _opened(self) -> Pool:
        pool: Pool = AsyncConnectionPool(
            _complete(self._url),
            min_size=1,
            max_size=MOST,
            timeout=WAIT_S,
            configure=_configured,
            check=AsyncConnectionPool.check_connection,  # a restart of the database is no error
            open=False,
        )
        self._keeper = asyncio.create_task(_kept(pool))
        try:
            await pool.open(wait=True, timeout=WAIT_S)
        except BaseException:
            self._keeper.cancel()
            raise
        return pool


async def _kept(pool: Pool) -> None:
    """Close the pool when the event loop ends: its tasks, while connecting, go on if cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        await pool.close()


def in_words(error: BaseException) -> str:
    """Return what PostgreSQL says, which it likes to say in several lines, in one."""
    return " ".join(str(error).split())


async def _configured(db: AsyncConnection) -> None:
    await db.set_autocommit(True)
    # A process that freezes within a transaction keeps its locks no longer than this.
    await db.execute("SET idle_in_transaction_session_timeout = '10s'")


def _complete(url: str) -> str:
    """Return `url` with what it leaves open. Raises Misconfigured, which shows no password."""
    if not url:
        raise Misconfigured(f"DATABASE_URL is not set. Set it in .env, for example to {EXAMPLE}")
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise Misconfigured(f"DATABASE_URL is no URL of PostgreSQL, such as {EXAMPLE}") from None
    ours: dict[str, Any] = {"connect_timeout": 5, "tcp_user_timeout": 10_000}
    return make_conninfo(**{"application_name": "agent", **ours, **given})

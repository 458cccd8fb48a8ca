"""The part of a store that both databases share: everything but appending and deleting.

The statements have the same names for both databases, and named parameters.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

from ..index import ALL, Session, Summary, ThreadCount, Usage, Waiting, Which, Worker
from ..log.events import Event
from ..log.thread import Thread
from ..loop.store import Claim, ListReaders
from .changes import Changes, Follows
from .lists import WIDTH, Dialect, Readers, choose_rows, list_people, make_values, write_list

COUNTED = ("input", "cached", "cache_write", "output")
"""The last columns of `Statements.USAGE`."""


class Statements(Protocol):
    """The SQL of one database."""

    LISTS: Dialect
    IDS: str
    COUNTS: str
    USAGE: str
    DELIVERIES: str
    OPEN_SESSION: str
    FIND_SESSION: str
    CLOSE_SESSION: str
    CLAIM_DUE: str
    CLAIM_ONE: str
    RENEW: str
    RELEASE: str
    NOTICE: str
    FIND_RELEASE: str
    ANNOUNCE: str
    WORKERS: str


class SqlStore(Follows):
    """Base of the stores in a database."""

    _sql: Statements

    def __init__(self) -> None:
        self._changes = Changes(self._read_versions)
        self.list_readers: ListReaders = list_people
        self._readers = Readers()

    async def _fetch(self, query: str, *, slow: bool = False, **values: Any) -> list[Any]:
        """Return the rows of a query that only reads."""
        raise NotImplementedError

    async def _write(self, statement: str, **values: Any) -> list[Any]:
        """Execute one statement in a transaction of its own, and return its rows."""
        raise NotImplementedError

    async def _read_versions(self, names: Collection[str]) -> Mapping[str, int]:
        raise NotImplementedError

    def _read_event(self, row: Sequence[Any]) -> Event:
        raise NotImplementedError

    def _read_time(self, value: Any) -> datetime:
        raise NotImplementedError

    def _write_time(self, at: datetime | None) -> Any:
        raise NotImplementedError

    async def find_deliveries(self, thread_id: str) -> frozenset[str] | None:
        rows = await self._fetch(self._sql.DELIVERIES, id=thread_id)
        return next((frozenset(json.loads(found)) for (found,) in rows), None)

    async def threads(self, which: Which = ALL, limit: int = 100) -> list[Summary]:
        return [self._read_summary(row) for row in await self._list(which, limit, waits=False)]

    async def waits(self, which: Which = ALL, limit: int = 100) -> list[Waiting]:
        rows = await self._list(which, limit, waits=True)
        return [Waiting(self._read_summary(row), self._read_event(row[WIDTH:])) for row in rows]

    async def _list(self, which: Which, limit: int, *, waits: bool) -> list[Any]:
        query = write_list(self._sql.LISTS, which, waits=waits)
        values = make_values(which, limit) | {"before": self._write_time(which.before)}
        return choose_rows(await self._fetch(query, slow=bool(which.text), **values), limit)

    def _read_summary(self, row: Sequence[Any]) -> Summary:
        *about, created, updated, running, problem, wake_at, parent = row[:WIDTH]
        times = [self._read_time(created), self._read_time(updated)]
        next_try = self._read_time(wake_at) if wake_at else None
        columns: list[Any] = [*about, *times, bool(running), problem, next_try, parent]
        return Summary(*columns)

    async def ids(self, after: str = "", limit: int = 1000) -> list[str]:
        return [name for (name,) in await self._fetch(self._sql.IDS, after=after, limit=limit)]

    async def count_threads(self) -> list[ThreadCount]:
        return [
            ThreadCount(agent, status, bool(running), number, self._read_time(since))
            for agent, status, running, number, since in await self._fetch(
                self._sql.COUNTS, slow=True
            )
        ]

    async def usage(self, since: datetime | None = None) -> list[Usage]:
        rows = await self._fetch(self._sql.USAGE, slow=True, since=self._write_time(since))
        return [_read_usage(row) for row in rows]

    async def open_session(self, session: Session) -> None:
        until = self._write_time(session.expires_at)
        await self._write(self._sql.OPEN_SESSION, id=session.id, proof=session.proof, until=until)

    async def find_session(self, session_id: str) -> Session | None:
        rows = await self._fetch(self._sql.FIND_SESSION, id=session_id)
        found = (Session(name, proof, self._read_time(until)) for name, proof, until in rows)
        return next(found, None)

    async def close_session(self, session_id: str) -> None:
        await self._write(self._sql.CLOSE_SESSION, id=session_id)

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        claim = self._sql.CLAIM_ONE if thread_id else self._sql.CLAIM_DUE
        rows = await self._write(claim, holder=holder, ttl_s=ttl_s, id=thread_id)
        return Claim(*rows[0]) if rows else None

    async def release(
        self,
        holder: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        await self._write(
            self._sql.RELEASE,
            holder=holder,
            id=thread.id,
            version=thread.state.version,
            wake_at=self._write_time(wake_at),
            attempts=attempts,
            problem=problem or None,
        )

    async def claim_notice(self, cause: str, every_s: float, by: str) -> bool:
        return bool(await self._write(self._sql.NOTICE, cause=cause, every_s=every_s, by=by))

    async def find_release(self, thread_id: str) -> str:
        rows = await self._fetch(self._sql.FIND_RELEASE, id=thread_id)
        return next((by for (by,) in rows), "")

    async def announce(self, worker: Worker, ttl_s: float) -> None:
        about = json.dumps({"models": worker.models, "counts": worker.counts})
        await self._write(self._sql.ANNOUNCE, id=worker.id, about=about, ttl_s=ttl_s)

    async def workers(self) -> list[Worker]:
        rows = await self._fetch(self._sql.WORKERS)
        return [Worker(name, **json.loads(about)) for name, about in rows]


def _read_usage(row: Sequence[Any]) -> Usage:
    day, agent, owner, model, price, calls, *sums = row
    tokens = dict(zip(COUNTED, map(int, sums), strict=True))
    frozen = json.loads(price) if price else None
    return Usage(date.fromisoformat(day), agent, owner, model, frozen, calls, tokens)

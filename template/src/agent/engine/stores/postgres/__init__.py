"""Stores threads in PostgreSQL, for any number of processes on any number of machines.

The table `events` is the truth: its primary key is the lock of the log and the mutex of a tool, and
its unique key makes deliveries count once. `threads` is an index of it. Leases and expiry use the
database's clock, so the clocks of the machines do not matter. If that clock is set back, no lease
becomes longer; if it jumps ahead, leases are over early, and the log keeps two runners apart. The
first process that connects creates or migrates the tables.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from psycopg import AsyncConnection

from ...log.errors import Conflict, Forgotten
from ...log.events import FACTS, Event, make_safe
from ...log.thread import Thread
from ...settings import optional
from ..lists import (
    CAUSES_S,
    find_continued,
    is_changed,
    list_deliveries,
    number_events,
    write_thread,
)
from ..sql import SqlStore
from . import statements as sql
from .borrowed import Borrowed
from .pool import Database
from .rows import read_event, to_utc, write_events

WhenDue = Callable[[AsyncConnection, str], Awaitable[object]]


class PostgresStore(SqlStore):
    _sql = sql

    def __init__(self, url: str, direct_url: str = "") -> None:
        super().__init__()
        self.database = Database(url, direct_url)
        self.when_due: WhenDue | None = None
        """Called in the transaction that makes a thread due, unless somebody is running it."""
        self.when_forgotten: WhenDue | None = None
        """Called in the transaction that deletes a thread."""

    @classmethod
    def from_env(cls) -> Self:
        """A wrong DATABASE_URL is reported at the first use, since `agent demo` needs none."""
        return cls(optional("DATABASE_URL"), optional("DATABASE_DIRECT_URL"))

    async def borrow(self, connection: object) -> "PostgresStore":
        """Return a store that works in the transaction of a connection; see `Borrowed`."""
        database = Borrowed(connection)
        await database.check(self.database)
        store = PostgresStore("")
        store.database, store.when_due = database, self.when_due
        store.list_readers = self.list_readers
        return store

    async def _fetch(self, query: str, *, slow: bool = False, **values: Any) -> list[Any]:
        safe = {
            name: make_safe(item) if isinstance(item, str) else item
            for name, item in values.items()
        }
        return await self.database.fetch_rows(query, safe)

    async def _write(self, statement: str, **values: Any) -> list[Any]:
        return await self._fetch(statement, **values)

    def _read_event(self, row: Sequence[Any]) -> Event:
        return read_event(row)

    def _read_time(self, value: Any) -> datetime:
        return to_utc(value)

    def _write_time(self, at: datetime | None) -> Any:
        return at

    async def _read_on(self, thread: Thread) -> Thread:
        rows = await self._fetch(sql.LOAD, id=thread.id, first=len(thread.events))
        return thread.plus(*map(read_event, rows)) if rows else thread

    async def _read_versions(self, names: Collection[str]) -> Mapping[str, int]:
        found = await self._fetch(sql.VERSIONS, names=[*names])
        return dict.fromkeys(names, 0) | dict(found)

    async def append(self, thread: Thread, *events: Event) -> Thread:
        # Before the transaction: `readers` of an agent may take a while.
        numbered = number_events(thread, events)
        readers = await self.list_readers(thread.plus(*numbered))
        cause, by = find_continued(thread, events)
        released = {"cause": cause, "by": by, "kept_s": CAUSES_S}
        async with self.database.transact() as db:
            if cause:
                await db.execute(sql.LOCK_CAUSE, released)
            appended = await db.execute(sql.APPEND, write_events(thread, numbered))
            times = await appended.fetchall()
            if len(times) < len(events):
                raise Conflict(f"thread {thread.id} grew past event {thread.state.version}")
            grown = thread.plus(
                *(
                    replace(event, seq=seq, at=to_utc(at))
                    for (seq, at), event in zip(times, numbered, strict=True)
                )
            )
            due = any(event.type in FACTS for event in events)
            save = sql.SAVE if thread.events else sql.BEGIN
            saved = await db.execute(save, {"due": due, **write_thread(grown)})
            if saved.rowcount == 0:
                raise Forgotten(f"the thread {thread.id!r} was deleted")
            if not self._readers.are_stored(thread, readers):
                await _write_readers(db, grown.id, readers)
            if is_changed(thread, grown):
                await db.execute(sql.TOUCH, {"id": grown.id})
            if cause:
                await db.execute(sql.RELEASE_CAUSE, released)
            if due and self.when_due and await saved.fetchone() != (True,):
                await self.when_due(db, grown.id)
        self._readers.keep(grown, readers)
        self._changes.report({grown.id: grown.state.version})
        return grown

    async def forget(self, thread: Thread) -> None:
        values = {"id": thread.id, "version": thread.state.version}
        values |= {"deliveries": json.dumps(list_deliveries(thread))}
        async with self.database.transact() as db:
            if (await db.execute(sql.FORGET, values)).rowcount == 0:
                at = thread.state.version
                raise Conflict(f"thread {thread.id} is no longer at event {at}, or runs")
            if self.when_forgotten:
                await self.when_forgotten(db, thread.id)
        self._changes.report({thread.id: 0})

    async def compact(self) -> None:
        """Do nothing: PostgreSQL's own vacuum reuses the space."""

    async def reindex(self, thread: Thread) -> None:
        readers = await self.list_readers(thread)
        async with self.database.transact() as db:
            found = await (await db.execute(sql.VERSION, {"id": thread.id})).fetchone()
            if found != (thread.state.version,):
                raise Conflict(f"thread {thread.id} is no longer at event {thread.state.version}")
            await _write_readers(db, thread.id, readers)
        self._readers.drop(thread.id)

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        await self._write(sql.RENEW, ttl_s=ttl_s, holders=[*holders])

    async def now(self) -> datetime:
        ((now,),) = await self.database.fetch_rows("SELECT clock_timestamp()")
        return to_utc(now)

    async def close(self) -> None:
        await self.database.close()


async def _write_readers(db: AsyncConnection, thread_id: str, readers: frozenset[str]) -> None:
    values = {"id": thread_id, "readers": make_safe(sorted(readers))}
    await db.execute(sql.WRITE_READERS, values)

"""Stores threads in PostgreSQL, for any number of processes on any number of machines.

The table `events` is the truth: its primary key is the lock of the log and the mutex of a tool, and
its unique key makes deliveries count once. `threads` is an index of it. Leases and expiry use the
database's clock, so the clocks of the machines do not matter. The first process that connects
creates or migrates the tables.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from psycopg import AsyncConnection

from ...index import ALL, Release, Session, Summary, Waiting, Which
from ...log.errors import Conflict, Forgotten
from ...log.events import FACTS, Event, make_safe
from ...log.thread import Thread
from ...loop.store import Claim, ListReaders
from ...settings import optional
from ..changes import Changes, Follows
from ..lists import (
    KNOWN,
    WIDTH,
    choose_rows,
    is_changed,
    list_deliveries,
    list_people,
    make_values,
    number_events,
    write_list,
    write_thread,
)
from . import statements as sql
from .pool import Database
from .rows import read_event, read_summary, to_utc, write_events

WhenDue = Callable[[AsyncConnection, str], Awaitable[object]]


class PostgresStore(Follows):
    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self._changes = Changes(self._read_versions)
        self.list_readers: ListReaders = list_people
        self._readers: dict[str, frozenset[str]] = {}
        """Who may read each of the threads that this process wrote last."""
        self.when_due: WhenDue | None = None
        """Called in the transaction that makes a thread due, unless somebody is running it."""
        self.when_forgotten: WhenDue | None = None
        """Called in the transaction that deletes a thread."""

    @classmethod
    def from_env(cls) -> Self:
        """A wrong DATABASE_URL is reported at the first use, since `agent demo` needs none."""
        return cls(optional("DATABASE_URL"))

    async def _read_on(self, thread: Thread) -> Thread:
        values = [make_safe(thread.id), len(thread.events)]
        rows = await self.database.fetch_rows(sql.LOAD, values)
        return thread.plus(*map(read_event, rows)) if rows else thread

    async def _read_versions(self, names: Collection[str]) -> Mapping[str, int]:
        found = await self.database.fetch_rows(sql.VERSIONS, [[*names]])
        return dict.fromkeys(names, 0) | dict(found)

    async def append(self, thread: Thread, *events: Event) -> Thread:
        # Before the transaction: `readers` of an agent may take a while.
        readers = await self.list_readers(thread.plus(*number_events(thread, events)))
        async with self.database.connect() as db, db.transaction():
            appended = await db.execute(sql.APPEND, write_events(thread, events))
            times = await appended.fetchall()
            if len(times) < len(events):
                raise Conflict(f"thread {thread.id} grew past event {thread.state.version}")
            grown = thread.plus(
                *(
                    replace(event, seq=seq, at=to_utc(at))
                    for (seq, at), event in zip(times, events, strict=True)
                )
            )
            due = any(event.type in FACTS for event in events)
            save = sql.SAVE if thread.events else sql.BEGIN
            saved = await db.execute(save, {"due": due, **write_thread(grown)})
            if saved.rowcount == 0:
                raise Forgotten(f"the thread {thread.id!r} was deleted")
            if self._readers.get(grown.id) != readers:
                await _write_readers(db, grown.id, readers)
            if is_changed(thread, grown):
                await db.execute(sql.TOUCH, {"id": grown.id})
            if due and self.when_due and await saved.fetchone() != (True,):
                await self.when_due(db, grown.id)
        if len(self._readers) >= KNOWN:
            self._readers.clear()
        self._readers[grown.id] = readers
        self._changes.report({grown.id: grown.state.version})
        return grown

    async def forget(self, thread: Thread) -> None:
        values = {"id": thread.id, "version": thread.state.version}
        values |= {"deliveries": json.dumps(list_deliveries(thread))}
        async with self.database.connect() as db, db.transaction():
            if (await db.execute(sql.FORGET, values)).rowcount == 0:
                at = thread.state.version
                raise Conflict(f"thread {thread.id} is no longer at event {at}, or runs")
            if self.when_forgotten:
                await self.when_forgotten(db, thread.id)
        self._changes.report({thread.id: 0})

    async def find_deliveries(self, thread_id: str) -> frozenset[str] | None:
        rows = await self.database.fetch_rows(sql.DELIVERIES, [make_safe(thread_id)])
        return next((frozenset(found) for (found,) in rows), None)

    async def compact(self) -> None:
        """Do nothing: PostgreSQL's own vacuum reuses the space."""

    async def threads(self, which: Which = ALL, limit: int = 100) -> list[Summary]:
        return [read_summary(row) for row in await self._list(which, limit, waits=False)]

    async def waits(self, which: Which = ALL, limit: int = 100) -> list[Waiting]:
        rows = await self._list(which, limit, waits=True)
        return [Waiting(read_summary(row[:WIDTH]), read_event(row[WIDTH:])) for row in rows]

    async def _list(self, which: Which, limit: int, *, waits: bool) -> list[Any]:
        values = make_safe(make_values(which, limit))
        rows = await self.database.fetch_rows(write_list(sql.LISTS, which, waits=waits), values)
        return choose_rows(rows, limit)

    async def ids(self, after: str = "", limit: int = 1000) -> list[str]:
        return [name for (name,) in await self.database.fetch_rows(sql.IDS, [after, limit])]

    async def reindex(self, thread: Thread) -> None:
        readers = await self.list_readers(thread)
        async with self.database.connect() as db, db.transaction():
            await _write_readers(db, thread.id, readers)

    async def open_session(self, session: Session) -> None:
        row = [session.id, session.proof, session.expires_at]
        await self.database.fetch_rows(sql.OPEN_SESSION, row)

    async def find_session(self, session_id: str) -> Session | None:
        rows = await self.database.fetch_rows(sql.FIND_SESSION, [make_safe(session_id)])
        return next((Session(name, proof, to_utc(at)) for name, proof, at in rows), None)

    async def close_session(self, session_id: str) -> None:
        await self.database.fetch_rows(sql.CLOSE_SESSION, [make_safe(session_id)])

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        claim = sql.CLAIM_ONE if thread_id else sql.CLAIM_DUE
        values = {"holder": holder, "ttl_s": ttl_s, "id": thread_id}
        rows = await self.database.fetch_rows(claim, values)
        return Claim(*rows[0]) if rows else None

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        await self.database.fetch_rows(sql.RENEW, [ttl_s, list(holders)])

    async def release(
        self,
        holder: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        version = thread.state.version
        values: dict[str, Any] = {"id": thread.id, "version": version}
        values |= {"wake_at": wake_at, "attempts": attempts}
        values |= {"holder": holder, "problem": make_safe(problem) or None}
        await self.database.fetch_rows(sql.RELEASE, values)

    async def claim_notice(self, cause: str, every_s: float, by: str) -> bool:
        values = {"cause": make_safe(cause), "every_s": every_s, "by": by}
        return bool(await self.database.fetch_rows(sql.NOTICE, values))

    async def release_cause(self, cause: str, by: str) -> None:
        values = {"cause": make_safe(cause), "by": make_safe(by)}
        await self.database.fetch_rows(sql.RELEASE_CAUSE, values)

    async def find_release(self, cause: str) -> Release | None:
        rows = await self.database.fetch_rows(sql.FIND_RELEASE, {"cause": make_safe(cause)})
        return next((Release(by, to_utc(at)) for by, at in rows), None)

    async def now(self) -> datetime:
        ((now,),) = await self.database.fetch_rows("SELECT clock_timestamp()")
        return to_utc(now)

    async def close(self) -> None:
        await self.database.close()


async def _write_readers(db: AsyncConnection, thread_id: str, readers: frozenset[str]) -> None:
    values = {"id": thread_id, "readers": make_safe(sorted(readers))}
    await db.execute(sql.WRITE_READERS, values)

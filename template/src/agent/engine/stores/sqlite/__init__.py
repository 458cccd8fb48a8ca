"""Stores threads in one SQLite file, for any number of processes on one machine.

The table `events` is the truth: its primary key is the lock of the log and the mutex of a tool, and
its unique key makes webhooks, answers and results count once. `threads` is an index of it, written
in the same transaction, with the hints of runners. Do not put the file on a network file system;
for more than one machine use PostgreSQL.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from ...index import ALL, Release, Session, Summary, Waiting, Which
from ...log.errors import Conflict, Forgotten
from ...log.events import FACTS, Event
from ...log.thread import Thread
from ...loop.store import Claim, ListReaders
from ...settings import optional
from ..changes import Changes, Follows
from ..lists import (
    KNOWN,
    WIDTH,
    choose_rows,
    list_deliveries,
    list_people,
    make_values,
    number_events,
    write_list,
)
from . import statements as sql
from .database import Database
from .rows import read_event, read_summary, save_thread, to_datetime, write_event

PART = 500
"""Events read at a time; other tasks run in between."""


class SqliteStore(Follows):
    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time) -> None:
        self.database = Database(Path(path))
        self._clock = clock
        self._changes = Changes(self._read_versions)
        self.list_readers: ListReaders = list_people
        self._readers: dict[str, frozenset[str]] = {}
        """Who may read each of the threads that this process wrote last."""
        self._looked_at: int | None = None

    @classmethod
    def from_env(cls) -> Self:
        return cls(optional("SQLITE_PATH", "data/threads.db"))

    async def _read_on(self, thread: Thread) -> Thread:
        new: list[Event] = []
        first = len(thread.events)
        while rows := await self.database.fetch_rows(sql.LOAD, (thread.id, first + len(new), PART)):
            new += map(read_event, rows)
            if len(rows) < PART:
                break
            await asyncio.sleep(0)
        return thread.plus(*new) if new else thread

    async def append(self, thread: Thread, *events: Event) -> Thread:
        now = self._clock()
        numbered = number_events(thread, events)
        grown = thread.plus(*(replace(each, at=each.at or to_datetime(now)) for each in numbered))
        save, values = save_thread(thread, grown, now, any(event.type in FACTS for event in events))
        readers = await self.list_readers(grown)
        rows = [write_event(thread.id, event) for event in grown.events[len(thread.events) :]]

        def insert(db: sqlite3.Connection) -> None:
            try:
                db.executemany(sql.APPEND, rows)
                if db.execute(save, values).rowcount == 0:
                    raise Forgotten(f"the thread {thread.id!r} was deleted")
                self._save_readers(db, grown, readers, save, values)
            except sqlite3.IntegrityError:
                grew = f"thread {thread.id} grew past event {thread.state.version}"
                raise Conflict(grew) from None

        await self.database.write(insert)
        if len(self._readers) >= KNOWN:
            self._readers.clear()
        self._readers[grown.id] = readers
        self._changes.report({grown.id: grown.state.version})
        return grown

    async def forget(self, thread: Thread) -> None:
        values = {"id": thread.id, "version": thread.state.version, "now": self._clock()}
        values |= {"deliveries": json.dumps(list_deliveries(thread))}

        def delete(db: sqlite3.Connection) -> None:
            if db.execute(sql.FORGET, values).rowcount == 0:
                at = thread.state.version
                raise Conflict(f"thread {thread.id} is no longer at event {at}, or runs")
            for statement in sql.FORGET_REST:
                db.execute(statement, values)

        await self.database.write(delete)
        self._changes.report({thread.id: 0})

    async def find_deliveries(self, thread_id: str) -> frozenset[str] | None:
        rows = await self.database.fetch_rows(sql.DELIVERIES, (thread_id,))
        return next((frozenset(json.loads(found)) for (found,) in rows), None)

    async def compact(self) -> None:
        await self.database.compact()

    async def threads(self, which: Which = ALL, limit: int = 100) -> list[Summary]:
        return [read_summary(row) for row in await self._list(which, limit, waits=False)]

    async def waits(self, which: Which = ALL, limit: int = 100) -> list[Waiting]:
        rows = await self._list(which, limit, waits=True)
        return [Waiting(read_summary(row[:WIDTH]), read_event(row[WIDTH:])) for row in rows]

    async def _list(self, which: Which, limit: int, *, waits: bool) -> list[Any]:
        query = write_list(sql.LISTS, which, waits=waits)
        values = make_values(which, limit) | {"now": self._clock()}
        values["before"] = which.before and which.before.timestamp()
        rows = await self.database.fetch_rows(query, values, slow=bool(which.text))
        return choose_rows(rows, limit)

    async def ids(self, after: str = "", limit: int = 1000) -> list[str]:
        rows = await self.database.fetch_rows(sql.IDS, (after, limit))
        return [name for (name,) in rows]

    async def reindex(self, thread: Thread) -> None:
        readers = await self.list_readers(thread)
        self._readers.pop(thread.id, None)
        await self.database.write(lambda db: self._write_readers(db, thread.id, readers))

    async def open_session(self, session: Session) -> None:
        row = (session.id, session.proof, session.expires_at.timestamp())

        def insert(db: sqlite3.Connection) -> None:
            db.execute(sql.SWEEP_SESSIONS, (self._clock(),))
            db.execute(sql.OPEN_SESSION, row)

        await self.database.write(insert)

    async def find_session(self, session_id: str) -> Session | None:
        rows = await self.database.fetch_rows(sql.FIND_SESSION, (session_id, self._clock()))
        return next((Session(name, proof, to_datetime(at)) for name, proof, at in rows), None)

    async def close_session(self, session_id: str) -> None:
        await self.database.write(lambda db: db.execute(sql.CLOSE_SESSION, (session_id,)))

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        values = {"holder": holder, "ttl_s": ttl_s, "now": self._clock(), "id": thread_id}
        claim = sql.CLAIM_ONE if thread_id else sql.CLAIM_DUE
        rows = await self.database.write(lambda db: db.execute(claim, values).fetchall())
        return Claim(*rows[0]) if rows else None

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        values = (self._clock() + ttl_s, json.dumps(holders))
        await self.database.write(lambda db: db.execute(sql.RENEW, values))

    async def release(
        self,
        holder: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        values = {
            "holder": holder,
            "id": thread.id,
            "version": thread.state.version,
            "attempts": attempts,
            "wake_at": wake_at and wake_at.timestamp(),
            "problem": problem or None,
        }
        await self.database.write(lambda db: db.execute(sql.RELEASE, values))

    async def claim_notice(self, cause: str, every_s: float, by: str) -> bool:
        values = {"cause": cause, "every_s": every_s, "by": by, "now": self._clock()}
        return bool(await self.database.write(lambda db: db.execute(sql.NOTICE, values).fetchall()))

    async def release_cause(self, cause: str, by: str) -> None:
        values = {"cause": cause, "by": by, "now": self._clock()}

        def release(db: sqlite3.Connection) -> None:
            db.execute(sql.RELEASE_CAUSE, values)
            db.execute(sql.WAKE_STOPPED, values)

        await self.database.write(release)

    async def find_release(self, cause: str) -> Release | None:
        rows = await self.database.fetch_rows(sql.FIND_RELEASE, (cause,))
        return next((Release(by, to_datetime(at)) for by, at in rows), None)

    async def now(self) -> datetime:
        return to_datetime(self._clock())

    def _save_readers(
        self,
        db: sqlite3.Connection,
        grown: Thread,
        readers: frozenset[str],
        save: str,
        values: dict[str, Any],
    ) -> None:
        """Update the rows of `participants` if the readers or the status changed."""
        if self._readers.get(grown.id) != readers:
            self._write_readers(db, grown.id, readers)
        if save == sql.CHANGE:
            db.execute(sql.TOUCH, values)

    def _write_readers(
        self, db: sqlite3.Connection, thread_id: str, readers: frozenset[str]
    ) -> None:
        values = {"id": thread_id, "readers": json.dumps(sorted(readers))}
        db.execute(sql.FORGET_READERS, values)
        db.execute(sql.ADD_READERS, values)

    async def _read_versions(self, names: Collection[str]) -> Mapping[str, int]:
        """Return the versions of threads if the file changed since the last call, else nothing."""
        ((changed,),) = await self.database.fetch_rows("PRAGMA data_version")
        if changed == self._looked_at:
            return {}
        found = await self.database.fetch_rows(sql.VERSIONS, [json.dumps([*names])])
        versions = dict.fromkeys(names, 0) | dict(found)
        self._looked_at = changed
        return versions

    async def close(self) -> None:
        await self.database.close()

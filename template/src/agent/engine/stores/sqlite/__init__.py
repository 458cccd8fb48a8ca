"""Stores threads in one SQLite file, for any number of processes on one machine.

The table `events` is the truth: its primary key is the lock of the log and the mutex of a tool, and
its unique key makes webhooks, answers and results count once. `threads` is an index of it, written
in the same transaction, with the hints of runners. Do not put the file on a network file system;
for more than one machine use PostgreSQL.

Leases follow the machine's uptime, which cannot be set; its containers share it. After a restart of
the machine it begins again, before the start of every lease, and the leases are over. `wake_at`
follows the calendar.
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

from ...index import Session, Worker
from ...log.errors import Conflict, Forgotten
from ...log.events import FACTS, Event
from ...log.thread import Thread
from ...settings import optional
from ..lists import CAUSES_S, find_continued, list_deliveries, number_events
from ..sql import SqlStore
from . import statements as sql
from .database import Database
from .rows import read_event, save_thread, to_datetime, write_event

TAKEN = (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE)
"""Somebody else appended this event or its key first."""
PART = 500
"""Events read at a time; other tasks run in between."""


class SqliteStore(SqlStore):
    _sql = sql

    def __init__(
        self,
        path: str | Path,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = time.monotonic,
    ) -> None:
        """`uptime` has to be the same for all processes, and so may not be a clock of their own:
        https://docs.python.org/3/library/time.html#time.monotonic
        """
        super().__init__()
        self.database = Database(Path(path))
        self._clock = clock
        self._uptime = uptime
        self._looked_at: int | None = None

    @classmethod
    def from_env(cls) -> Self:
        return cls(optional("SQLITE_PATH", "data/threads.db"))

    async def _fetch(self, query: str, *, slow: bool = False, **values: Any) -> list[Any]:
        values |= self._read_clocks()
        return await self.database.fetch_rows(query, values, slow=slow)

    async def _write(self, statement: str, **values: Any) -> list[Any]:
        return await self.database.write(
            lambda db: db.execute(statement, values | self._read_clocks()).fetchall()
        )

    def _read_clocks(self) -> dict[str, float]:
        """Return the clocks; for a write, call it once the database is locked.

        By an older clock, a lease that began in the meantime is one of before a restart.
        """
        return {"now": self._clock(), "uptime": self._uptime()}

    def _read_event(self, row: Sequence[Any]) -> Event:
        return read_event(row)

    def _read_time(self, value: Any) -> datetime:
        return to_datetime(value)

    def _write_time(self, at: datetime | None) -> Any:
        return at and at.timestamp()

    async def _read_on(self, thread: Thread) -> Thread:
        new: list[Event] = []
        first = len(thread.events)
        while rows := await self._fetch(sql.LOAD, id=thread.id, first=first + len(new), part=PART):
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
        cause, by = find_continued(thread, events)
        released = values | {"cause": cause, "by": by, "kept_s": CAUSES_S}

        def insert(db: sqlite3.Connection) -> None:
            try:
                db.executemany(sql.APPEND, rows)
                if db.execute(save, values).rowcount == 0:
                    raise Forgotten(f"the thread {thread.id!r} was deleted")
                if not self._readers.are_stored(thread, readers):
                    _write_readers(db, grown.id, readers)
                if save == sql.CHANGE:
                    db.execute(sql.TOUCH, values)
                if cause:
                    db.execute(sql.RELEASE_CAUSE, released)
                    db.execute(sql.SWEEP_CAUSES, released)
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorcode not in TAKEN:
                    raise
                grew = f"thread {thread.id} grew past event {thread.state.version}"
                raise Conflict(grew) from None

        await self.database.write(insert)
        self._readers.keep(grown, readers)
        self._changes.report({grown.id: grown.state.version})
        return grown

    async def forget(self, thread: Thread) -> None:
        values: dict[str, Any] = {"id": thread.id, "version": thread.state.version}
        values |= {"deliveries": json.dumps(list_deliveries(thread))}

        def delete(db: sqlite3.Connection) -> None:
            if db.execute(sql.FORGET, values | self._read_clocks()).rowcount == 0:
                at = thread.state.version
                raise Conflict(f"thread {thread.id} is no longer at event {at}, or runs")
            for statement in sql.FORGET_REST:
                db.execute(statement, values)

        await self.database.write(delete)
        self._changes.report({thread.id: 0})

    async def compact(self) -> None:
        await self.database.compact()

    async def reindex(self, thread: Thread) -> None:
        readers = await self.list_readers(thread)

        def replace_readers(db: sqlite3.Connection) -> None:
            found = db.execute(sql.VERSION, {"id": thread.id}).fetchone()
            if found != (thread.state.version,):
                raise Conflict(f"thread {thread.id} is no longer at event {thread.state.version}")
            _write_readers(db, thread.id, readers)

        await self.database.write(replace_readers)
        self._readers.drop(thread.id)

    async def open_session(self, session: Session) -> None:
        await self._write(sql.SWEEP_SESSIONS)
        await super().open_session(session)

    async def announce(self, worker: Worker, ttl_s: float) -> None:
        await self._write(sql.SWEEP_WORKERS)
        await super().announce(worker, ttl_s)

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        await self._write(sql.RENEW, ttl_s=ttl_s, holders=json.dumps(holders))

    async def now(self) -> datetime:
        return to_datetime(self._clock())

    async def _read_versions(self, names: Collection[str]) -> Mapping[str, int]:
        """Return the versions of threads if the file changed since the last call, else nothing."""
        ((changed,),) = await self.database.fetch_rows("PRAGMA data_version")
        if changed == self._looked_at:
            return {}
        found = await self._fetch(sql.VERSIONS, names=json.dumps([*names]))
        versions = dict.fromkeys(names, 0) | dict(found)
        self._looked_at = changed
        return versions

    async def close(self) -> None:
        await self.database.close()


def _write_readers(db: sqlite3.Connection, thread_id: str, readers: frozenset[str]) -> None:
    values = {"id": thread_id, "readers": json.dumps(sorted(readers))}
    db.execute(sql.FORGET_READERS, values)
    db.execute(sql.ADD_READERS, values)

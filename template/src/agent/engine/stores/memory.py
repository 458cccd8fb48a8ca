"""Stores threads in a dict, for tests and first tries; they are lost with the process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..index import ALL, Session, Summary, ThreadCount, Usage, Waiting, Which, Worker
from ..log.errors import Conflict, Forgotten, ThreadNotFound
from ..log.events import FACTS, Event
from ..log.thread import Thread
from ..loop.store import Claim, ListReaders
from . import lists
from .changes import Changes


@dataclass
class _Row:
    thread: Thread
    created: datetime
    updated: datetime
    wake_at: float | None = None
    holder: str | None = None
    lease_until: float = 0.0
    attempts: int = 0
    crashes: int = 0
    readers: frozenset[str] = frozenset()
    problem: str = ""
    released_by: str = ""


class MemoryStore:
    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = time.monotonic,
    ) -> None:
        """`uptime` is the clock of leases; it has to be one that cannot be set."""
        self._rows: dict[str, _Row] = {}
        self._clock = clock
        self._uptime = uptime
        self._forgotten: dict[str, frozenset[str]] = {}
        self._notices: dict[str, tuple[float | None, str]] = {}
        self._sessions: dict[str, Session] = {}
        self._workers: dict[str, tuple[Worker, float]] = {}
        self._changes = Changes()
        self.list_readers: ListReaders = lists.list_people

    async def load(self, thread_id: str) -> Thread:
        if thread_id in self._forgotten:
            raise Forgotten(f"the thread {thread_id!r} was deleted")
        if thread_id not in self._rows:
            raise ThreadNotFound(f"there is no thread {thread_id!r}")
        return self._rows[thread_id].thread

    async def grown(self, thread: Thread) -> Thread:
        while (newest := await self.load(thread.id)).state.version == thread.state.version:
            await self._changes.wait(thread)
        return newest

    async def append(self, thread: Thread, *events: Event) -> Thread:
        if thread.id in self._forgotten:
            raise Forgotten(f"the thread {thread.id!r} was deleted")
        now = await self.now()
        numbered = lists.number_events(thread, events)
        stored = [replace(event, at=event.at or now) for event in numbered]
        readers = await self.list_readers(thread.plus(*stored))
        row = self._rows.get(thread.id) or _Row(Thread(thread.id), now, now)
        version = row.thread.state.version
        keys = [event.key for event in events if event.key]
        taken = len(set(keys)) < len(keys) or any(map(row.thread.find, keys))
        if taken or version != thread.state.version:
            raise Conflict(f"thread {thread.id} is at event {version}")
        row.thread, before, row.crashes = thread.plus(*stored), row.thread, 0
        row.readers, row.problem = readers, lists.find_problem(row.thread)
        if lists.is_changed(before, row.thread):
            row.updated, row.released_by = now, ""
        self._rows[thread.id] = row
        if any(event.type in FACTS for event in stored):
            due_at = now.timestamp()
            row.wake_at = due_at if row.wake_at is None else min(row.wake_at, due_at)
            row.attempts = 0
        cause, by = lists.find_continued(before, stored)
        for other in self._rows.values() if cause else ():
            if lists.find_cause(other.thread) == cause:
                other.wake_at, other.released_by = now.timestamp(), by
        self._changes.report({thread.id: row.thread.state.version})
        return row.thread

    async def forget(self, thread: Thread) -> None:
        row = self._rows.get(thread.id)
        if not row or row.thread.state.version != thread.state.version or self._is_held(row):
            raise Conflict(f"thread {thread.id} is no longer at event {thread.state.version}")
        del self._rows[thread.id]
        self._forgotten[thread.id] = frozenset(lists.list_deliveries(thread))
        self._changes.report({thread.id: 0})

    async def find_deliveries(self, thread_id: str) -> frozenset[str] | None:
        return self._forgotten.get(thread_id)

    async def compact(self) -> None:
        pass

    def _is_held(self, row: _Row) -> bool:
        return row.holder is not None and row.lease_until > self._uptime()

    async def threads(self, which: Which = ALL, limit: int = 100) -> list[Summary]:
        chosen = [row for row in self._rows.values() if self._is_meant(which, row)]
        found = [_summarize(row, self._is_held(row)) for row in chosen]
        return sorted(found, key=lambda row: row.updated, reverse=True)[:limit]

    async def waits(self, which: Which = ALL, limit: int = 100) -> list[Waiting]:
        rows = await self.threads(which, len(self._rows))
        threads = [(row, self._rows[row.id].thread) for row in rows]
        found = [
            Waiting(row, thread.event(thread.state.wait.seq))
            for row, thread in threads
            if thread.state.wait
        ]
        return found[:limit]

    async def ids(self, after: str = "", limit: int = 1000) -> list[str]:
        return sorted(name for name in self._rows if name > after)[:limit]

    async def reindex(self, thread: Thread) -> None:
        readers, row = await self.list_readers(thread), self._rows.get(thread.id)
        if row is None or row.thread.state.version != thread.state.version:
            raise Conflict(f"thread {thread.id} is no longer at event {thread.state.version}")
        row.readers = readers

    def _is_meant(self, which: Which, row: _Row) -> bool:
        state, running = row.thread.state, self._is_held(row)
        first = str(row.thread.event(1).data.get("text", ""))
        match which.status:
            case "waiting":
                fits = bool(state.wait)
            case "running" | "stalled":
                fits = state.status == "running" and bool(running) == (which.status == "running")
            case "finished":
                fits = state.status in ("finished", "cancelled")
            case "":
                fits = True
        asked = not which.asked or bool(state.wait and state.wait.admits(which.asked))
        seen = which.names is None or not row.readers.isdisjoint(which.names)
        said = which.text.lower() in first.lower() and row.thread.id.startswith(which.prefix)
        shared = which.stopped is None or bool(lists.find_cause(row.thread)) == which.stopped
        old = which.before is None or row.updated < which.before
        return fits and asked and seen and said and shared and old

    async def open_session(self, session: Session) -> None:
        self._sessions[session.id] = session

    async def find_session(self, session_id: str) -> Session | None:
        found = self._sessions.get(session_id)
        return found if found and found.expires_at > await self.now() else None

    async def close_session(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        now = self._clock()
        rows = [row for row in self._rows.values() if thread_id in (None, row.thread.id)]
        own = [row for row in rows if row.holder == holder]
        due = [row for row in rows if not self._is_held(row) and (thread_id or _is_due(row, now))]
        if not (own or due):
            return None
        row = min(own or due, key=lambda row: row.wake_at or 0)
        if not own:
            row.crashes = row.crashes + 1 if row.holder else 0
        row.holder, row.lease_until, row.wake_at = holder, self._uptime() + ttl_s, 0.0
        return Claim(row.thread.id, row.attempts, row.crashes)

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        for row in self._rows.values():
            if row.holder in holders:
                row.lease_until = self._uptime() + ttl_s

    async def release(
        self,
        holder: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        row = self._rows.get(thread.id)
        if row is None or row.holder != holder:
            return
        row.holder, row.lease_until = None, 0.0
        if row.thread.state.version == thread.state.version:
            woken = row.wake_at  # since the claim, which sets it to 0
            if not woken and (wake_at is None or wake_at > await self.now()):
                row.wake_at = wake_at.timestamp() if wake_at else None
            row.attempts = attempts
            row.problem = row.problem if row.thread.state.wait else problem

    async def claim_notice(self, cause: str, every_s: float, by: str) -> bool:
        (last, name), now = self._notices.get(cause, (None, "")), self._clock()
        if last is not None and last > now - every_s and name != by:
            return False
        self._notices[cause] = (now, by)
        return True

    async def find_release(self, thread_id: str) -> str:
        return self._rows[thread_id].released_by if thread_id in self._rows else ""

    async def announce(self, worker: Worker, ttl_s: float) -> None:
        self._workers[worker.id] = (worker, self._uptime() + ttl_s)

    async def workers(self) -> list[Worker]:
        now = self._uptime()
        return [worker for _, (worker, until) in sorted(self._workers.items()) if until > now]

    async def count_threads(self) -> list[ThreadCount]:
        rows = await self.threads(limit=len(self._rows))
        same: dict[tuple[str, str, bool], list[datetime]] = {}
        for row in rows:
            kind = (row.agent, row.status, row.status == "running" and row.running)
            same.setdefault(kind, []).append(row.updated)
        return [ThreadCount(*kind, len(times), min(times)) for kind, times in same.items()]

    async def usage(self, since: datetime | None = None) -> list[Usage]:
        found: list[Usage] = []
        for row in self._rows.values():
            state, events = row.thread.state, row.thread.events
            forked = max((event.seq for event in events if event.type == "forked"), default=0)
            for event in events[forked:]:
                called = isinstance(event.data.get("tokens"), dict)
                if called and event.at and (since is None or event.at >= since):
                    about = (event.at.date(), state.agent, state.owner)
                    model, price = event.data.get("model") or "", event.data.get("price")
                    found.append(Usage(*about, model, price, 1, event.tokens))
        return found

    async def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _is_due(row: _Row, now: float) -> bool:
    return row.wake_at is not None and row.wake_at <= now


def _summarize(row: _Row, running: bool) -> Summary:
    state = row.thread.state
    now_is = (state.status, state.agent, state.owner, state.title, state.version)
    rests = row.problem and not state.wait and row.holder is None
    next_try = datetime.fromtimestamp(row.wake_at, UTC) if rests and row.wake_at else None
    times = (row.created, row.updated)
    return Summary(row.thread.id, *now_is, *times, running, row.problem, next_try, state.parent)

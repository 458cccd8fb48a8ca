"""The port of stores: threads, leases on them, and lists of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..index import ALL, Session, Summary, ThreadCount, Usage, Waiting, Which, Worker
from ..log.events import Event
from ..log.thread import Thread

ListReaders = Callable[[Thread], Awaitable[frozenset[str]]]
"""Returns who may read a thread: people, teams and `anyone`."""


@dataclass(frozen=True)
class Claim:
    """A lease on a thread that is due."""

    thread_id: str
    attempts: int
    """Runs in a row that ended in back-off."""
    crashes: int
    """Runs in a row that never came back and left nothing in the log."""


class Store(Protocol):
    """Threads, and leases on them. Every method may raise `Unavailable`."""

    list_readers: ListReaders
    """Asked with each append."""

    async def load(self, thread_id: str) -> Thread:
        """Raises ThreadNotFound, or Forgotten where the thread was deleted."""

    async def grown(self, thread: Thread) -> Thread:
        """Wait until a loaded thread has new events, and return it with them.

        Only the new events are read. Raises Forgotten if the thread is deleted.
        """

    async def append(self, thread: Thread, *events: Event) -> Thread:
        """Append all of `events` after `thread`'s last, or none; creates the thread at need.

        A fact makes the thread due now. Whoever continues a wait with a cause also makes the
        threads due that wait for the same cause, in the same transaction (see `find_release`).
        `Event.at` is kept where it is set, else the store's clock.

        Raises:
            Conflict: the thread has grown since it was loaded, or a key is taken.
            Forgotten: it was deleted.
        """

    async def forget(self, thread: Thread) -> None:
        """Delete a thread and its data. Its id and hashes of its delivery keys are kept.

        Raises:
            Conflict: the thread has new events, or a runner holds its lease.
        """

    async def find_deliveries(self, thread_id: str) -> frozenset[str] | None:
        """Return the hashes of the delivery keys of a deleted thread (see `hash_delivery`).

        Returns None if no thread of this id was deleted.
        """

    async def compact(self) -> None:
        """Remove deleted text from the files of the store, if the store can."""

    async def threads(self, which: Which = ALL, limit: int = 100) -> list[Summary]:
        """List threads, last changed status first."""

    async def waits(self, which: Which = ALL, limit: int = 100) -> list[Waiting]:
        """List open waits, those of the threads that changed last first."""

    async def ids(self, after: str = "", limit: int = 1000) -> list[str]:
        """Return thread ids in alphabetical order, starting after `after`."""

    async def reindex(self, thread: Thread) -> None:
        """Compute again who may read a thread, and store it.

        Raises:
            Conflict: the thread has grown since it was loaded, or was deleted.
        """

    async def open_session(self, session: Session) -> None:
        """Store a session, and delete expired sessions."""

    async def find_session(self, session_id: str) -> Session | None:
        """Return a session, or None if it does not exist or has expired."""

    async def close_session(self, session_id: str) -> None:
        """Delete a session if it exists."""

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        """Lease the thread that is due longest, or `thread_id`, due or not. None: not to be had.

        A holder has one lease at a time. One that claims again, because it does not know whether
        its claim succeeded, gets the lease it has, and this counts as no crash.
        """

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        """Extend every lease of `holders`, who may be thousands, at once."""

    async def release(
        self,
        holder: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        """End the lease; the other values are stored only if the thread has no new events.

        A thread that another thread with its cause made due meanwhile stays due.

        `problem` is the reason why the thread cannot continue. The next append clears it.
        """

    async def claim_notice(self, cause: str, every_s: float, by: str) -> bool:
        """Return True if people should be notified of a cause now: once per `every_s` seconds.

        `by` identifies the notice, which may be claimed again to retry a failed delivery.
        """

    async def find_release(self, thread_id: str) -> str:
        """Return who continued another thread with the same cause since this one began to wait, or
        ""."""

    async def announce(self, worker: Worker, ttl_s: float) -> None:
        """Store that a process runs threads, for `ttl_s` seconds; 0 ends it."""

    async def workers(self) -> list[Worker]:
        """List the processes that run threads now."""

    async def count_threads(self) -> list[ThreadCount]:
        """Count the threads by agent and status. Reads the index of all threads."""

    async def usage(self, since: datetime | None = None) -> list[Usage]:
        """Sum up the tokens of model calls. Reads the logs of all threads that changed since."""

    async def now(self) -> datetime:
        """The one clock of leases and expiry; aware, UTC."""


async def find_summary(store: Store, thread_id: str) -> Summary | None:
    """Return the summary of a thread, or None if it does not exist."""
    rows = await store.threads(Which(prefix=thread_id), 10)
    return next((row for row in rows if row.id == thread_id), None)

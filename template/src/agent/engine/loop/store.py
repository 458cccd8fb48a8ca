"""The port of stores: threads, leases on them, and lists of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..index import ALL, Release, Session, Summary, Waiting, Which
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
        """Return a thread that was loaded before, once it has grown; wait for it as long as needed.

        It reads only what is new, and waiting costs next to nothing. Raises Forgotten.
        """

    async def append(self, thread: Thread, *events: Event) -> Thread:
        """Append all of `events` after `thread`'s last, or none; creates the thread at need.

        A fact makes the thread due now. `Event.at` is kept where it is set, else the
        store's clock.

        Raises:
            Conflict: the thread has grown since it was loaded, or a key is taken.
            Forgotten: it was deleted.
        """

    async def forget(self, thread: Thread) -> None:
        """Delete a thread with all that is known of it, but for its id and what it received.

        Raises:
            Conflict: it has grown since it was loaded, or somebody runs it.
        """

    async def find_deliveries(self, thread_id: str) -> frozenset[str] | None:
        """Return what a deleted thread received, as `hash_delivery` names it; None if there is no
        such deleted thread."""

    async def compact(self) -> None:
        """Remove what was deleted from the files as far as the store can."""

    async def threads(self, which: Which = ALL, limit: int = 100) -> list[Summary]:
        """List threads, last changed status first."""

    async def waits(self, which: Which = ALL, limit: int = 100) -> list[Waiting]:
        """List open waits, those of the threads that changed last first."""

    async def ids(self, after: str = "", limit: int = 1000) -> list[str]:
        """Return the ids of threads in the order of the alphabet, from the one after `after`."""

    async def reindex(self, thread: Thread) -> None:
        """Write anew what lists know of a thread, and who may read it."""

    async def open_session(self, session: Session) -> None:
        """Keep a session; those that are over are removed."""

    async def find_session(self, session_id: str) -> Session | None:
        """Return a session that is open."""

    async def close_session(self, session_id: str) -> None:
        """Remove a session, if there is one."""

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        """Lease the thread that is due longest, or `thread_id`, due or not. None: not to be had."""

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
        """End the lease; the rest is set only if the thread has not grown.

        `problem` says why the thread cannot go on; the next append takes it back.
        """

    async def claim_notice(self, cause: str, every_s: float, by: str) -> bool:
        """Say whether nobody was notified of a cause for so long, and count this as a notice.

        `by` names the notice: who claims it again, because it did not arrive, may.
        """

    async def release_cause(self, cause: str, by: str) -> None:
        """Make those threads due that wait for what stopped them, and remember who said so."""

    async def find_release(self, cause: str) -> Release | None:
        """Return who released the threads of a cause last."""

    async def now(self) -> datetime:
        """The one clock of leases and expiry; aware, UTC."""


async def find_summary(store: Store, thread_id: str) -> Summary | None:
    """Return what lists know of a thread, None if it does not exist."""
    rows = await store.threads(Which(prefix=thread_id), 10)
    return next((row for row in rows if row.id == thread_id), None)

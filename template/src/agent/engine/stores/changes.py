"""Wakes the tasks that follow a thread: at once if this process appends to it, else by polling.

One query polls for all followers. Without followers there is no polling.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from ..log.errors import Forgotten, ThreadNotFound, Unavailable
from ..log.thread import Thread

LOOK_S = 0.3
"""Polling interval, and so the longest delay of an append by another process."""

Look = Callable[[Collection[str]], Awaitable[Mapping[str, int]]]
"""Returns the versions of threads by id, 0 for a deleted thread. Threads that did not change since
the last call may be left out."""


class Changes:
    def __init__(self, look: Look | None = None) -> None:
        """`look` is None for a store that no other process uses."""
        self._look = look
        self._followers: dict[asyncio.Future[None], Thread] = {}
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, thread: Thread) -> None:
        """Return when the thread may have changed."""
        follower = asyncio.get_running_loop().create_future()
        self._followers[follower] = thread
        if self._look and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._keep_looking(self._look))
        try:
            await follower
        finally:
            del self._followers[follower]
            if self._looking and not self._followers:
                self._looking.cancel()

    def report(self, versions: Mapping[str, int]) -> None:
        """Wake the followers whose version differs."""
        for follower, thread in self._followers.items():
            known = thread.state.version
            if versions.get(thread.id, known) != known and not follower.done():
                follower.set_result(None)

    async def _keep_looking(self, look: Look) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                self.report(await look({thread.id for thread in self._followers.values()}))
            except Unavailable:
                continue
            except Exception as error:
                for follower in self._followers:
                    if not follower.done():
                        follower.set_exception(error)
                return


class Follows:
    """Base of stores that load and follow threads by reading the events after a known one."""

    _changes: Changes

    async def _read_on(self, thread: Thread) -> Thread:
        """Return the thread with its new events, or the same object if there are none."""
        raise NotImplementedError

    async def find_deliveries(self, thread_id: str) -> frozenset[str] | None:
        raise NotImplementedError

    async def load(self, thread_id: str) -> Thread:
        thread = await self._read_on(Thread(thread_id))
        if thread.events:
            return thread
        if await self.find_deliveries(thread_id) is not None:
            raise Forgotten(f"the thread {thread_id!r} was deleted")
        raise ThreadNotFound(f"there is no thread {thread_id!r}")

    async def grown(self, thread: Thread) -> Thread:
        while (newest := await self._read_on(thread)) is thread:
            if await self.find_deliveries(thread.id) is not None:
                raise Forgotten(f"the thread {thread.id!r} was deleted")
            await self._changes.wait(thread)
        return newest

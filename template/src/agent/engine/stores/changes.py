"""Wakes whoever follows a thread: at once if this process appends to it, else at the next look.

While nobody follows anything, nobody looks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from ..log.errors import Forgotten, ThreadNotFound, Unavailable
from ..log.thread import Thread

LOOK_S = 0.3
"""How late what another process appended may be noticed."""

Look = Callable[[Collection[str]], Awaitable[Mapping[str, int]]]
"""Returns the versions of these threads, 0 for one that is gone; those it leaves out have not
changed since it looked."""


class Changes:
    def __init__(self, look: Look | None = None) -> None:
        """Without `look` there are no other processes."""
        self._look = look
        self._followers: dict[asyncio.Future[None], Thread] = {}
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, thread: Thread) -> None:
        """Return once the thread seems to have grown."""
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
        """Wake those who know another version of these threads."""
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
    """Loads and follows threads, for a store that can read the rest of one."""

    _changes: Changes

    async def _read_on(self, thread: Thread) -> Thread:
        """Return a thread with the events that it lacks, the same one if it lacks none."""
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

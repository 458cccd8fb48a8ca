"""Runs threads as tasks of this process: nothing to install, and any number of processes of
one machine may do it side by side.

A lease keeps two runners from paying for the same step; safety never depends on it. What a
dead runner held is taken over when its lease ends.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

from ..api import expire
from ..errors import Unavailable
from ..loop import advance, escalate
from ..ports import Agent, Claim
from ..state import plan
from ..thread import Thread

log = logging.getLogger(__name__)

MAX_CRASHES = 5
MAX_BACK_OFF_S = 300.0
GRACE_S = 10.0
"""How long a stop waits for the steps that run; what takes longer is recovered by others."""


class LocalRunner:
    def __init__(
        self, agent: Agent, concurrency: int = 16, lease_s: float = 15.0, poll_s: float = 1.0
    ) -> None:
        self._agent = agent
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._poll_s = poll_s
        self._owner = uuid4().hex
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self, thread_id: str) -> None:
        self._woken.set()

    async def finish(self, thread_id: str) -> Thread:
        async with self._renewing():
            while True:
                claim = await self._agent.store.claim(self._owner, self._lease_s, thread_id)
                if claim:
                    await self._run(claim)
                thread = await self._agent.store.load(thread_id)
                if plan(thread.state, self._agent.limits) == "idle":
                    return thread
                if not claim:
                    await asyncio.sleep(min(self._poll_s, 0.2))

    async def work(self) -> None:
        running: set[asyncio.Task[None]] = set()
        async with self._renewing():
            try:
                while True:
                    await self._start_due(running)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), self._poll_s)
            finally:
                self._stopping.set()
                if running:
                    await asyncio.wait(running, timeout=GRACE_S)
                for task in running:
                    task.cancel()

    async def _start_due(self, running: set[asyncio.Task[None]]) -> None:
        self._woken.clear()
        try:
            while len(running) < self._concurrency:
                claim = await self._agent.store.claim(self._owner, self._lease_s)
                if claim is None:
                    return
                task = asyncio.create_task(self._run(claim), name=claim.thread_id)
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(self._ended)
        except Unavailable as error:
            log.warning("%s; trying again", error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._woken.set()
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Unavailable):
            log.warning("thread %s waits: %s", task.get_name(), error)
        else:
            log.error("thread %s failed", task.get_name(), exc_info=error)

    async def _run(self, claim: Claim) -> None:
        """Advance a claimed thread and let go of it.

        Raises:
            Unavailable: the thread was put back, to be tried again later.
            Exception: anything else counts as a crash, and the lease is left to run out.
        """
        store = self._agent.store
        thread = await store.load(claim.thread_id)
        try:
            thread = await self._advance(thread, claim)
        except Unavailable as error:
            back_off = min(2.0**claim.attempts, MAX_BACK_OFF_S)
            delay = timedelta(seconds=error.retry_after_s or back_off)
            thread = await store.load(claim.thread_id)
            later = await store.now() + delay
            await store.release(self._owner, thread, later, claim.attempts + 1)
            raise
        await store.release(self._owner, thread, await self._due(thread), 0)

    async def _advance(self, thread: Thread, claim: Claim) -> Thread:
        thread = await expire(self._agent, thread)
        if claim.crashes >= MAX_CRASHES and plan(thread.state, self._agent.limits) != "idle":
            last = thread.events[-1]
            why = f"its runner ended {claim.crashes} times after event {last.seq}, {last.type}"
            return await escalate(self._agent, thread, why)
        return await advance(self._agent, thread, claim.attempts, self._stopping)

    async def _due(self, thread: Thread) -> datetime | None:
        if plan(thread.state, self._agent.limits) != "idle":
            return await self._agent.store.now()
        return thread.state.wait.expires_at if thread.state.wait else None

    @asynccontextmanager
    async def _renewing(self) -> AsyncIterator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease_s / 3)
                try:
                    await self._agent.store.renew(self._owner, self._lease_s)
                except Unavailable as error:
                    log.warning("%s; leases may run out", error)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()

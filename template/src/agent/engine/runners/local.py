"""Runs threads as tasks of this process: nothing to install, and any number of processes of
one machine may do it side by side. A lease keeps two runners from paying for the same step;
safety never depends on it. What a dead runner held is taken over when its lease ends.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

from ..log.errors import AgentError, Unavailable
from ..log.state import State, plan
from ..log.thread import Thread
from ..loop.advance import advance, escalate, told
from ..loop.api import expire
from ..loop.ports import Claim, Ports, Store

Run = asyncio.Task[None]
log = logging.getLogger(__name__)

GRACE_S = 10.0
"""How long a stop waits for the steps that run; what takes longer is recovered by others."""
MAX_CRASHES = 5
MAX_BACK_OFF_S = 300.0


class LocalRunner:
    elsewhere = False

    def __init__(
        self, ports: Ports, concurrency: int = 16, lease_s: float = 15.0, poll_s: float = 1.0
    ) -> None:
        self._agent = ports
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._poll_s = poll_s
        # The holders of the runs in progress; a run that broke lets its lease run out.
        self._leases: set[str] = set()
        self._woken = asyncio.Event()

    def wake(self, thread_id: str) -> None:
        self._woken.set()

    async def finish(self, thread_id: str) -> Thread:
        stopping = asyncio.Event()
        async with self._renewing():
            while True:
                if run := await self._claimed(stopping, thread_id):
                    await _to_its_end(run, stopping)
                thread = await self._agent.store.load(thread_id)
                if plan(thread.state, self._agent.limits) == "idle":
                    return thread
                if not run:
                    await asyncio.sleep(min(self._poll_s, 0.2))

    async def work(self, concurrency: int | None = None) -> None:
        self._concurrency = concurrency or self._concurrency
        running, stopping = set[Run](), asyncio.Event()
        async with self._renewing():
            try:
                while True:
                    await self._start_due(running, stopping)
                    with suppress(TimeoutError):
                        # Not wait_for: before Python 3.12 it may swallow a cancellation.
                        async with asyncio.timeout(self._poll_s):
                            await self._woken.wait()
            finally:
                stopping.set()
                if running:
                    await asyncio.wait(running, timeout=GRACE_S)
                for task in running:
                    task.cancel()

    async def _start_due(self, running: set[asyncio.Task[None]], stopping: asyncio.Event) -> None:
        self._woken.clear()
        try:
            while len(running) < self._concurrency and (run := await self._claimed(stopping)):
                running.add(run)
                run.add_done_callback(running.discard)
                run.add_done_callback(self._ended)
        except Unavailable as error:
            log.warning("%s; trying again", error)

    async def _claimed(self, stopping: asyncio.Event, thread_id: str | None = None) -> Run | None:
        holder = uuid4().hex
        if not (claim := await self._agent.store.claim(holder, self._lease_s, thread_id)):
            return None
        self._leases.add(holder)
        run = asyncio.create_task(self._run(claim, holder, stopping), name=claim.thread_id)
        run.add_done_callback(lambda _: self._leases.discard(holder))
        return run

    def _ended(self, run: Run) -> None:
        self._woken.set()
        error = None if run.cancelled() else run.exception()
        if isinstance(error, AgentError):
            log.warning("thread %s is tried again later: %s", run.get_name(), error)
        elif error:
            log.error("thread %s failed", run.get_name(), exc_info=error)

    async def _run(self, claim: Claim, holder: str, stopping: asyncio.Event) -> None:
        """Advance a claimed thread and let go of it.

        Raises:
            AgentError: the thread was put back, to be tried again later.
            Exception: anything else counts as a crash, and the lease is left to run out.
        """
        ports, store = self._agent, self._agent.store
        loaded = await store.load(claim.thread_id)
        try:
            thread = await run_claimed(ports, await expire(ports, loaded), claim, stopping)
        except AgentError as error:
            if error.version is None:
                raise
            attempts = claim.attempts + 1 if error.version == loaded.state.version else 1
            seen = Thread(claim.thread_id, state=State(version=error.version))
            later = await again_at(store, claim.thread_id, error, attempts)
            await store.release(holder, seen, later, attempts)
            raise
        await store.release(holder, thread, await self._due(thread), 0)
        log.info("thread %s: %s", thread.id, thread.state.status)

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
                    if self._leases:
                        await self._agent.store.renew(tuple(self._leases), self._lease_s)
                except Unavailable as error:
                    log.warning("%s; leases may run out", error)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()


async def _to_its_end(run: Run, stopping: asyncio.Event) -> None:
    """Await `run`; a cancellation lets its step end first."""
    try:
        await asyncio.shield(run)
    except asyncio.CancelledError:
        stopping.set()
        await asyncio.wait({run}, timeout=GRACE_S)
        run.cancel()
        raise


async def run_claimed(
    ports: Ports, thread: Thread, claim: Claim, stopping: asyncio.Event
) -> Thread:
    """Advance a thread for a runner, unless too many died of it."""
    word = plan(thread.state, ports.limits)
    if claim.crashes < MAX_CRASHES or word == "idle":
        return await advance(ports, thread, claim.attempts, stopping)
    last = thread.events[-1]
    why = f"its runner ended {claim.crashes} times after event {last.seq}, {last.type}"
    if word == "deliver":
        return await told(ports, thread, thread.state.outbox[0], error=why)
    return await escalate(ports, thread, why)


async def again_at(store: Store, thread_id: str, error: AgentError, attempts: int) -> datetime:
    """Return when a thread that could not go on is due: after a while, or once its wait expires."""
    asked = error.retry_after_s if isinstance(error, Unavailable) else None
    pause_s = asked or min(2.0 ** min(attempts - 1, 10), MAX_BACK_OFF_S)
    later = await store.now() + timedelta(seconds=pause_s)
    wait = (await store.load(thread_id)).state.wait
    return min(later, wait.expires_at) if wait and wait.expires_at else later

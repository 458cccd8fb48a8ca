"""Runs threads as tasks of this process: there is nothing to install, and any number of processes
on one machine may do it side by side.

A lease keeps two runners from paying for the same step; safety never depends on it. When the lease
of a dead runner expires, another runner takes the thread over.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

from ..log.errors import AgentError, Unavailable
from ..log.state import Word, plan
from ..log.thread import Thread
from ..loop.advance import Advanced, advance, escalate, record_delivery
from ..loop.clock import keep_time
from ..loop.delegate import concerns_family
from ..loop.ports import Ports
from ..loop.store import Claim, Store
from .presence import announce
from .reports import Reports, explain
from .retention import keep_clean

ThreadTask = asyncio.Task[None]
"""Advances one claimed thread."""
log = logging.getLogger(__name__)

GRACE_S = 10.0
"""How long a stop waits for running steps; other runners recover those that take longer."""
MAX_CRASHES = 5
MAX_BACK_OFF_S = 300.0


class LocalRunner:
    elsewhere = False

    def __init__(
        self, ports: Ports, concurrency: int = 16, lease_s: float = 15.0, poll_s: float = 1.0
    ) -> None:
        self._ports = ports
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._poll_s = poll_s
        # The holders of the leases to renew; the lease of a task that failed is left to expire.
        self._leases: set[str] = set()
        # The holders to claim with next, by what they claimed before the store failed.
        self._kept = defaultdict[str | None, list[str]](list)
        self._woken = asyncio.Event()
        self.reports = Reports(ports)

    def wake(self, thread_id: str) -> None:
        self._woken.set()

    async def finish(self, thread_id: str) -> Thread:
        stopping = asyncio.Event()
        async with self._renew_leases():
            while True:
                if task := await self._claim(stopping, thread_id):
                    await _wait_for_end(task, stopping)
                thread = await self._ports.store.load(thread_id)
                if plan(thread.state, self._ports.get_agent(thread).limits) == "idle":
                    return thread
                if not task:  # somebody else has it
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._poll_s):
                            await self._ports.store.grown(thread)

    async def work(self, concurrency: int | None = None) -> None:
        self._concurrency = concurrency or self._concurrency
        running, stopping = set[ThreadTask](), asyncio.Event()
        async with self._keep_up():
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

    async def _start_due(self, running: set[ThreadTask], stopping: asyncio.Event) -> None:
        self._woken.clear()
        try:
            while len(running) < self._concurrency and (task := await self._claim(stopping)):
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(self._log_end)
        except Unavailable as error:
            log.warning("%s; retrying", explain(error))

    async def _claim(
        self, stopping: asyncio.Event, thread_id: str | None = None
    ) -> ThreadTask | None:
        """Claim a thread and start to advance it; None if there is none to claim.

        A holder that may have a lease, because the store failed, claims again: then the lease does
        not have to expire, and is not taken for that of a process that died.
        """
        kept = self._kept[thread_id]
        holder = kept.pop() if kept else uuid4().hex
        try:
            claim = await self._ports.store.claim(holder, self._lease_s, thread_id)
        except Unavailable:
            kept.append(holder)
            raise
        if not claim:
            return None
        if claim.crashes:
            self.reports.count_takeover()
        self._leases.add(holder)
        work = self._advance_claim(claim, holder, stopping)
        task = asyncio.create_task(work, name=claim.thread_id)
        task.add_done_callback(lambda _: self._leases.discard(holder))
        task.add_done_callback(lambda ended: self._keep_holder(ended, holder, thread_id))
        return task

    def _keep_holder(self, ended: ThreadTask, holder: str, thread_id: str | None) -> None:
        """Claim again with a holder whose lease may not have been released, but not at once."""
        if not ended.cancelled() and isinstance(ended.exception(), Unavailable):
            pause_s = self._lease_s / 3
            asyncio.get_running_loop().call_later(pause_s, self._kept[thread_id].append, holder)

    def _log_end(self, task: ThreadTask) -> None:
        self._woken.set()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AgentError):
            log.warning("thread %s will be retried: %s", task.get_name(), explain(error))
        elif error:
            log.error("thread %s failed", task.get_name(), exc_info=error)

    async def _advance_claim(self, claim: Claim, holder: str, stopping: asyncio.Event) -> None:
        """Advance a claimed thread and release it.

        Raises:
            AgentError: the thread was released, to be retried later.
            Exception: anything else counts as a crash, and the lease is left to expire.
        """
        ports, store = self._ports, self._ports.store
        loaded = await store.load(claim.thread_id)
        current = await keep_time(ports, loaded)
        if current.state.version > loaded.state.version:
            claim = Claim(claim.thread_id, 0, 0)  # what was tried before is another event
        done = await advance_claimed(ports, current, claim, stopping)
        thread = done.thread
        if done.problem:
            self.reports.count_problem(thread, done.problem)
            attempts = claim.attempts + 1 if thread.state.version == loaded.state.version else 1
            later = await retry_at(store, thread.id, done.problem, attempts)
            await store.release(holder, thread, later, attempts, str(done.problem))
            raise done.problem
        await store.release(holder, thread, await self._find_due(thread), 0)
        log.info("thread %s: %s", thread.id, thread.state.status)

    async def _find_due(self, thread: Thread) -> datetime | None:
        if find_work(self._ports, thread) != "idle":
            return await self._ports.store.now()
        return thread.state.wait.due_at if thread.state.wait else None

    @asynccontextmanager
    async def _keep_up(self) -> AsyncIterator[None]:
        """Do what a process that runs threads does beside it."""
        store = self._ports.store
        async with self._renew_leases(), keep_clean(self._ports), announce(store, self.reports):
            yield

    @asynccontextmanager
    async def _renew_leases(self) -> AsyncIterator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease_s / 3)
                try:
                    if self._leases:
                        await self._ports.store.renew(tuple(self._leases), self._lease_s)
                except AgentError as error:
                    log.warning("%s; leases may expire", explain(error))

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()


async def advance_claimed(
    ports: Ports, thread: Thread, claim: Claim, stopping: asyncio.Event
) -> Advanced:
    """Advance a thread, unless too many runners have died of it.

    Then what killed them is given up if it is a delivery to people; otherwise a person is asked.
    What another thread has to know is never given up.
    """
    word = find_work(ports, thread)
    if claim.crashes < MAX_CRASHES or word == "idle":
        return await advance(ports, thread, claim.attempts, stopping)
    last = thread.events[-1]
    why = f"its process died {claim.crashes} times after event {last.seq} ({last.type})"
    if word == "deliver" and concerns_family(thread, thread.event(thread.state.outbox[0])):
        return await advance(ports, thread, claim.attempts, stopping)
    if word == "deliver":
        return Advanced(await record_delivery(ports, thread, thread.state.outbox[0], error=why))
    return Advanced(await escalate(ports, thread, why))


def find_work(ports: Ports, thread: Thread) -> Word:
    """Say what to do next in a thread; "idle" if its agent is gone."""
    agent = ports.find_agent(thread)
    return plan(thread.state, agent.limits) if agent else "idle"


async def retry_at(store: Store, thread_id: str, error: AgentError, attempts: int) -> datetime:
    """Return when to retry a thread after `error`: after a pause, or once its wait expires."""
    asked = error.retry_after_s if isinstance(error, Unavailable) else None
    pause_s = asked or min(2.0 ** min(attempts - 1, 10), MAX_BACK_OFF_S)
    later = await store.now() + timedelta(seconds=pause_s)
    wait = (await store.load(thread_id)).state.wait
    return min(later, wait.due_at) if wait and wait.due_at else later


async def _wait_for_end(task: ThreadTask, stopping: asyncio.Event) -> None:
    """Await `task`; if this is cancelled, let its current step end first."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        stopping.set()
        await asyncio.wait({task}, timeout=GRACE_S)
        task.cancel()
        raise

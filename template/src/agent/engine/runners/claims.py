"""Running a claimed thread: what keeps ending its runners is given up or asked about, and what
cannot go on now is put back.
"""

import asyncio
from datetime import datetime, timedelta

from ..log.errors import AgentError, Unavailable
from ..log.state import plan
from ..log.thread import Thread
from ..loop.advance import advance, escalate, told
from ..loop.ports import Claim, Ports, Store

MAX_CRASHES = 5
MAX_BACK_OFF_S = 300.0


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

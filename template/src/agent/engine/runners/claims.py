"""Running a claimed thread: what keeps ending its runners is given up or asked about, and what
cannot go on now is put back.
"""

import asyncio
from datetime import datetime, timedelta

from ..log.errors import AgentError, Unavailable
from ..log.state import Word, plan
from ..log.thread import Thread
from ..loop.advance import Advanced, advance, escalate, record_delivery
from ..loop.ports import Claim, Ports, Store

MAX_CRASHES = 5
MAX_BACK_OFF_S = 300.0


async def run_claimed(
    ports: Ports, thread: Thread, claim: Claim, stopping: asyncio.Event
) -> Advanced:
    """Advance a thread for a runner, unless too many died of it."""
    word = find_work(ports, thread)
    if claim.crashes < MAX_CRASHES or word == "idle":
        return await advance(ports, thread, claim.attempts, stopping)
    last = thread.events[-1]
    why = f"its runner ended {claim.crashes} times after event {last.seq}, {last.type}"
    if word == "deliver":
        return Advanced(await record_delivery(ports, thread, thread.state.outbox[0], error=why))
    return Advanced(await escalate(ports, thread, why))


def find_work(ports: Ports, thread: Thread) -> Word:
    """Say what is to be done next in a thread; "idle" where its agent is gone."""
    agent = ports.find_agent(thread)
    return plan(thread.state, agent.limits) if agent else "idle"


async def again_at(store: Store, thread_id: str, error: AgentError, attempts: int) -> datetime:
    """Return when a thread that could not go on is due: after a while, or once its wait expires."""
    asked = error.retry_after_s if isinstance(error, Unavailable) else None
    pause_s = asked or min(2.0 ** min(attempts - 1, 10), MAX_BACK_OFF_S)
    later = await store.now() + timedelta(seconds=pause_s)
    wait = (await store.load(thread_id)).state.wait
    return min(later, wait.expires_at) if wait and wait.expires_at else later

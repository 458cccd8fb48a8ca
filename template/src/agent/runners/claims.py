"""Running a claimed thread: what keeps ending its runners is given up or asked about."""

import asyncio

from ..loop import advance, escalate, told
from ..ports import Agent, Claim
from ..state import plan
from ..thread import Thread

MAX_CRASHES = 5


async def run_claimed(
    agent: Agent, thread: Thread, claim: Claim, stopping: asyncio.Event
) -> Thread:
    """Advance a thread for a runner, unless too many died of it."""
    word = plan(thread.state, agent.limits)
    if claim.crashes < MAX_CRASHES or word == "idle":
        return await advance(agent, thread, claim.attempts, stopping)
    last = thread.events[-1]
    why = f"its runner ended {claim.crashes} times after event {last.seq}, {last.type}"
    if word == "deliver":
        return await told(agent, thread, thread.state.outbox[0], error=why)
    return await escalate(agent, thread, why)

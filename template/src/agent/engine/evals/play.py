"""Plays a case over several steps: the agent's own loop, in memory, with results from the case.

No tool of the owner is run unless the case says so, nobody is notified, and nothing is prefetched.
"""

from dataclasses import replace
from typing import Any

from ..context.window import Prompt
from ..log.errors import AgentError
from ..log.events import CallJson, Event
from ..log.thread import Thread
from ..loop.advance import advance
from ..loop.ports import LLM, BoundAgent, Delivery, Ports, Reply
from ..people.identity import AnyName
from ..stores.memory import MemoryStore
from .cases import Case
from .stubs import Stubs


async def play(agent: BoundAgent, case: Case, llm: LLM) -> tuple[Thread, CallJson | None]:
    """Return the thread as it ended, and the call for which the case has no result, if any.

    Raises:
        AgentError: the model, or the agent, cannot go on.
    """
    problems: list[AgentError] = []

    async def ask(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        try:
            return await llm(prompt, schema)
        except AgentError as error:  # where people would be asked, the case has no result
            problems.append(error)
            raise

    tools, limits = Stubs(agent, case.tools), agent.limits
    if case.steps is not None:
        most = case.thread.state.steps + case.steps
        limits = replace(limits, steps=min(limits.steps, most))
    bound = replace(agent, llm=ask, decide=tools.decide, prefetch=None, limits=limits)
    ports = Ports(MemoryStore(), _Nobody(), {agent.name: bound}, AnyName())
    thread = await ports.store.append(Thread(case.thread.id), *case.thread.events)
    done = await advance(ports, thread, stopping=tools.stopping)
    problem = next(iter(problems), done.problem)
    if problem and not tools.missing:
        raise problem
    return done.thread, tools.missing


class _Nobody:
    """Notifies nobody."""

    async def notify(self, thread: Thread, event: Event) -> Delivery:
        return Delivery()

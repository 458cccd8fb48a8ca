"""Plays a case over several steps: the agent's own loop, in memory, with results from the case.

No tool of the owner is run unless the case says so, nobody is notified, and nothing is prefetched.
"""

import asyncio
import inspect
from dataclasses import replace
from typing import Any

from ..blocking import run_in_thread
from ..context.window import Prompt
from ..log.errors import AgentError, ToolError
from ..log.events import CallJson, Event
from ..log.thread import Thread
from ..loop.actions import Action, Call, Run, Tool
from ..loop.advance import advance
from ..loop.ports import LLM, BoundAgent, Delivery, Ports, Reply
from ..people.identity import AnyName
from ..stores.memory import MemoryStore
from .cases import Case, Stub
from .match import find_difference


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

    tools, limits = _Tools(agent, case), agent.limits
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


class _Tools:
    """The results that a case has for calls of tools."""

    def __init__(self, agent: BoundAgent, case: Case) -> None:
        self._agent = agent
        self._stubs = case.tools
        self._used: list[Stub] = []
        self.missing: CallJson | None = None
        self.stopping = asyncio.Event()

    def decide(self, step: Any, thread: Thread) -> Action:
        action = self._agent.decide(step, thread)
        if isinstance(action, Run):
            return replace(action, tool=self._replace(action.tool))
        return action

    def _replace(self, tool: Tool) -> Tool:
        async def result(step: Any, call: Call) -> Any:
            made = self._agent.steps.write(step)
            stub = self._find(made)
            if stub is None:
                self.missing = made
                self.stopping.set()
                raise ToolError("the case has no result for this call")
            if stub.error is not None:
                raise ToolError(stub.error)
            return await _run(tool, step, call) if stub.run else stub.output

        return result

    def _find(self, call: CallJson) -> Stub | None:
        fit = [stub for stub in self._stubs if not find_difference(call, stub.call)]
        if not fit:
            return None
        chosen = next(
            (stub for stub in fit if all(stub is not used for used in self._used)), fit[-1]
        )
        self._used.append(chosen)
        return chosen


async def _run(tool: Tool, step: Any, call: Call) -> Any:
    is_async = inspect.iscoroutinefunction(tool)
    output = tool(step, call) if is_async else await run_in_thread(tool, step, call)
    return await output if inspect.isawaitable(output) else output


class _Nobody:
    """Notifies nobody."""

    async def notify(self, thread: Thread, event: Event) -> Delivery:
        return Delivery()

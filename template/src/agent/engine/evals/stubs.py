"""Puts the results of a case in the place of an agent's tools."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..log.errors import ToolError
from ..log.events import CallJson
from ..log.thread import Thread
from ..loop import outcome
from ..loop.actions import Action, Call, Run, Task, Tool
from ..loop.ports import BoundAgent
from .cases import Stub
from .match import find_difference


class Stubs:
    def __init__(self, agent: BoundAgent, stubs: Sequence[Stub]) -> None:
        self._agent = agent
        self._stubs = stubs
        self._used: list[Stub] = []
        self.missing: CallJson | None = None
        """The call for which there was none."""
        self.stopping = asyncio.Event()
        """Set from then on."""

    def decide(self, step: Any, thread: Thread) -> Action:
        """Decide as the agent does, but run no tool of its own."""
        action = self._agent.choose_action(step, thread)
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
            if stub.run and isinstance(tool, Task):
                raise ToolError("no other agent is started here: the case has to say its output")
            return await outcome.call(tool, step, call) if stub.run else stub.output

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

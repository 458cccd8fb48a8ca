"""What a process that runs threads reports: a log line for each step, and its totals.

Neither contains what people, models or tools said.
"""

import logging
import os
import socket
from collections import Counter
from typing import Any
from uuid import uuid4

from ..index import Worker
from ..log.errors import AgentError, ModelUnavailable, Undelivered
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Ports
from ..watch import watch_appends

log = logging.getLogger(__name__)

CALLS = frozenset({"step", "invalid_step", "discarded", "compacted"})
"""Events that record a model call."""


class Reports:
    """The totals of one process since it started, which are stored with its other facts."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._id = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:4]}"
        watch_appends(ports.store, self._see)

    def describe(self) -> Worker:
        """Return this process, with its totals."""
        models = {agent.name: agent.model for agent in self._ports.agents.values()}
        counts: list[list[Any]] = [[*key, number] for key, number in self._counts.items()]
        return Worker(self._id, models, counts)

    def count_takeover(self) -> None:
        """Count a lease that was taken over from a process that did not end it."""
        self._counts["takeovers",] += 1

    def count_problem(self, thread: Thread, problem: AgentError) -> None:
        """Count a problem for which a thread has to be retried."""
        agent, model = self._find_agent(thread)
        if isinstance(problem, ModelUnavailable):
            self._counts["model_errors", agent, model, "unavailable"] += 1
        elif isinstance(problem, Undelivered):
            self._counts["delivery_failures", agent] += 1

    def _see(self, thread: Thread, event: Event) -> None:
        agent, model = self._find_agent(thread)
        if event.type in CALLS and "tokens" in event.data:
            self._count_call(agent, model, event)
            _log_call(thread, agent, model, event)
        elif event.type in ("tool_finished", "tool_failed"):
            outcome = "finished" if event.type == "tool_finished" else "failed"
            self._counts["tools", agent, outcome] += 1
        elif event.type == "paused" and event.data.get("limit") == "model":
            self._counts["model_errors", agent, model, "refused"] += 1
        elif event.type == "delivered" and event.data.get("error"):
            self._counts["delivery_failures", agent] += 1

    def _count_call(self, agent: str, model: str, event: Event) -> None:
        self._counts["steps", agent, model, event.type] += 1
        for kind, number in event.tokens.items():
            self._counts["tokens", agent, model, kind] += number

    def _find_agent(self, thread: Thread) -> tuple[str, str]:
        """Return the name of the agent and of its model."""
        agent = self._ports.find_agent(thread)
        return (agent.name, agent.model) if agent else (thread.state.agent, "")


def _log_call(thread: Thread, agent: str, model: str, event: Event) -> None:
    said = event.data["call"]["intent"] if event.type == "step" else event.type
    tokens = ", ".join(f"{number} {kind}" for kind, number in event.tokens.items())
    facts = {"thread_id": thread.id, "event": event.seq, "agent": agent, "model": model}
    log.info(
        "thread %s, event %d: %s (%s)", thread.id, event.seq, said, tokens or "no tokens",
        extra=facts | {"outcome": said, "tokens": event.tokens},
    )  # fmt: skip


def explain(error: BaseException) -> str:
    """Return the text of an error for the log, with what is not shown to everyone."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])

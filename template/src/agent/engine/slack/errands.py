"""Slack waits three seconds for an answer: what takes longer goes on behind it."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..log.errors import AgentError, Unavailable

ACK_S = 2.5
"""How long recording may take before Slack is told to ask again."""

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Errands:
    def __init__(self) -> None:
        self._running = set[asyncio.Task[Any]]()

    def run(self, errand: Coroutine[Any, Any, object]) -> None:
        """Do something that is said afterwards; it is only noted where it fails."""
        self._started(_noted(errand))

    async def in_time(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what comes of `work`. Raises Unavailable if it takes too long; it goes on."""
        task = self._started(work)
        if task not in (await asyncio.wait({task}, timeout=ACK_S))[0]:
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise Unavailable(f"it took longer than {ACK_S:g} s")
        return task.result()

    def _started(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


async def _noted(errand: Coroutine[Any, Any, object]) -> None:
    try:
        await errand
    except AgentError as error:
        log.warning("Slack was not told: %s", error)

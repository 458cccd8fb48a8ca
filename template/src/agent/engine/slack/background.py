"""Slack waits three seconds for an answer: work that takes longer continues in the background."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..log.errors import AgentError, Unavailable

ACK_S = 2.5
"""How long recording may take before Slack is asked to send the request again."""

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Background:
    def __init__(self) -> None:
        self._running = set[asyncio.Task[Any]]()

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Start something that Slack's answer does not depend on; a failure is only logged."""
        self._create_task(_log_failure(work))

    async def wait_in_time(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of `work`. Raises Unavailable if it takes too long; it continues."""
        task = self._create_task(work)
        if task not in (await asyncio.wait({task}, timeout=ACK_S))[0]:
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise Unavailable(f"it took longer than {ACK_S:g} s")
        return task.result()

    def _create_task(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


async def _log_failure(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except AgentError as error:
        log.warning("a message to Slack was not sent: %s", error)

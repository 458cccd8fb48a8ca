"""For those who follow the log themselves: the command line, HTTP, the inbox."""

from typing import Any

from ..log.events import Event
from ..log.thread import Thread


class PollChannel:
    async def send(self, thread: Thread, event: Event) -> dict[str, Any]:
        """Send nothing: whoever gave the task reads the thread."""
        return {}

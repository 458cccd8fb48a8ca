"""For those who follow the log themselves: the command line, HTTP, the inbox."""

from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Sent


class PollChannel:
    async def send(self, thread: Thread, event: Event) -> Sent:
        """Notify nobody: whoever gave the task reads the thread."""
        return Sent()

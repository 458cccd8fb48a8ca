"""Factor 7: contact humans with tool calls. Through which channel.

An event is shown where its thread came from, unless others are asked, who are reached elsewhere.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import Unavailable
from ..events import Event
from ..ports import Channel
from ..thread import Thread
from .people import reached


class Routing:
    """The channel that knows the others by name, as `reply_to` and `people.toml` have it."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = channels

    async def send(self, thread: Thread, event: Event) -> dict[str, Any]:
        receipts: dict[str, Any] = {}
        for name in self._names(thread, event):
            if name not in self.channels:
                raise Unavailable(f"no channel {name!r} here; it was removed, or is not set up")
            if receipt := await self.channels[name].send(thread, event):
                receipts[name] = receipt
        return receipts

    def _names(self, thread: Thread, event: Event) -> list[str]:
        home = thread.state.reply_to.partition(":")[0]
        if event.type == "finished":
            return [home]
        if event.type != "paused":
            return list(receipt_of(thread, event) or {})
        asked = event.data["audience"]
        if thread.state.owner in asked or "anyone" in asked:
            return [home]
        theirs = [ways for name in asked if (ways := reached(name, self.channels))]
        return list(dict.fromkeys(home if home in ways else ways[0] for ways in theirs)) or [home]


def wait_of(thread: Thread, event: Event) -> Event:
    """Return the `paused` event that `event` is or closes."""
    return next(past for past in reversed(thread.events[: event.seq]) if past.type == "paused")


def receipt_of(thread: Thread, event: Event) -> dict[str, Any]:
    """Return what the channels kept of showing the wait that `event` closes, by channel."""
    wait = wait_of(thread, event)
    told = next(past for past in thread.events[wait.seq :] if past.key == f"told:{wait.seq}")
    return told.data.get("receipt") or {}

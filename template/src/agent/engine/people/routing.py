"""Factor 7: contact humans with tool calls. Through which channel.

An event is shown where its thread came from, unless others are asked, who are reached elsewhere.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..log.errors import Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Channel
from .identity import reached


class Routing:
    """The channel that knows the others by name, as `reply_to` and `people.toml` have it."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = channels

    async def send(self, thread: Thread, event: Event) -> dict[str, Any]:
        receipts, failed = dict[str, Any](), list[Unavailable]()
        for name, shown in self._ways(thread, event).items():
            try:
                if receipt := await self._channel(name).send(thread, shown):
                    receipts[name] = receipt
            except Unavailable as error:  # the others are told all the same
                failed.append(error)
        if failed:
            failed[0].kept = {"receipt": receipts} if receipts else {}
            raise failed[0]
        return receipts

    def _channel(self, name: str) -> Channel:
        if name not in self.channels:
            raise Unavailable(f"no channel {name!r} here; it was removed, or is not set up")
        return self.channels[name]

    def _ways(self, thread: Thread, event: Event) -> dict[str, Event]:
        """Return what each channel has to show: of those who are asked, its own."""
        home = thread.state.reply_to.partition(":")[0]
        if event.type not in ("paused", "finished"):
            return dict.fromkeys(receipt_of(thread, event), event)
        asked = event.data.get("audience", ("anyone",))
        if thread.state.owner in asked or "anyone" in asked:
            return {home: event}
        people: dict[str, list[str]] = {}
        for person in asked:
            if ways := reached(person, self.channels):
                people.setdefault(home if home in ways else ways[0], []).append(person)
        return {name: _to(event, theirs) for name, theirs in people.items()} or {home: event}


def tellable(channel: Channel, tell: str) -> str:
    """Return a `channel:address` of an owner's file. Raises ValueError where nobody is reached."""
    name, _, address = tell.partition(":")
    if isinstance(channel, Routing) and name not in channel.channels:
        here = ", ".join(sorted(channel.channels))
        todo = "set it up, add the part, or leave `notify` out"
        raise ValueError(f"needs {name!r}, which is not set up here ({here}): {todo}")
    if name != "poll" and not address.strip():
        raise ValueError("has no address; write channel:address")
    return tell


def _to(event: Event, people: list[str]) -> Event:
    return replace(event, data=event.data | {"audience": people})


def wait_of(thread: Thread, event: Event) -> Event:
    """Return the `paused` event that `event` is or closes."""
    return next(past for past in reversed(thread.events[: event.seq]) if past.type == "paused")


def receipt_of(thread: Thread, event: Event) -> dict[str, Any]:
    """Return what the channels kept of showing the wait that `event` closes, by channel."""
    wait = wait_of(thread, event)
    told = next(past for past in thread.events[wait.seq :] if past.key == f"told:{wait.seq}")
    return told.data.get("receipt") or {}

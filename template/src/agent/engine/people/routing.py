"""Factor 7: contact humans with tool calls. Through which channel.

An event is shown where its thread came from, unless others are asked, who are reached elsewhere.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..log.errors import Unavailable
from ..log.events import Event
from ..log.thread import Thread, reduce
from ..loop.ports import Channel, Delivery, Notifier
from .identity import reached


class Routing:
    """Notifies people by channels, which it knows by name as `reply_to` and `people.toml` do."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = channels

    async def notify(self, thread: Thread, event: Event) -> Delivery:
        receipts, failed = dict[str, Any](), list[Unavailable]()
        for name, shown in self._ways(thread, event).items():
            try:
                if receipt := await self._channel(name).send(thread, shown):
                    receipts[name] = receipt
            except Unavailable as error:  # the others are notified all the same
                failed.append(error)
        return Delivery(receipts, next(iter(failed), None))

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


def tellable(notifier: Notifier, tell: str) -> str:
    """Return a `channel:address` of an owner's file. Raises ValueError where nobody is reached."""
    name, _, address = tell.partition(":")
    if isinstance(notifier, Routing) and name not in notifier.channels:
        here = ", ".join(sorted(notifier.channels))
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


def closing_of(thread: Thread, wait: int) -> Event | None:
    """Return the event that closed a wait; None while it is open."""
    state = thread.before(wait + 1).state
    for event in thread.events[wait:]:
        state = reduce(state, event)
        if state.wait is None or state.wait.seq != wait:
            return event
    return None


def receipt_of(thread: Thread, event: Event) -> dict[str, Any]:
    """Return what the channels kept of showing the wait that `event` closes, by channel."""
    wait = wait_of(thread, event)
    key = f"delivered:{wait.seq}"
    delivered = next(past for past in thread.events[wait.seq :] if past.key == key)
    return delivered.data.get("receipt") or {}

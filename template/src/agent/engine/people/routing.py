"""Factor 7: contact humans with tool calls. Which channel notifies whom.

People are notified where the thread came from, unless others are asked, who are reached elsewhere.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..log.errors import Unavailable, Undelivered
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Channel, Delivery, Notifier
from .history import find_receipts, find_wait
from .identity import find_channels


class Routing:
    """Notifies people by channels, which it knows by name as `reply_to` and `people.toml` do."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = channels

    async def notify(self, thread: Thread, event: Event) -> Delivery:
        receipts, reached, failed = dict[str, Any](), dict[str, list[str]](), list[Undelivered]()
        for name, shown in self._choose_channels(thread, event).items():
            try:
                sent = await self._channel(name).send(thread, shown)
                receipts |= {name: sent.receipt} if sent.receipt else {}
                reached |= {name: [*sent.people]} if sent.people else {}
            except Unavailable as error:  # the others are notified all the same
                failed.append(Undelivered(str(error), error.retry_after_s))
        return Delivery(receipts, reached, next(iter(failed), None))

    def _channel(self, name: str) -> Channel:
        if name not in self.channels:
            raise Unavailable(f"no channel {name!r} here; it was removed, or is not set up")
        return self.channels[name]

    def _choose_channels(self, thread: Thread, event: Event) -> dict[str, Event]:
        """Return what each channel has to send, for those of its own who are asked."""
        home = thread.state.reply_to.partition(":")[0]
        if event.type not in ("paused", "reminded", "finished", "notice"):
            return dict.fromkeys(find_receipts(thread, event), event)
        if event.type == "reminded":
            event = replace(event, data=find_wait(thread, event).data | event.data)
        asked = event.data.get("audience", ("anyone",))
        if thread.state.owner in asked or "anyone" in asked:
            return {home: event}
        people: dict[str, list[str]] = {}
        for person in asked:
            if ways := find_channels(person, self.channels):
                people.setdefault(home if home in ways else ways[0], []).append(person)
        return {name: _address(event, theirs) for name, theirs in people.items()} or {home: event}


def check_address(notifier: Notifier, address: str) -> str:
    """Return a `channel:address` of an owner's file. Raises ValueError if it reaches nobody."""
    name, _, place = address.partition(":")
    if isinstance(notifier, Routing) and name not in notifier.channels:
        here = ", ".join(sorted(notifier.channels))
        todo = "set it up, add the part, or leave `notify` out"
        raise ValueError(f"needs {name!r}, which is not set up here ({here}): {todo}")
    if name != "poll" and not place.strip():
        raise ValueError("has no address; write channel:address")
    return address


def _address(event: Event, people: list[str]) -> Event:
    return replace(event, data=event.data | {"audience": people})

"""What became of a wait: the event that opened it, the one that closed it, who was notified."""

from typing import Any

from ..log.events import Event
from ..log.fold import reduce
from ..log.thread import Thread


def find_wait(thread: Thread, event: Event) -> Event:
    """Return the `paused` event that `event` is or closes."""
    return next(past for past in reversed(thread.events[: event.seq]) if past.type == "paused")


def find_closing(thread: Thread, wait: int) -> Event | None:
    """Return the event that closed a wait; None while it is open."""
    state = thread.before(wait + 1).state
    for event in thread.events[wait:]:
        state = reduce(state, event)
        if state.wait is None or state.wait.seq != wait:
            return event
    return None


def find_receipts(thread: Thread, event: Event) -> dict[str, list[Any]]:
    """Return the receipts of what people were sent about the wait that `event` closes, oldest
    first, by channel. What was being sent at that moment has its receipt after `event`."""
    wait, receipts = find_wait(thread, event), dict[str, list[Any]]()
    for past in thread.events[wait.seq :]:
        if past.type == "delivered" and wait.seq <= past.data["ref"] < event.seq:
            for name, receipt in (past.data.get("receipt") or {}).items():
                receipts.setdefault(name, []).append(receipt)
    return receipts

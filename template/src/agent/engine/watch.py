"""Reports each append to a function: for traces, logs and metrics."""

from collections.abc import Callable
from typing import TypeVar

from .log.events import Event
from .log.thread import Thread
from .loop.store import Store

S = TypeVar("S", bound=Store)


def watch_appends(store: S, see: Callable[[Thread, Event], None]) -> S:
    """Call `see(thread, event)` for each event that this process appends; return the store.

    The thread has all events of the append. A copy of a thread is not reported: its events were
    appended to its origin.
    """
    append = store.append

    async def append_and_report(thread: Thread, *events: Event) -> Thread:
        grown = await append(thread, *events)
        if not any(event.type == "forked" for event in events):
            for event in grown.events[thread.state.version :]:
                see(grown, event)
        return grown

    store.append = append_and_report  # type: ignore[method-assign]  # it stays the same store
    return store

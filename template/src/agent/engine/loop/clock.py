"""Applies the clock to an open wait: expiry, reminders, and the release of a shared cause."""

from typing import Any

from ..log.errors import Conflict
from ..log.events import make_event
from ..log.thread import Thread
from .ports import Ports


async def keep_time(ports: Ports, thread: Thread) -> Thread:
    """Close the open wait if it has expired by the store's clock, or record that a reminder is due.

    A wait with a cause is also closed if a person who may answer it continued another thread that
    stopped for the same cause.
    """
    wait, now = thread.state.wait, await ports.store.now()
    by = await ports.store.find_release(thread.id) if wait and wait.data.get("cause") else ""
    if wait and by and wait.admits(by):
        # Not in the name of `by`, who would become a participant of the thread.
        about: dict[str, Any] = {"verdict": "continue", "released_by": by}
        due = make_event("resumed", "system", f"answer:{wait.seq}", wait=wait.seq, **about)
    elif wait and wait.expires_at and wait.expires_at <= now:
        about = {"verdict": "done" if wait.kind == "timer" else "expired"}
        due = make_event("resumed", "system", f"answer:{wait.seq}", wait=wait.seq, **about)
    elif wait and wait.remind_at and wait.remind_at <= now:
        due = make_event("reminded", "system", f"remind:{wait.seq}", wait=wait.seq)
    else:
        return thread
    try:
        return await ports.store.append(thread, due)
    except Conflict:
        return await ports.store.load(thread.id)

"""Applies the clock to an open wait: expiry, reminders, and the release of a shared cause."""

from typing import Any

from ..log.errors import Conflict
from ..log.events import make_event
from ..log.thread import Thread
from .ports import Ports


async def keep_time(ports: Ports, thread: Thread) -> Thread:
    """Close the open wait if it has expired by the store's clock, or record that a reminder is due.

    A wait with a cause is also closed if a person continued another thread with the same cause.
    """
    wait, now = thread.state.wait, await ports.store.now()
    about: dict[str, Any]
    if wait and wait.data.get("cause") and (by := await _find_release(ports, thread)):
        # Not in the name of `by`, who would become a participant of the thread.
        about = {"wait": wait.seq, "verdict": "continue", "released_by": by}
        due = make_event("resumed", "system", f"answer:{wait.seq}", **about)
    elif wait and wait.expires_at and wait.expires_at <= now:
        verdict = "done" if wait.kind == "timer" else "expired"
        about = {"wait": wait.seq, "verdict": verdict}
        due = make_event("resumed", "system", f"answer:{wait.seq}", **about)
    elif wait and wait.remind_at and wait.remind_at <= now:
        due = make_event("reminded", "system", f"remind:{wait.seq}", wait=wait.seq)
    else:
        return thread
    try:
        return await ports.store.append(thread, due)
    except Conflict:
        return await ports.store.load(thread.id)


async def _find_release(ports: Ports, thread: Thread) -> str:
    """Return who released the cause of the open wait after it was opened; "" for nobody.

    It has to be somebody who may answer this wait, too.
    """
    wait = thread.state.wait
    if wait is None:
        return ""
    opened = thread.event(wait.seq).at
    release = await ports.store.find_release(wait.data["cause"])
    released = release and opened and release.at > opened and wait.admits(release.by)
    return release.by if release and released else ""

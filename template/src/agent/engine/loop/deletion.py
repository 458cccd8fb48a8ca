"""Deletes threads, each together with its children."""

from contextlib import suppress

from ..log.errors import Conflict, Refused, ThreadNotFound
from ..log.events import Event, make_event
from ..log.thread import Thread
from .delegate import find_end_of, list_children, report_end
from .ports import Ports
from .record import append_once, find_end


async def forget(ports: Ports, thread_id: str, *, actor: str, cancelling: bool = False) -> None:
    """Delete a thread that has ended, and its children.

    With `cancelling`, a thread that waits is cancelled first.

    Raises:
        ThreadNotFound: no such thread.
        Refused: the thread or a child runs, waits, or got a new event at the same time.
        Unavailable: its parent cannot be notified of the end now.
    """
    thread = await ports.store.load(thread_id)
    if thread.state.wait and not cancelling:
        raise Refused(f"the thread is {thread.state.status}; cancel it first")
    if not thread.state.ended and not thread.state.wait:
        raise Refused("the thread runs; cancel it first")
    if wait := thread.state.wait:

        def end(newest: Thread) -> Event:
            if newest.state.wait is None or newest.state.wait.seq != wait.seq:
                raise Refused("the thread no longer waits; nothing was changed")
            return make_event("cancelled", actor, reason="deleted")

        thread = await append_once(ports, thread, end, find_end)
    for child in list_children(thread):
        with suppress(ThreadNotFound):
            await forget(ports, child, actor=actor, cancelling=cancelling)
    thread = await ports.store.load(thread_id)  # a child that is deleted reports its end
    if thread.state.parent:
        await report_end(ports, thread, find_end_of(thread))
    try:
        await ports.store.forget(thread)
    except Conflict as error:
        raise Refused(f"{error}; nothing was deleted") from None

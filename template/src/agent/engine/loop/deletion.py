"""Deletes threads, and names the threads that continue their conversations."""

import json
from uuid import NAMESPACE_URL, uuid5

from ..index import hash_delivery
from ..log.errors import Conflict, Forgotten, Refused
from ..log.events import Event, make_event
from ..log.thread import Thread
from .ports import Ports
from .record import append_once
from .store import Store

NAMESPACE = uuid5(NAMESPACE_URL, "https://github.com/humanlayer/12-factor-agents")
"""Namespace of thread ids."""


async def find_conversation(store: Store, thread_id: str, key: str = "") -> str:
    """Return the id of the current thread of a conversation, given the id of its first thread.

    Each deleted thread is followed by one with a new id. Idempotency keys begin with the thread's
    id, so a key of a deleted thread is never used again.

    Raises:
        Forgotten: the message with the key `key` was sent to a deleted thread.
    """
    while (received := await store.find_deliveries(thread_id)) is not None:
        if hash_delivery(key) in received:
            raise Forgotten(f"the thread {thread_id!r} was deleted, and this message was for it")
        thread_id = str(uuid5(NAMESPACE, json.dumps([thread_id, "next"])))
    return thread_id


def find_end(thread: Thread) -> Event | None:
    """Return the last event that began or ended a request."""
    ends = ("message", "finished", "cancelled")
    return next((past for past in reversed(thread.events) if past.type in ends), None)


async def forget(ports: Ports, thread_id: str, *, actor: str, cancelling: bool = False) -> None:
    """Delete a thread that has ended. `cancelling` first cancels a thread that waits.

    Raises:
        ThreadNotFound: no such thread.
        Refused: the thread runs, waits, or got a new event at the same time.
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
    try:
        await ports.store.forget(thread)
    except Conflict as error:
        raise Refused(f"{error}; nothing was deleted") from None

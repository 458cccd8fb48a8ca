"""Finds the thread that a message is for: the newest of its conversation, a child or a parent."""

import json
from contextlib import suppress
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from ..index import hash_delivery
from ..log.errors import Forgotten, ThreadNotFound
from ..log.events import Event
from ..log.thread import Thread
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


async def find_open_parent(store: Store, thread: Thread) -> Thread:
    """Return `thread`, or if it is a child that has ended, the nearest thread above that is not."""
    with suppress(ThreadNotFound):
        while thread.state.ended in ("finished", "cancelled") and thread.state.parent:
            thread = await store.load(thread.state.parent)
    return thread


async def find_waiting(store: Store, thread: Thread) -> Thread:
    """Follow the waits for children down, and return the last thread."""
    with suppress(ThreadNotFound):
        while thread.state.child:
            thread = await store.load(thread.state.child)
    return thread


async def address(store: Store, thread: Thread, said: Event) -> Event:
    """Return a message for `thread`. If it answers a question of a thread below, it names it."""
    to = await _find_question(store, thread, said.actor) if thread.state.child else ""
    return replace(said, data=said.data | {"to": to}) if to else said


async def _find_question(store: Store, thread: Thread, actor: str) -> str:
    """Return the thread below `thread` with an open question for `actor`; "" if there is none."""
    with suppress(ThreadNotFound):
        while thread.state.child:
            thread = await store.load(thread.state.child)
            wait = thread.state.wait
            if wait and wait.kind == "question" and wait.admits(actor):
                return thread.id
    return ""

"""Your own program starts agents, reads their threads and answers for people.

Each call appends an event or reads the log, as a trigger does; none runs a thread. That is done by
`agent worker`, `agent serve`, or your program where it mounts the agent. Your program says who
acts, and is trusted with it: only `resume` checks that the person is asked.

The agents are those of `app.py`, with the settings of the environment and `.env`. Each event loop
opens the store once and closes it when the loop ends, so that `asyncio.run(launch(...))` works too.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

from . import settings
from .index import Summary, Which
from .log.errors import Misconfigured
from .log.events import CallJson, Event
from .log.thread import Thread
from .loop import api
from .loop.ports import Ports
from .loop.store import Store
from .main import build
from .people.access import check_reader, list_names
from .people.identity import RESERVED
from .redaction import redact_store
from .runners.app import App, no_model
from .runners.shared import find_shared, share

__all__ = ["cancel", "follow", "launch", "read", "resume", "threads"]

SOURCE = "program"
_WORDS = (*RESERVED, "agent", "system")
"""Names that the log uses for the engine and for audiences."""


async def launch(
    agent: str,
    text: str,
    conversation: str | None = None,
    *,
    actor: str,
    delivery: str | None = None,
    connection: object = None,
) -> Thread:
    """Start a thread with a message, or continue the one of its conversation.

    `agent` is a name in `app.py`, "" for the default one. `conversation` and `delivery` are names
    of your own, such as "order:17": a delivery is stored once, however often it is launched.

    With a `connection` of psycopg 3, asynchronous or not, to the database of DATABASE_URL, the
    message is part of the transaction that is open there: it is stored when you commit, or never.
    The thread must not be used before that.

    Raises:
        Refused: the conversation is with another agent.
        Forgotten: this very message was for a thread that was deleted.
        Misconfigured: the agent is not in app.py, `actor` is empty or reserved, or the
            connection cannot be used.
        StoreFailed: your transaction has failed and has to be rolled back.
        Unavailable: the store is away; whether the message was stored is unknown.
    """
    app = _open_for(actor)
    if agent and agent not in app.ports.agents:
        raise Misconfigured(f"there is no agent {agent!r} in app.py: {', '.join(app.ports.agents)}")
    delivery = f"{SOURCE}:{delivery or uuid4().hex}"
    thread = await api.launch(
        await _borrow(app.ports, connection) if connection is not None else app.ports,
        api.name_thread(SOURCE, "", f"conversation:{conversation}" if conversation else delivery),
        text,
        actor=actor,
        delivery=delivery,
        source=SOURCE,
        agent=agent,
        strict=bool(agent),
    )
    app.runner.wake(thread.id)
    return thread


async def threads(reader: str = "", limit: int = 100, **filters: Any) -> list[Summary]:
    """List threads, last changed first: all, or those that `reader` may read.

    The filters are the fields of `Which`, such as `status="waiting"` or `asked="ana"`.
    """
    ports = _open().ports
    names = list_names(ports, reader) if reader else None
    return await ports.store.threads(Which(names=names, **filters), limit)


async def read(thread_id: str, reader: str = "") -> Thread:
    """Load a thread: its events, and the state they fold into.

    Raises:
        ThreadNotFound: there is none, or none that `reader` may read.
    """
    ports = _open().ports
    thread = await ports.store.load(thread_id)
    if reader:
        await check_reader(ports, thread, reader)
    return thread


async def resume(
    thread_id: str,
    wait: int,
    verdict: str,
    *,
    actor: str,
    text: str = "",
    digest: str = "",
    call: CallJson | None = None,
    standing: bool = False,
) -> Thread:
    """Answer a wait for a person, as `loop.api.resume` does. Raises as it does."""
    app = _open_for(actor)
    given: dict[str, Any] = {"text": text, "digest": digest, "call": call, "standing": standing}
    thread = await api.resume(app.ports, thread_id, wait, verdict, actor=actor, **given)
    app.runner.wake(thread_id)
    return thread


async def cancel(thread_id: str, *, actor: str, reason: str = "") -> Thread:
    """End a thread, as `loop.api.cancel` does. Raises as it does."""
    app = _open_for(actor)
    thread = await api.cancel(app.ports, thread_id, actor=actor, reason=reason)
    app.runner.wake(thread_id)
    return thread


async def follow(thread_id: str, after: int = 0) -> AsyncIterator[Event]:
    """Yield the events of a thread after the one numbered `after`, then each new one.

    It does not end by itself, since a message may continue a thread that has ended: leave at
    `paused`, `finished` or `cancelled`.

    Raises:
        ThreadNotFound: there is no such thread, or it was deleted meanwhile (Forgotten).
    """
    store = _open().ports.store
    thread = await store.load(thread_id)
    while True:
        for event in thread.events[after:]:
            yield event
        after = max(after, thread.state.version)
        thread = await store.grown(thread)


def _open() -> App:
    """Return the agents as this event loop has them."""
    if found := find_shared():
        return found
    settings.load()
    return share(build(no_model))


def _open_for(actor: str) -> App:
    if not actor.strip() or actor.partition(":")[0] in _WORDS:
        raise Misconfigured(f"actor={actor!r} is empty or reserved: name a person")
    return _open()


async def _borrow(ports: Ports, connection: object) -> Ports:
    borrow = getattr(ports.store, "borrow", None)
    if borrow is None:
        raise Misconfigured("a connection of your own needs the store 'postgres'")
    store: Store = await borrow(connection)
    return replace(ports, store=redact_store(store, ports.redact))

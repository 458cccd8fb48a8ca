"""The two ways into the log besides a plain append: a fact that must get in, and a pause."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from ..log.errors import Conflict, Unavailable
from ..log.events import Event, make_event
from ..log.state import is_person
from ..log.thread import Thread
from .ports import Ports, Store

Make = Callable[[Thread], Event | Awaitable[Event]]
PATIENCE_S = 10.0
"""How long a fact waits for a store that is away; shorter than a lease."""
MAX_PAUSE_S = 10 * 365 * 86_400.0
"""The longest nap: a model may ask for one that no calendar holds."""


async def append_fact(store: Store, thread: Thread, make: Make) -> Thread:
    """Append what `make` says of the newest version, whatever happens meanwhile.

    An event whose key is in the thread already is not repeated: the store refuses it, and only
    then the log is searched. `make` may raise to refuse.

    Raises:
        Unavailable: the store stayed away; whether the fact got in is unknown.
    """
    clock, stale = asyncio.get_running_loop(), False
    deadline = clock.time() + PATIENCE_S
    while True:
        try:
            thread = await store.load(thread.id) if stale else thread
            made = make(thread)
            made = made if isinstance(made, Event) else await made
            return thread if stale and thread.has(made.key) else await store.append(thread, made)
        except Conflict:
            stale = True
        except Unavailable:
            if clock.time() > deadline:
                raise
            await asyncio.sleep(0.1)


async def pause(
    ports: Ports,
    thread: Thread,
    kind: str,
    text: str,
    audience: tuple[str, ...],
    expires_s: float | None = None,
    **data: Any,
) -> Thread:
    """Open the wait that is the next event; who may answer is frozen with it."""
    data |= await compute_expiry(ports.store, expires_s)
    asked = make_event(
        "paused", kind=kind, text=text, audience=resolve_audience(thread, audience), **data
    )
    return await ports.store.append(thread, asked)


async def compute_expiry(store: Store, expires_s: float | None) -> dict[str, str]:
    """Return what a wait says of its end, by the store's clock."""
    if expires_s is None:
        return {}
    pause = timedelta(seconds=min(max(0.0, expires_s), MAX_PAUSE_S))
    return {"expires_at": (await store.now() + pause).isoformat()}


def resolve_audience(thread: Thread, audience: tuple[str, ...]) -> list[str]:
    """Return an audience with `owner` as the name of who started the thread."""
    return sorted({thread.state.owner if name == "owner" else name for name in audience})


def resolve_responsible(thread: Thread) -> tuple[str, ...]:
    """Return who decides where nobody is named: whoever started the thread, if that is a person."""
    return (thread.state.owner,) if is_person(thread.state.owner) else ("anyone",)

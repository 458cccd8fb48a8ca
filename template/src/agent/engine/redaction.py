"""Applies `Application(redact=…)` to everything that is stored."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from .log.errors import RedactionFailed
from .log.events import Event, make_safe
from .log.thread import Thread
from .loop.store import Store

S = TypeVar("S", bound=Store)
Redact = Callable[[str], str]

TYPES = frozenset("message tool_finished tool_failed invalid_step resumed cancelled rated".split())
"""Events with messages, tool results and errors. Calls stay as they are: tools need them."""
_KEPT = ("call", "wait", "step", "start", "verdict", "standing", "reply_to", "agent", "source")
"""Fields that the engine interprets, which are never redacted."""
_FIELDS = {"paused": ("text", "problem", "error"), "delivered": ("error",)}
"""The only fields that are redacted in other events."""

log = logging.getLogger(__name__)


def guard_redact(redact: Redact) -> Redact:
    """Return `redact` with every error raised as RedactionFailed, and its result made safe."""

    def guarded(text: str) -> str:
        try:
            return str(make_safe(str(redact(text))))
        except Exception as error:
            log.exception("`redact` failed")
            why = f"`redact` failed ({type(error).__name__}); nothing was stored"
            raise RedactionFailed(why) from error

    return guarded


def redact_store(store: S, redact: Redact) -> S:
    """Pass every text through `redact` before it is stored; return the store."""
    append, release = store.append, store.release

    async def append_redacted(thread: Thread, *events: Event) -> Thread:
        return await append(thread, *(redact_event(event, redact) for event in events))

    async def release_redacted(
        holder: str, thread: Thread, wake_at: datetime | None, attempts: int, problem: str = ""
    ) -> None:
        try:
            shown = redact(problem) if problem else ""
        except RedactionFailed as error:
            shown = str(error)
        await release(holder, thread, wake_at, attempts, shown)

    # It stays the same store.
    store.append = append_redacted  # type: ignore[method-assign]
    store.release = release_redacted  # type: ignore[method-assign]
    return store


def redact_event(event: Event, redact: Redact) -> Event:
    """Return the event with its texts redacted. Raises RedactionFailed."""
    if event.type in TYPES:
        chosen = [name for name in event.data if name not in _KEPT]
    else:
        chosen = [name for name in _FIELDS.get(event.type, ()) if name in event.data]
    if not chosen:
        return event
    texts = {name: _redact(event.data[name], redact) for name in chosen}
    return replace(event, data=event.data | texts)


def _redact(value: Any, redact: Redact) -> Any:
    match value:
        case str():
            return redact(value)
        case list():
            return [_redact(each, redact) for each in value]
        case dict():
            return {_redact(name, redact): _redact(item, redact) for name, item in value.items()}
    return value

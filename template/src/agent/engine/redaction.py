"""Applies `Application(redact=…)` to events before they are stored."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from .log.errors import Unavailable
from .log.events import Event, make_safe
from .log.thread import Thread
from .loop.store import Store

S = TypeVar("S", bound=Store)
Redact = Callable[[str], str]

TYPES = frozenset("message tool_finished tool_failed invalid_step resumed cancelled rated".split())
"""Events with messages, tool results and errors. Calls stay as they are: tools need them."""
_KEPT = ("call", "wait", "step", "start", "verdict", "standing", "reply_to", "agent", "source")
"""Fields that the engine interprets, which are never redacted."""

log = logging.getLogger(__name__)


def redact_store(store: S, redact: Redact) -> S:
    """Pass every text through `redact` before it is appended to `store`; return the store."""
    append = store.append

    async def append_redacted(thread: Thread, *events: Event) -> Thread:
        return await append(thread, *(_redact_event(event, redact) for event in events))

    store.append = append_redacted  # type: ignore[method-assign]  # it stays the same store
    return store


def _redact_event(event: Event, redact: Redact) -> Event:
    """Return the event with its texts redacted.

    Raises:
        Unavailable: `redact` failed, so the event must not be stored.
    """
    if event.type not in TYPES:
        return event
    try:
        data = {
            name: value if name in _KEPT else _redact(value, redact)
            for name, value in event.data.items()
        }
    except Exception as error:
        log.exception("`redact` failed")
        raise Unavailable(
            f"`redact` failed ({type(error).__name__}); nothing was stored"
        ) from error
    return replace(event, data=data)


def _redact(value: Any, redact: Redact) -> Any:
    match value:
        case str():
            return make_safe(str(redact(value)))
        case list():
            return [_redact(each, redact) for each in value]
        case dict():
            return {
                str(_redact(name, redact)): _redact(item, redact) for name, item in value.items()
            }
    return value

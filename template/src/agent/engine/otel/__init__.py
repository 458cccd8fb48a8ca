"""Exports the events that are appended to a store as OpenTelemetry spans.

`spans.py` says which spans there are. The SDK is imported only if an endpoint is set, and exports
from a thread of its own: a collector that is slow or unreachable costs spans, never an append.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from ..log.errors import Misconfigured
from ..log.events import Event
from ..log.thread import Thread
from ..loop.store import Store
from ..settings import optional
from .spans import Span, derive_spans

S = TypeVar("S", bound=Store)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def trace_store(store: S, models: Mapping[str, str]) -> S:
    """Export the spans of what is appended to `store`, if an endpoint is set; return the store.

    `models` are those of the agents, by name, with the default agent first. Spans wait in a queue,
    and are sent when the process ends at the latest. Raises Misconfigured.
    """
    endpoint = next(filter(None, map(optional, ENDPOINTS)), "")
    if not endpoint:
        return store
    if not endpoint.startswith(("http://", "https://")):
        example = "http://localhost:4318"
        raise Misconfigured(f"{endpoint!r} is not an OTLP endpoint such as {example}")
    from .sdk import OtelSpans  # slow to import

    return emit_spans(store, OtelSpans.to_collector(models))


def emit_spans(store: S, emit: Callable[[Span], None]) -> S:
    """Pass the spans of what is appended to `store` to `emit`; return the store."""
    append = store.append

    async def append_and_emit(thread: Thread, *events: Event) -> Thread:
        grown = await append(thread, *events)
        # The events of a fork were emitted when they were appended to its origin.
        if not any(event.type == "forked" for event in events):
            for event in grown.events[thread.state.version :]:
                for span in derive_spans(grown, event):
                    emit(span)
        return grown

    store.append = append_and_emit  # type: ignore[method-assign]  # it stays the same store
    return store

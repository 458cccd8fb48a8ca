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
from ..watch import watch_appends
from .spans import Span, derive_spans

S = TypeVar("S", bound=Store)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def trace_store(store: S, models: Mapping[str, str]) -> S:
    """Export the spans of what is appended to `store`, if an endpoint is set; return the store.

    `models` are those of the agents, by name, with the default agent first. Spans wait in a queue,
    and are sent when the process ends at the latest. Raises Misconfigured.
    """
    name = next(filter(optional, ENDPOINTS), "")
    if not name:
        return store
    endpoint = optional(name)
    if not endpoint.startswith(("http://", "https://")):
        example = "http://localhost:4318"
        raise Misconfigured(f"{name} is not an OTLP endpoint such as {example}")
    from .sdk import OtelSpans  # slow to import

    return emit_spans(store, OtelSpans.to_collector(models))


def emit_spans(store: S, emit: Callable[[Span], None]) -> S:
    """Pass the spans of what is appended to `store` to `emit`; return the store."""

    def emit_all(thread: Thread, event: Event) -> None:
        for span in derive_spans(thread, event):
            emit(span)

    return watch_appends(store, emit_all)

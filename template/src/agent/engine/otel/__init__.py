"""What is appended to a store becomes OpenTelemetry spans; nothing else knows of them.

Which ones, says `otel_spans`. The SDK is imported only where an endpoint is set, and sends from a
thread of its own: a collector that is slow or away costs spans, never an append.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from ..log.errors import Misconfigured
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Store
from ..settings import optional
from .spans import Span, spans

S = TypeVar("S", bound=Store)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def traced(store: S, models: Mapping[str, str]) -> S:
    """Send the spans of what is appended to `store`, if an endpoint is set; return the store.

    `models` are those of the agents, by name, the default agent first.

    They wait in a queue, and are sent at the latest when the process ends. Raises Misconfigured.
    """
    endpoint = next(filter(None, map(optional, ENDPOINTS)), "")
    if not endpoint:
        return store
    if not endpoint.startswith(("http://", "https://")):
        raise Misconfigured(f"{endpoint!r} is no OTLP endpoint; write http://localhost:4318")
    from .sdk import OtelSpans  # slow to import

    return observed(store, OtelSpans.to_collector(models))


def observed(store: S, emit: Callable[[Span], None]) -> S:
    """Give `emit` the spans of what is appended to `store`; return the store."""
    append = store.append

    async def observed_append(thread: Thread, *events: Event) -> Thread:
        grown = await append(thread, *events)
        if not any(event.type == "forked" for event in events):  # the origin told the others
            for event in grown.events[thread.state.version :]:
                for span in spans(grown, event):
                    emit(span)
        return grown

    store.append = observed_append  # type: ignore[method-assign]  # it stays the store it is
    return store

"""Spans of the log as spans of the OpenTelemetry SDK, in its queue and out over OTLP/HTTP.

The SDK reads the standard variables: endpoint, headers and timeout, `OTEL_SERVICE_NAME`, the sizes
of its queue, the sampler. Errors of the export are logged by it, and end there.
"""

import atexit
import threading
from collections.abc import Callable, Mapping
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ..log.events import Event
from .spans import Span, Turn

PROVIDERS = {"gemini": "gcp.gemini"}
"""Those that the conventions call by another name than `MODEL` does."""
AT_EXIT_S = 2.0
"""How long the end of a process waits for a collector to take the last spans."""


class OtelSpans(IdGenerator):
    """Emits spans, with the ids they say they have."""

    def __init__(self, models: Mapping[str, str], processor: SpanProcessor) -> None:
        self._models = models
        tracers = TracerProvider(id_generator=self, shutdown_on_exit=False)
        tracers.add_span_processor(processor)
        self._tracer = tracers.get_tracer("agent")
        self._span: Span

    @classmethod
    def to_collector(cls, models: Mapping[str, str]) -> Self:
        processor = BatchSpanProcessor(OTLPSpanExporter())
        _at_exit(processor.shutdown)
        return cls(models, processor)

    def generate_trace_id(self) -> int:
        return self._span.turn.trace_id

    def generate_span_id(self) -> int:
        return self._span.id

    def __call__(self, span: Span) -> None:
        self._span, chat = span, span.operation == "chat"
        subject = self._model(span)[1] if chat else span.attributes.get("gen_ai.tool.name", "")
        begun = self._tracer.start_span(
            f"{span.operation} {subject}".strip(),
            Context() if span.is_root else set_span_in_context(NonRecordingSpan(_root(span.turn))),
            SpanKind.CLIENT if chat else SpanKind.INTERNAL,
            self._attributes(span),
            [Link(_root(span.before))] if span.before else [],
            min(_ns(span.begun), _ns(span.ended)),
        )
        if span.error:
            begun.set_status(StatusCode.ERROR)
        begun.end(_ns(span.ended))

    def _model(self, span: Span) -> tuple[str, str]:
        """Return the provider of a span's agent and what it calls the model."""
        default = next(iter(self._models.values()), "")
        provider, _, model = self._models.get(span.agent, default).partition(":")
        return PROVIDERS.get(provider, provider), model

    def _attributes(self, span: Span) -> dict[str, str | int]:
        named: dict[str, str | int] = {
            "gen_ai.operation.name": span.operation,
            "gen_ai.agent.name": span.agent,
            "gen_ai.conversation.id": span.turn.thread_id,
            "agent.event": span.ended.seq,
            "error.type": span.error,
            **span.attributes,
        }
        if span.operation == "chat":
            provider, model = self._model(span)
            named |= {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
        return {name: value for name, value in named.items() if value != ""}


def _at_exit(flush: Callable[[], None]) -> None:
    """Flush when the process ends, in a thread that it need not wait for.

    The SDK would wait for as long as the exporter tries. No thread may begin at exit, so this one
    is there before.
    """
    leaving = threading.Event()

    def flush_then() -> None:
        leaving.wait()
        flush()

    def leave() -> None:
        leaving.set()
        flushing.join(AT_EXIT_S)

    flushing = threading.Thread(target=flush_then, name="otel-exit", daemon=True)
    flushing.start()
    atexit.register(leave)


def _root(turn: Turn) -> SpanContext:
    return SpanContext(turn.trace_id, turn.span_id, True, TraceFlags(TraceFlags.SAMPLED))


def _ns(event: Event) -> int:
    """Return when an event was stored, in nanoseconds since 1970."""
    at = event.at
    assert at, "a stored event has a time"
    return int(at.timestamp() * 1_000_000) * 1000

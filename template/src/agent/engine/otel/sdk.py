"""Exports the spans of the log with the OpenTelemetry SDK, through its queue and over OTLP/HTTP.

The SDK reads the standard variables: endpoint, headers and timeout, `OTEL_SERVICE_NAME`, the sizes
of its queue, the sampler. It logs errors of the export, and they go no further.
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
from .spans import Span
from .turns import Turn

PROVIDERS = {"gemini": "gcp.gemini"}
"""Providers that have another name in the conventions than in `MODEL`."""
AT_EXIT_S = 2.0
"""How long a process waits at its end until a collector has accepted the last spans."""


class OtelSpans(IdGenerator):
    """Emits spans under the ids that they bring along."""

    def __init__(self, models: Mapping[str, str], processor: SpanProcessor) -> None:
        self._models = models
        tracers = TracerProvider(id_generator=self, shutdown_on_exit=False)
        tracers.add_span_processor(processor)
        self._tracer = tracers.get_tracer("agent")
        self._span: Span

    @classmethod
    def to_collector(cls, models: Mapping[str, str]) -> Self:
        processor = BatchSpanProcessor(OTLPSpanExporter())
        _register_exit(processor.shutdown)
        return cls(models, processor)

    def generate_trace_id(self) -> int:
        return self._span.turn.trace_id

    def generate_span_id(self) -> int:
        return self._span.id

    def __call__(self, span: Span) -> None:
        self._span, chat = span, span.operation == "chat"
        subject = self._find_model(span)[1] if chat else span.attributes.get("gen_ai.tool.name", "")
        started = self._tracer.start_span(
            f"{span.operation} {subject}".strip(),
            Context()
            if span.is_root
            else set_span_in_context(NonRecordingSpan(_make_root(span.turn))),
            SpanKind.CLIENT if chat else SpanKind.INTERNAL,
            self._build_attributes(span),
            [Link(_make_root(span.previous))] if span.previous else [],
            min(_to_ns(span.first), _to_ns(span.last)),
        )
        if span.error:
            started.set_status(StatusCode.ERROR)
        started.end(_to_ns(span.last))

    def _find_model(self, span: Span) -> tuple[str, str]:
        """Return the provider of a span's agent, and the provider's name for the model."""
        default = next(iter(self._models.values()), "")
        provider, _, model = self._models.get(span.agent, default).partition(":")
        return PROVIDERS.get(provider, provider), model

    def _build_attributes(self, span: Span) -> dict[str, str | int]:
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": span.operation,
            "gen_ai.agent.name": span.agent,
            "gen_ai.conversation.id": span.turn.thread_id,
            "agent.event": span.last.seq,
            "error.type": span.error,
            **span.attributes,
        }
        if span.operation == "chat":
            provider, model = self._find_model(span)
            attributes |= {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
        return {name: value for name, value in attributes.items() if value != ""}


def _register_exit(flush: Callable[[], None]) -> None:
    """Flush when the process ends, in a thread that the process waits for only a short while.

    The SDK itself would wait as long as the exporter keeps trying. No thread can be started at
    exit, so this one is started now.
    """
    ending = threading.Event()

    def flush_at_end() -> None:
        ending.wait()
        flush()

    def end() -> None:
        ending.set()
        flushing.join(AT_EXIT_S)

    flushing = threading.Thread(target=flush_at_end, name="otel-exit", daemon=True)
    flushing.start()
    atexit.register(end)


def _make_root(turn: Turn) -> SpanContext:
    return SpanContext(turn.trace_id, turn.span_id, True, TraceFlags(TraceFlags.SAMPLED))


def _to_ns(event: Event) -> int:
    """Return when an event was stored, in nanoseconds since 1970."""
    at = event.at
    assert at, "a stored event has a time"
    return int(at.timestamp() * 1_000_000) * 1000

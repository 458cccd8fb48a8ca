"""The spans of appended events: which there are, what they hold, and how they are exported."""

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from agent.engine.log.errors import Misconfigured
from agent.engine.log.events import Event, compute_digest, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.api import fork, launch, resume
from agent.engine.loop.ports import Reply
from agent.engine.otel import ENDPOINTS, emit_spans, trace_store
from agent.engine.otel.sdk import OtelSpans
from agent.engine.otel.spans import derive_spans
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    Says,
    World,
    advance,
    build_ports,
    make_answer,
    make_delivery,
    make_failure,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    make_thread,
    store_thread,
)
from ..examples import given, st
from ..play import logs
from ..stores.contract import StoreContract

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30
CHARGE = {"intent": "charge", "amount": 500}
SECRET = "SECRET"
"""The text of every message; no span may hold it."""


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def store(clock: Clock, exporter: InMemorySpanExporter) -> MemoryStore:
    spans = OtelSpans({"test": "gemini:flash"}, SimpleSpanProcessor(exporter))
    return emit_spans(MemoryStore(clock, clock.uptime), spans)


class TestObservedStore(StoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        emit = OtelSpans({}, SimpleSpanProcessor(InMemorySpanExporter()))
        return emit_spans(MemoryStore(clock, clock.uptime), emit)


# Which spans there are


def draw_spans(thread: Thread) -> str:
    """Return each span with its first and last event, and the event that started its turn."""
    found = [span for each in thread.events for span in derive_spans(thread, each)]
    return ", ".join(
        f"{span.operation} {span.first.seq}-{span.last.seq} of {span.turn.seq}"
        + (f" after {span.previous.seq}" if span.previous else "")
        + (f" ({what})" if (what := span.error or span.attributes.get("agent.status")) else "")
        for span in found
    )


DONE = (make_step("done"), make_event("finished", message=""))
DOUBT = make_pause("in_doubt", call=CHARGE, step=2)
INVALID = make_event("invalid_step", error="", output="", tokens={})
OVERTAKEN = make_event("discarded", tokens={"input": 5})
CHARGED = (make_message(), make_step("charge"), make_start(2), make_start(2))


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(
            (make_message(), make_step("look"), make_start(2), make_result(2), *DONE),
            "chat 1-2 of 1, execute_tool 3-4 of 1, chat 4-5 of 1, invoke_agent 1-6 of 1 (finished)",
            id="one turn",
        ),
        pytest.param(
            (
                make_message(),
                make_step("x"),
                make_pause("approval"),
                make_answer(3, "approve"),
                make_start(2),
                make_result(2),
            ),
            "chat 1-2 of 1, invoke_agent 1-3 of 1 (waiting:approval), execute_tool 5-6 of 4",
            id="an answer starts another",
        ),
        pytest.param(
            (make_message(), make_pause("question"), make_delivery(2), make_message(), *DONE),
            "invoke_agent 1-2 of 1 (waiting:question), chat 4-5 of 4, "
            "invoke_agent 4-6 of 4 after 1 (finished)",
            id="a message starts another",
        ),
        pytest.param(
            (make_message(), make_pause("job"), make_message(), make_answer(2, "done"), *DONE),
            "invoke_agent 1-2 of 1 (waiting:job), chat 4-5 of 4, "
            "invoke_agent 4-6 of 4 after 1 (finished)",
            id="a message during a job does not",
        ),
        pytest.param(
            (
                make_message(),
                make_pause("limit"),
                make_answer(2, "stop"),
                make_message(),
                make_event("cancelled"),
            ),
            "invoke_agent 1-2 of 1 (waiting:limit), invoke_agent 3-3 of 3 after 1 (cancelled), "
            "invoke_agent 4-5 of 4 after 3 (cancelled)",
            id="a thread that was stopped",
        ),
        pytest.param(
            (*CHARGED, make_failure(2), make_step("gone"), make_failure(6), INVALID),
            "chat 1-2 of 1, execute_tool 4-5 of 1 (tool_failed), chat 5-6 of 1, "
            "execute_tool 6-7 of 1 (tool_failed), chat 7-8 of 1 (invalid_step)",
            id="errors",
        ),
        pytest.param(
            (*CHARGED, DOUBT, make_result(2), make_step("look")),
            "chat 1-2 of 1, execute_tool 4-5 of 1 (in_doubt), "
            "invoke_agent 1-5 of 1 (waiting:in_doubt), execute_tool 4-6 of 1, chat 6-7 of 6",
            id="a doubt, then the result after all",
        ),
        pytest.param(
            (
                *CHARGED,
                make_event("cancelled"),
                make_event("tool_finished", step=2, start=3, output=""),
            ),
            "chat 1-2 of 1, invoke_agent 1-5 of 1 (cancelled), execute_tool 3-6 of 1",
            id="a result that comes too late",
        ),
        pytest.param(
            (
                make_message(),
                make_message(),
                OVERTAKEN,
                make_event("compacted", upto=1, text="", tokens={}),
            ),
            "chat 1-3 of 1, chat 3-4 of 1",
            id="other calls of a model",
        ),
        pytest.param(
            (make_message(), make_event("compacted", upto=1, text="")), "", id="no call of a model"
        ),
        pytest.param(
            (
                make_message(),
                make_event("cancelled"),
                OVERTAKEN,
                make_message(),
                make_event("cancelled"),
            ),
            "invoke_agent 1-2 of 1 (cancelled), chat 1-3 of 1, "
            "invoke_agent 4-5 of 4 after 1 (cancelled)",
            id="a reply to a thread that was cancelled",
        ),
    ],
)
def test_a_log_becomes_spans(log: tuple[Event, ...], expected: str) -> None:
    thread = make_thread(*log)
    assert draw_spans(thread) == expected
    ids = [span.id for each in thread.events for span in derive_spans(thread, each)]
    assert len(set(ids)) == len(ids)


@given(logs())
def test_every_span_of_any_log_belongs_to_its_turn(thread: Thread) -> None:
    found = [span for each in thread.events for span in derive_spans(thread, each)]
    assert len({(span.turn, span.id) for span in found}) == len(found)
    roots = {span.turn for span in found if span.is_root}
    assert len({span.turn for span in found} - roots) <= 1  # the current one
    assert {span.previous for span in found if span.previous} <= roots
    assert all(span.first.seq <= span.last.seq for span in found)


@given(logs(), st.data())
def test_any_part_of_any_log_has_spans(thread: Thread, data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=0, max_size=len(thread.events)))
    part = make_thread(*(each for each, keep in zip(thread.events, kept, strict=False) if keep))
    for each in part.events:
        list(derive_spans(part, each))


# What a span holds


@pytest.fixture
async def run(
    store: MemoryStore, exporter: InMemorySpanExporter, world: World, clock: Clock
) -> Sequence[ReadableSpan]:
    """Return the spans of a thread: two seconds, ten minutes for an approval, one second."""
    reply = Reply(json.dumps({"next_step": CHARGE}), {"input": 9, "output": 2, "cached": 4, "x": 1})
    says = Says(replace(reply, model="flash-1"), {"intent": "done", "message": SECRET})
    ports = build_ports(store, says, world)
    await launch(ports, "t", SECRET, actor=SECRET, delivery="1", source=SECRET)
    clock.tick(2)
    waiting = await advance(ports, await store.load("t"))
    assert waiting.state.wait
    clock.tick(600)
    wait, shown = waiting.state.wait.seq, compute_digest(CHARGE)
    answered = await resume(ports, "t", wait, "approve", actor=SECRET, digest=shown, text=SECRET)
    clock.tick(1)
    await advance(ports, answered)
    return exporter.get_finished_spans()


def read_ids(context: SpanContext | None) -> tuple[int, int]:
    assert context
    return context.trace_id, context.span_id


async def test_a_turn_is_a_trace_linked_to_the_previous_one(run: Sequence[ReadableSpan]) -> None:
    assert [(span.name, span.kind) for span in run] == [
        ("chat flash", SpanKind.CLIENT),
        ("invoke_agent", SpanKind.INTERNAL),
        ("execute_tool charge", SpanKind.INTERNAL),
        ("chat flash", SpanKind.CLIENT),
        ("invoke_agent", SpanKind.INTERNAL),
    ]
    (first, second), children = [run[1], run[4]], [run[0], run[2], run[3]]
    assert [first.parent, second.parent] == [None, None]
    assert [read_ids(span.parent) for span in children] == [
        read_ids(root.context) for root in (first, second, second)
    ]
    assert [read_ids(link.context) for link in second.links] == [read_ids(first.context)]
    assert len({read_ids(span.context) for span in run}) == 5
    assert len({read_ids(span.context)[0] for span in run}) == 2


async def test_a_span_takes_as_long_as_the_log_says(run: Sequence[ReadableSpan]) -> None:
    assert [((span.end_time or 0) - (span.start_time or 0)) / 1e9 for span in run] == [
        2,
        2,
        0,
        0,
        1,
    ]
    assert run[4].end_time == 1_800_000_603_000_000_000


async def test_a_span_uses_the_names_of_the_conventions(run: Sequence[ReadableSpan]) -> None:
    chat, turn, tool = (dict(span.attributes or {}) for span in run[:3])
    common = {"gen_ai.conversation.id": "t", "gen_ai.agent.name": "test"}
    assert chat.pop("gen_ai.prompt.version")
    assert chat == common | {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "flash",
        "gen_ai.response.model": "flash-1",
        "gen_ai.output.type": "json",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "agent.event": 2,
    }
    assert turn == common | {
        "gen_ai.operation.name": "invoke_agent",
        "agent.status": "waiting:approval",
        "agent.event": 3,
    }
    assert tool == common | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "charge",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "2",
        "agent.event": 6,
    }


async def test_the_spans_of_a_parent_and_its_child_name_the_other_thread(
    store: MemoryStore, exporter: InMemorySpanExporter
) -> None:
    start = make_event("tool_started", step=2, idempotency_key="k", child="c")
    pause = make_event("paused", kind="job", text="", audience=[], step=2, start=3, child="c")
    await store_thread(store, make_message(), make_step("look", at="x"), start, pause)
    first = make_message(parent="t", owner="ana")
    await store_thread(store, first, make_event("finished", message="x"), thread_id="c")
    named = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    assert [each.get("agent.child.conversation.id") for each in named] == [None, "c", None, None]
    assert [each.get("agent.parent.conversation.id") for each in named] == [None, None, None, "t"]


async def test_a_span_holds_no_text_of_the_log(run: Sequence[ReadableSpan]) -> None:
    assert [span.name for span in run if SECRET in span.to_json()] == []


async def test_an_error_has_a_kind(store: MemoryStore, exporter: InMemorySpanExporter) -> None:
    invalid = make_event("invalid_step", error=SECRET, output=SECRET, tokens={}, model="")
    await store_thread(store, make_message(), invalid)
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "invalid_step"
    assert SECRET not in span.to_json()


async def test_a_span_that_is_emitted_twice_is_one_span(
    run: Sequence[ReadableSpan], store: MemoryStore
) -> None:
    exporter = InMemorySpanExporter()
    emit = OtelSpans({}, SimpleSpanProcessor(exporter))
    thread = await store.load("t")
    for each in thread.events:
        for span in derive_spans(thread, each):
            emit(span)
    again = exporter.get_finished_spans()
    assert [read_ids(span.context) for span in again] == [read_ids(span.context) for span in run]


def test_no_two_threads_share_an_id() -> None:
    log = (make_message(), *DONE)
    one, other = (
        {
            number
            for span in derive_spans(thread, thread.events[-1])
            for number in (span.id, span.turn.trace_id)
        }
        for thread in (make_thread(*log), make_thread(*log, thread_id="u"))
    )
    assert one.isdisjoint(other)


async def test_a_fork_emits_its_own_turns_and_is_linked_to_its_origin(
    run: Sequence[ReadableSpan], store: MemoryStore, exporter: InMemorySpanExporter, world: World
) -> None:
    exporter.clear()
    ports = build_ports(store, Says({"intent": "done", "message": ""}), world)
    version = (await store.load("t")).state.version
    forked = await fork(ports, "t", version, actor="bob", delivery="1")
    assert exporter.get_finished_spans() == ()
    await advance(ports, await store.append(forked, make_message(actor="bob")))
    chat, root = exporter.get_finished_spans()
    assert (chat.attributes or {})["gen_ai.conversation.id"] == forked.id
    assert [read_ids(link.context) for link in root.links] == [read_ids(run[4].context)]


async def test_a_clock_that_goes_back_makes_no_negative_span(
    store: MemoryStore, exporter: InMemorySpanExporter, clock: Clock
) -> None:
    thread = await store_thread(store, make_message())
    clock.tick(-60)
    await store.append(thread, make_step("look"))
    (span,) = exporter.get_finished_spans()
    assert span.start_time == span.end_time


# Where spans go


def test_without_an_endpoint_a_store_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    store = trace_store(MemoryStore(), {"test": "openai:x"})
    assert "append" not in vars(store)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_invalid_endpoint_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "localhost:4318")
    with pytest.raises(Misconfigured, match=f"{name} is not an OTLP endpoint"):
        trace_store(MemoryStore(), {"test": "openai:x"})


@dataclass
class Collector:
    """Accepts spans over OTLP/HTTP, one request at a time, and only while `free` is set."""

    port: int = 0
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        assert handler.path == "/v1/traces"
        assert handler.headers["Content-Type"] == "application/x-protobuf"
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.arrived.set()
        self.free.wait(PATIENCE_S)
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        answer = ExportTraceServiceResponse().SerializeToString()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-protobuf")
        handler.send_header("Content-Length", str(len(answer)))
        with suppress(ConnectionError):  # the agent may have exited
            handler.end_headers()
            handler.wfile.write(answer)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()


PROGRAM = """
import asyncio, sys
from agent.engine.log.events import make_event
from tests.engine.domain import advance
from agent.engine.stores.memory import MemoryStore
from agent.engine.otel import trace_store
from tests.engine.domain import Says, World, build_ports, make_message, make_result, make_step
from tests.engine.domain import store_thread

async def main():
    store = trace_store(MemoryStore(), {"test": "openai:gpt"})
    thread = await store_thread(store, make_message("SECRET"), make_step("look"), make_result(2))
    sys.stdin.readline()
    for _ in range(600):  # more than are exported at once
        thread = await store.append(thread, make_event("discarded", tokens={}))
    ports = build_ports(store, Says({"intent": "done", "message": "SECRET"}), World(sys.argv[1]))
    print((await advance(ports, thread)).state.status, flush=True)

asyncio.run(main())
"""


@contextmanager
def run_program(path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Start an agent that appends, waits for a line, appends more and prints its status."""
    variables = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
        "OTEL_SERVICE_NAME": "my-agent",
        "OTEL_BSP_SCHEDULE_DELAY": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path / "world.db")],
        env=os.environ | variables, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as started:  # fmt: skip
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.server
def test_a_collector_gets_every_span_and_delays_no_append(
    collector: Collector, tmp_path: Path
) -> None:
    with run_program(tmp_path, collector.port) as ports:
        assert ports.stdin
        assert ports.stdout
        assert collector.arrived.wait(PATIENCE_S)
        print(file=ports.stdin, flush=True)
        assert select.select([ports.stdout], [], [], PATIENCE_S)[0]
        assert ports.stdout.readline() == "finished\n"
        assert collector.requests == []
        collector.free.set()
        assert ports.wait(PATIENCE_S) == 0
    resources = [each for request in collector.requests for each in request.resource_spans]
    names = [span.name for each in resources for scope in each.scope_spans for span in scope.spans]
    assert (len(names), names.count("chat gpt"), names[-1]) == (604, 602, "invoke_agent")
    (service,) = (one for one in resources[0].resource.attributes if one.key == "service.name")
    assert service.value.string_value == "my-agent"
    assert SECRET not in str(collector.requests)


@pytest.mark.server
def test_an_unreachable_collector_costs_only_spans(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with run_program(tmp_path, port) as ports:
        assert ports.communicate("\n", timeout=PATIENCE_S)[0] == "finished\n"
    assert ports.returncode == 0


@pytest.mark.server
def test_a_collector_that_accepts_nothing_does_not_keep_the_process(
    collector: Collector, tmp_path: Path
) -> None:
    """By itself, the SDK would wait twice as long as this test does."""
    with run_program(tmp_path, collector.port) as ports:
        assert ports.communicate("\n", timeout=PATIENCE_S / 2)[0] == "finished\n"
    assert (ports.returncode, collector.requests) == (0, [])
    collector.free.set()

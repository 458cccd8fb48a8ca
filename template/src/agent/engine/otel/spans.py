"""The spans of a thread, derived from its log by OpenTelemetry's GenAI conventions.

A trace is a turn: from what started the thread to its next pause or its end, with a link to the
previous turn. Ids are derived from the thread's id and an event's number, so a span that is emitted
twice is one span. No span holds a word of a prompt, a person or a tool.

The conventions are still in development; these are the names of November 2026:
https://github.com/open-telemetry/semantic-conventions-genai
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from ..log.events import Event
from ..log.thread import Thread

TOKENS = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cached": "gen_ai.usage.cache_read.input_tokens",
}


@dataclass(frozen=True)
class Turn:
    """A trace, named by the event that started it."""

    thread_id: str
    seq: int

    @property
    def trace_id(self) -> int:
        return _make_id(16, self.thread_id, self.seq)

    @property
    def span_id(self) -> int:
        """The id of the root, whose children are all other spans of the trace."""
        return _make_id(8, self.thread_id, self.seq)


@dataclass(frozen=True)
class Span:
    """Work that one event started and another ended."""

    operation: str
    """`chat`, `execute_tool` or `invoke_agent`, the root."""
    turn: Turn
    first: Event
    last: Event
    attributes: dict[str, Any]
    error: str = ""
    """The kind of error, in one word."""
    previous: Turn | None = None
    """The turn that a root is linked to."""
    agent: str = ""
    """The thread's agent; empty for the default."""

    @property
    def is_root(self) -> bool:
        return self.operation == "invoke_agent"

    @property
    def id(self) -> int:
        return (
            self.turn.span_id if self.is_root else _make_id(8, self.turn.thread_id, self.last.seq)
        )


def derive_spans(thread: Thread, event: Event) -> Iterator[Span]:
    """Yield the spans that an event of the thread ended."""
    match event.type:
        case "step" | "invalid_step" | "discarded" | "compacted" if "tokens" in event.data:
            yield _build_chat(thread, event)
        case "tool_finished" | "tool_failed" | "paused" if step := _find_step(thread, event):
            yield _build_tool(thread, step, event)
    if _ends_turn(event):
        turn, agent = _find_turn(thread, event.seq), thread.state.agent
        first, previous = thread.event(turn.seq), _find_previous(thread, turn.seq)
        status = {"agent.status": _describe_status(event)}
        yield Span("invoke_agent", turn, first, event, status, previous=previous, agent=agent)


def _build_chat(thread: Thread, event: Event) -> Span:
    """Return the span of asking the model; as far as the log knows, the event before started it."""
    data, error = event.data, event.type if event.type == "invalid_step" else ""
    counts = (data["tokens"] or {}).items()
    attributes = {"gen_ai.output.type": "json"}
    attributes |= {TOKENS[name]: count for name, count in counts if name in TOKENS}
    names = {"gen_ai.response.model": "model", "gen_ai.prompt.version": "prompt_sha"}
    attributes |= {name: data[key] for name, key in names.items() if data.get(key)}
    # A `discarded` reply is older than the event that overtook it.
    asked = max(1, event.seq - (2 if event.type == "discarded" else 1))
    turn = _find_turn(thread, event.seq)
    agent = thread.state.agent
    return Span("chat", turn, thread.event(asked), event, attributes, error, agent=agent)


def _build_tool(thread: Thread, step: Event, event: Event) -> Span:
    """Return the span of a call; it belongs to the turn in which the call was started."""
    since = thread.events[step.seq : event.seq - 1]
    started = (each for each in since if each.type == "tool_started")
    starts = [each for each in started if _find_step(thread, each) == step]
    reported = (each for each in starts if each.seq == event.data.get("start"))
    first = next(reported, [step, *starts][-1])
    attributes = {
        "gen_ai.tool.name": step.data["call"]["intent"],
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": str(step.seq),
    }
    error = "" if event.type == "tool_finished" else event.data.get("kind", event.type)
    turn, agent = _find_turn(thread, first.seq), thread.state.agent
    return Span("execute_tool", turn, first, event, attributes, error, agent=agent)


def _find_step(thread: Thread, event: Event) -> Event | None:
    """Return the step that an event starts, ends or doubts."""
    seq = event.data.get("step", 0)
    return step if 0 < seq < event.seq and (step := thread.event(seq)).type == "step" else None


def _describe_status(event: Event) -> str:
    """Return `State.status` after the event that ended a turn."""
    if event.type == "paused":
        return f"waiting:{event.data['kind']}"
    return "finished" if event.type == "finished" else "cancelled"


def _ends_turn(event: Event) -> bool:
    stopped = event.type == "resumed" and event.data["verdict"] == "stop"
    return stopped or event.type in ("paused", "finished", "cancelled")


def _find_turn(thread: Thread, seq: int) -> Turn:
    """Return the turn of event `seq`.

    It starts with the answer to a pause, else with the first event after the pause. An event that
    only reports on the previous turn does not start one.
    """
    first = 0
    for each in map(thread.event, range(seq, 0, -1)):
        if each.type == "forked" or (first and _ends_turn(each)):
            break
        if each.type == "resumed":
            return Turn(thread.id, each.seq)
        if each.type not in ("delivered", "discarded"):
            first = each.seq
    return Turn(thread.id, first or seq)


def _find_previous(thread: Thread, seq: int) -> Turn | None:
    """Return the last turn that ended before event `seq`; in a fork it may be the origin's."""
    thread_id = thread.id
    for earlier in map(thread.event, range(seq - 1, 0, -1)):
        if _ends_turn(earlier):
            return replace(_find_turn(thread, earlier.seq), thread_id=thread_id)
        if earlier.type == "forked":
            thread_id = earlier.data["thread"]
    return None


def _make_id(size: int, *parts: object) -> int:
    digest = sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:size], "big")

"""The spans of a thread, derived from its log by OpenTelemetry's GenAI conventions.

A trace is a turn of the thread, with a link to the previous turn. Ids are derived from the thread's
id and an event's number, so a span that is emitted twice is one span. No span holds a word of a
prompt, a person or a tool.

The conventions are still in development; these are the names of November 2026:
https://github.com/open-telemetry/semantic-conventions-genai
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..log.events import Event
from ..log.thread import Thread
from .turns import Turn, ends_turn, find_previous, find_turn, make_id

TOKENS = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cached": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_creation.input_tokens",
}


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
        return self.turn.span_id if self.is_root else make_id(8, self.turn.thread_id, self.last.seq)


def derive_spans(thread: Thread, event: Event) -> Iterator[Span]:
    """Yield the spans that an event of the thread ended."""
    match event.type:
        case "step" | "invalid_step" | "discarded" | "compacted" | "consulted" if (
            "tokens" in event.data
        ):
            yield _build_chat(thread, event)
        case "tool_finished" | "tool_failed" | "paused" if step := _find_step(thread, event):
            yield _build_tool(thread, step, event)
    if ends_turn(event):
        turn, agent = find_turn(thread, event.seq), thread.state.agent
        first, previous = thread.event(turn.seq), find_previous(thread, turn.seq)
        status = {"agent.status": _describe_status(event)}
        status |= {"agent.parent.conversation.id": thread.state.parent}
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
    turn = find_turn(thread, event.seq)
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
    if child := first.data.get("child"):
        attributes["agent.child.conversation.id"] = child
    error = "" if event.type == "tool_finished" else event.data.get("kind", event.type)
    turn, agent = find_turn(thread, first.seq), thread.state.agent
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

"""The spans of a thread, read off its log, by OpenTelemetry's GenAI conventions.

A trace is a turn: from what set the thread going to its next pause or end, with a link to the
turn before. Ids are made of the thread's id and an event's number, so that a span told twice is
one span. None holds a word of a prompt, a person or a tool.

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
    """A trace, named by the event that began it."""

    thread_id: str
    seq: int

    @property
    def trace_id(self) -> int:
        return _id(16, self.thread_id, self.seq)

    @property
    def span_id(self) -> int:
        """That of the root, of which every other span of the trace is a child."""
        return _id(8, self.thread_id, self.seq)


@dataclass(frozen=True)
class Span:
    """What began with one event and was ended by another."""

    operation: str
    """`chat`, `execute_tool` or `invoke_agent`, the root."""
    turn: Turn
    begun: Event
    ended: Event
    attributes: dict[str, Any]
    error: str = ""
    """Of which kind, in one word."""
    before: Turn | None = None
    """Which a root is linked to."""
    agent: str = ""
    """The thread's; empty for the default."""

    @property
    def is_root(self) -> bool:
        return self.operation == "invoke_agent"

    @property
    def id(self) -> int:
        return self.turn.span_id if self.is_root else _id(8, self.turn.thread_id, self.ended.seq)


def spans(thread: Thread, event: Event) -> Iterator[Span]:
    """Yield the spans that an event of the thread ended."""
    match event.type:
        case "step" | "invalid_step" | "discarded" | "compacted" if "tokens" in event.data:
            yield _chat(thread, event)
        case "tool_finished" | "tool_failed" | "paused" if step := _step(thread, event):
            yield _tool(thread, step, event)
    if _ends_a_turn(event):
        turn, agent = _turn(thread, event.seq), thread.state.agent
        begun, before = thread.event(turn.seq), _before(thread, turn.seq)
        status = {"agent.status": _status(event)}
        yield Span("invoke_agent", turn, begun, event, status, before=before, agent=agent)


def _chat(thread: Thread, event: Event) -> Span:
    """The model's call began, as far as the log knows, with the event before."""
    data, error = event.data, event.type if event.type == "invalid_step" else ""
    counts = (data["tokens"] or {}).items()
    attributes = {"gen_ai.output.type": "json"}
    attributes |= {TOKENS[name]: count for name, count in counts if name in TOKENS}
    named = {"gen_ai.response.model": "model", "gen_ai.prompt.version": "prompt_sha"}
    attributes |= {name: data[key] for name, key in named.items() if data.get(key)}
    # A `discarded` reply is older than what overtook it.
    asked = max(1, event.seq - (2 if event.type == "discarded" else 1))
    turn = _turn(thread, event.seq)
    agent = thread.state.agent
    return Span("chat", turn, thread.event(asked), event, attributes, error, agent=agent)


def _tool(thread: Thread, step: Event, event: Event) -> Span:
    """A call belongs to the turn in which it was started, however late its outcome is known."""
    since = thread.events[step.seq : event.seq - 1]
    starts = [each for each in since if each.type == "tool_started" and _step(thread, each) == step]
    named = (each for each in starts if each.seq == event.data.get("start"))
    begun = next(named, [step, *starts][-1])
    attributes = {
        "gen_ai.tool.name": step.data["call"]["intent"],
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": str(step.seq),
    }
    error = "" if event.type == "tool_finished" else event.data.get("kind", event.type)
    turn, agent = _turn(thread, begun.seq), thread.state.agent
    return Span("execute_tool", turn, begun, event, attributes, error, agent=agent)


def _step(thread: Thread, event: Event) -> Event | None:
    """Return the step whose start or outcome, or the doubt about it, an event is."""
    seq = event.data.get("step", 0)
    return step if 0 < seq < event.seq and (step := thread.event(seq)).type == "step" else None


def _status(event: Event) -> str:
    """Return `State.status` after the event that ended a turn."""
    if event.type == "paused":
        return f"waiting:{event.data['kind']}"
    return "finished" if event.type == "finished" else "cancelled"


def _ends_a_turn(event: Event) -> bool:
    stopped = event.type == "resumed" and event.data["verdict"] == "stop"
    return stopped or event.type in ("paused", "finished", "cancelled")


def _turn(thread: Thread, seq: int) -> Turn:
    """Return the turn of event `seq`: it began with the answer to a pause, or else with the first
    thing that happened since. What only reports on the turn before is no beginning."""
    first = 0
    for each in map(thread.event, range(seq, 0, -1)):
        if each.type == "forked" or (first and _ends_a_turn(each)):
            break
        if each.type == "resumed":
            return Turn(thread.id, each.seq)
        if each.type not in ("delivered", "discarded"):
            first = each.seq
    return Turn(thread.id, first or seq)


def _before(thread: Thread, seq: int) -> Turn | None:
    """Return the last turn that ended before event `seq`; that of the origin, if in a fork."""
    thread_id = thread.id
    for earlier in map(thread.event, range(seq - 1, 0, -1)):
        if _ends_a_turn(earlier):
            return replace(_turn(thread, earlier.seq), thread_id=thread_id)
        if earlier.type == "forked":
            thread_id = earlier.data["thread"]
    return None


def _id(size: int, *parts: object) -> int:
    digest = sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:size], "big")

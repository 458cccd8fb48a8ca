"""The log of a thread as words, one line an event."""

from datetime import datetime

from ...events import Event
from ...thread import Thread
from .words import call_line, line, value, when

Row = tuple[str, str, str, str]


def row(thread: Thread, event: Event, now: datetime) -> Row:
    """Return number, time, who and what."""
    at = when(event.at, now) if event.at else ""
    return (str(event.seq), at, event.actor, what(thread, event))


def what(thread: Thread, event: Event) -> str:
    data = event.data
    match event.type:
        case "message" if "facts" in data:
            return f"fetched beforehand: {', '.join(data['facts'])}"
        case "message":
            return f"said: {data['text']}"
        case "step":
            return f"next step: {call_line(data['call'])}"
        case "invalid_step":
            return f"said something that is no step: {data['error']}"
        case "tool_started":
            return f"started {_intent(thread, event)}"
        case "tool_finished":
            late = ", too late to count" if data.get("late") else ""
            return f"{_intent(thread, event)} returned{late}: {value(data['output'])}"
        case "tool_failed":
            return f"{_intent(thread, event)} failed: {data['error']}"
        case "paused":
            return f"waits ({data['kind']}, for {', '.join(data['audience'])}): {data['text']}"
        case "resumed":
            return _answer(thread, event)
        case _:
            return _rest(event)


def _rest(event: Event) -> str:
    data = event.data
    match event.type:
        case "delivered" if data.get("error"):
            return f"could not tell anybody of {data['ref']}: {data['error']}"
        case "delivered":
            return f"told people of {data['ref']}"
        case "finished":
            return f"done: {data['message']}"
        case "cancelled":
            return f"cancelled: {data.get('reason') or 'no reason given'}"
        case "forked":
            return f"forked from {data['thread']} at {data['seq']}"
        case "discarded":
            return "dropped a reply that a message overtook"
        case "compacted":
            return f"shortened the events up to {data['upto']}"
        case _:
            return f"{event.type}: {value(data)}"


def _answer(thread: Thread, event: Event) -> str:
    data = event.data
    said = f": {data['text']}" if data.get("text") else ""
    edited = f" to {call_line(data['call'])}" if data.get("call") else ""
    return f"{data['verdict']}{edited} ({thread.event(data['wait']).data['kind']}){said}"


def _intent(thread: Thread, event: Event) -> str:
    return str(thread.event(event.data["step"]).data["call"]["intent"])


def news(seen: Thread, event: Event, actor: str) -> tuple[str, str]:
    """Return what somebody who follows the thread wants to know of its last event, and a style.

    A call is shown when it starts: until then it may be asked about, edited or dropped.
    """
    match event.type:
        case "tool_started" if seen.state.step and seen.state.step.seq == event.data["step"]:
            again = " (again: its runner stopped)" if seen.state.step.starts > 1 else ""
            return f"  ▸ {call_line(seen.state.step.call)}{again}", "cyan"
        case "tool_finished":
            return f"    → {line(value(event.data['output']))}", ""
        case "tool_failed":
            return f"    ✗ {line(event.data['error'])}", "red"
        case "invalid_step" | "discarded" | "compacted":
            return f"  ! {line(what(seen, event))}", "yellow"
        case "message" if event.actor == actor:
            return "", ""
        case "message" | "resumed":
            return f"  · {event.actor} {line(what(seen, event))}", "dim"
        case "cancelled":
            return f"  ■ {event.actor} {line(what(seen, event))}", "red"
    return "", ""

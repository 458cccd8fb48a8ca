"""Data as words for a person: calls, times, waits, events."""

import json
import os
from datetime import datetime
from typing import Any

from ..log.events import CallJson, Event, cut
from ..log.state import OpenWait
from ..log.thread import Thread

_LONGEST = 2_000
"""Characters of one argument; `show --json` has the rest."""

_PLAIN = {
    "message": "said: {text}",
    "invalid_step": "said something that is no step: {error}",
    "delivered": "told people of {ref}",
    "finished": "done: {message}",
    "forked": "forked from {thread} at {seq}",
    "discarded": "dropped a reply that a message overtook",
    "compacted": "shortened the events up to {upto}",
}


def line(text: str, limit: int = 300) -> str:
    """Return `text` on one line, what is too long cut at its end."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def short(thread_id: str) -> str:
    """Return as much of an id as people type; commands take any unique beginning."""
    return thread_id[:8]


def command(*words: str) -> str:
    """Return a command of this program as it was started, to be copied."""
    return " ".join(["uv run agent" if "UV" in os.environ else "agent", *words])


def when(at: datetime, now: datetime) -> str:
    """Return a time as people say it: near ones by distance, others by the local clock."""
    seconds = (now - at).total_seconds()
    distance, ago = abs(seconds), "{} ago" if seconds >= 0 else "in {}"
    if distance < 10 and seconds >= 0:
        return "just now"
    if distance < 60:
        return ago.format(f"{distance:.0f} s")
    if distance < 3600:
        return ago.format(f"{distance // 60:.0f} min")
    local = at.astimezone()
    today = local.date() == now.astimezone().date()
    return f"{local:%H:%M}" if today else f"{local:%Y-%m-%d %H:%M}"


def call_line(call: CallJson) -> str:
    inner = ", ".join(part.replace(": ", "=", 1) for part in _arguments(call))
    return line(f"{call['intent']}({inner})")


def description(wait: OpenWait, actor: str, now: datetime) -> list[str]:
    """Return what a person must know to answer: a headline, then what it is about."""
    options = wait.data.get("options", {})
    urgency = options.get("urgency", "medium")
    people = " or ".join("you" if name == actor else line(name) for name in wait.audience)
    marks = [f"for {people}"]
    marks += [f"{urgency} urgency"] if urgency != "medium" else []
    marks += [f"until {when(wait.expires_at, now)}"] if wait.expires_at else []
    label = wait.kind.replace("_", " ").capitalize()
    shown = [f"{label} ({', '.join(marks)}): {line(wait.text, _LONGEST)}"]
    shown += [f"  {part}" for part in _arguments(wait.data.get("call", {}))]
    choices = options.get("choices", ())
    return shown + [f"  {place}. {line(text)}" for place, text in enumerate(choices, 1)]


def ways(thread: Thread, wait: OpenWait) -> list[str]:
    """Return the exact commands that answer a wait."""
    name = f"{short(thread.id)}:{wait.seq}"
    if wait.kind == "approval":
        first = next((field for field in wait.data["call"] if field != "intent"), "name")
        edit = command("edit", name, "--set", f"{first}=VALUE")
        return [command("approve", name), command("reject", name, "'REASON'"), edit]
    known = {
        "question": ("'TEXT'",),
        "limit": ("continue", "stop"),
        "in_doubt": ("happened", "retry", "abort"),
    }
    return [command("answer", name, word) for word in known.get(wait.kind, ("done",))]


def what(thread: Thread, event: Event) -> str:
    """Say what an event of `thread` is."""
    data = event.data
    match event.type:
        case "message" if "facts" in data:
            return f"fetched beforehand: {', '.join(data['facts']) or 'nothing'}"
        case "step":
            return f"next step: {call_line(data['call'])}"
        case "tool_started" | "tool_finished" | "tool_failed":
            return _tool(event, thread.event(data["step"]).data["call"]["intent"])
        case "paused":
            return f"waits ({data['kind']}, for {', '.join(data['audience'])}): {data['text']}"
        case "resumed":
            said = f": {data['text']}" if data.get("text") else ""
            edited = f" to {call_line(data['call'])}" if data.get("call") else ""
            return f"{data['verdict']}{edited} ({thread.event(data['wait']).data['kind']}){said}"
        case "delivered" if data.get("error"):
            return f"could not tell anybody of {data['ref']}: {data['error']}"
        case "cancelled":
            return f"cancelled: {data.get('reason') or 'no reason given'}"
    known = _PLAIN.get(event.type)
    return known.format_map(data) if known else f"{event.type}: {_value(data)}"


def news(seen: Thread, event: Event, actor: str) -> tuple[str, str]:
    """Return what somebody who follows the thread wants to know of its last event, and a style.

    A call is shown when it starts: until then it may be asked about, edited or dropped.
    """
    match event.type:
        case "tool_started" if seen.state.step and seen.state.step.seq == event.data["step"]:
            again = " (again: its runner stopped)" if seen.state.step.starts > 1 else ""
            return f"  ▸ {call_line(seen.state.step.call)}{again}", "cyan"
        case "tool_finished":
            return f"    → {line(_value(event.data['output']))}", ""
        case "tool_failed":
            return f"    ✗ {line(event.data['error'])}", "red"
        case "invalid_step" | "discarded" | "compacted":
            return f"  ! {line(what(seen, event))}", "yellow"
        case "message" if event.actor == actor or event.data.get("facts") == {}:
            return "", ""
        case "message" | "resumed":
            return f"  · {event.actor} {line(what(seen, event))}", "dim"
        case "cancelled":
            return f"  ■ {event.actor} {line(what(seen, event))}", "red"
    return "", ""


def _tool(event: Event, intent: str) -> str:
    if event.type == "tool_started":
        return f"started {intent}"
    if event.type == "tool_failed":
        return f"{intent} failed: {event.data['error']}"
    late = ", too late to count" if event.data.get("late") else ""
    return f"{intent} returned{late}: {_value(event.data['output'])}"


def _arguments(call: CallJson) -> list[str]:
    """Return one line an argument, its value as JSON: exact, and quoted."""
    return [
        f"{name}: {cut(json.dumps(item, ensure_ascii=False), _LONGEST)}"
        for name, item in call.items()
        if name != "intent"
    ]


def _value(data: Any) -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return cut(text, _LONGEST)

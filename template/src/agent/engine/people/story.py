"""The log of a thread as a conversation: one line an event, in words for people."""

import json
from dataclasses import dataclass
from typing import Any

from ..log.events import CallJson, Event, cut
from ..log.thread import Thread

LINES = 100
"""Events on one page."""
LONGEST = 4_000
"""Characters of one text; the page of the event has the rest."""
_FOLDED = 600
"""Characters from which on a text is shown only when asked for."""

_DONE = {
    "answer": "answered",
    "approve": "approved",
    "reject": "rejected",
    "edit": "approved with changes",
    "done": "said it is done",
    "continue": "said to go on",
    "stop": "stopped it",
    "happened": "said it happened",
    "retry": "said to run it again",
    "abort": "gave it up",
    "expired": "closed it: nobody answered in time",
}


@dataclass(frozen=True)
class Line:
    event: Event
    look: str
    """Its class in the style sheet: said, call, result, error, asked, answer or quiet."""
    who: str
    says: str = ""
    """Goes on after `who`."""
    text: str = ""
    call: CallJson | None = None

    @property
    def folded(self) -> bool:
        return len(self.text) > _FOLDED or self.text.count("\n") > 11


def title(thread: Thread) -> str:
    """Return how a thread began, on one line."""
    for past in thread.events:
        if past.type == "message" and "text" in past.data:
            words = " ".join(past.data["text"].split())
            return words if len(words) <= 120 else f"{words[:119]}…"
    return thread.id


def lines(thread: Thread, before: int | None = None) -> list[Line]:
    """Return the last lines of a thread, or the last of those before an event."""
    upto = len(thread.events) if before is None else max(0, min(before - 1, len(thread.events)))
    answers = {past.data["wait"]: past for past in thread.events if past.type == "resumed"}
    return [_line(thread, past, answers) for past in thread.events[max(0, upto - LINES) : upto]]


def written(value: Any) -> str:
    """Return data as text: JSON, on one line where it fits."""
    if isinstance(value, str):
        return value
    flat = json.dumps(value, ensure_ascii=False)
    return flat if len(flat) <= 100 else json.dumps(value, ensure_ascii=False, indent=2)


def short(value: Any) -> str:
    return cut(written(value), LONGEST)


def call_line(call: CallJson) -> str:
    """Return a call as people write it, for a place where it need not be whole."""
    given = (
        f"{name}={cut(json.dumps(value, ensure_ascii=False), 200)}"
        for name, value in call.items()
        if name != "intent"
    )
    return f"{call['intent']}({', '.join(given)})"


def _line(thread: Thread, event: Event, answers: dict[int, Event]) -> Line:
    data, who = event.data, event.actor
    match event.type:
        case "message" if "facts" in data:
            names = ", ".join(data["facts"]) or "nothing"
            return Line(event, "quiet", who, f"fetched beforehand: {names}", written(data["facts"]))
        case "message":
            return Line(event, "said", who, f"via {data.get('source', 'user')}", data["text"])
        case "step":
            return Line(event, "call", who, "chose", call=data["call"])
        case "tool_started" | "tool_finished" | "tool_failed":
            return _tool(thread, event)
        case "paused":
            return _asked(thread, event, answers)
        case "resumed":
            done = _DONE.get(data["verdict"], data["verdict"])
            return Line(event, "answer", who, done, data.get("text", ""), data.get("call"))
        case "finished":
            return Line(event, "said", who, "is done", data["message"])
        case "invalid_step" | "cancelled":
            return Line(event, "error", who, *_plain(event))
    wrong = event.type == "delivered" and data.get("error")
    return Line(event, "error" if wrong else "quiet", who, *_plain(event))


def _plain(event: Event) -> tuple[str, str]:
    data = event.data
    match event.type:
        case "invalid_step":
            return "said something that is no step", f"{data['error']}\n\n{data['output']}"
        case "cancelled":
            return "cancelled the thread", data.get("reason", "")
        case "delivered" if data.get("error"):
            return f"could not tell anybody of {data['ref']}", data["error"]
        case "delivered":
            return f"told people of {data['ref']}", ""
        case "forked":
            return f"forked this from {data['thread']} at {data['seq']}", ""
        case "discarded":
            return "dropped a reply that a message overtook", ""
        case "compacted":
            return f"told the events up to {data['upto']} in short", data["text"]
    return event.type, written(data)


def _asked(thread: Thread, event: Event, answers: dict[int, Event]) -> Line:
    wait, ended = thread.state.wait, "; what came next closed it"
    if wait and wait.seq == event.seq:
        ended = ""
    elif answer := answers.get(event.seq):
        verdict = answer.data["verdict"]
        ended = f"; {answer.actor} {_DONE.get(verdict, verdict)}"
    text = event.data.get("text", "") if ended else ""  # an open one stands in its form
    says = f"asked {' or '.join(event.data.get('audience', ()))}{ended}"
    return Line(event, "asked", event.actor, says, text)


def _tool(thread: Thread, event: Event) -> Line:
    data, step = event.data, event.data["step"]
    intent = thread.event(step).data["call"]["intent"]
    late = ", too late to count" if data.get("late") else ""
    match event.type:
        case "tool_started":
            since = thread.events[step : event.seq - 1]
            again = any(past.type == "tool_started" for past in since)
            says = f"started {intent}{' again: its runner stopped' if again else ''}"
            return Line(event, "quiet", event.actor, says)
        case "tool_finished":
            return Line(event, "result", intent, f"returned{late}", written(data["output"]))
    unsure = "" if data.get("definite") else ", outcome unknown"
    return Line(event, "error", intent, f"failed{late}{unsure}", data["error"])

"""A wait as people are shown it, in the same words on every channel.

What a person approves is what they were shown: all of the call, in order, one line a value, each
value quoted so that none can look like a line or a name, and no character that cannot be seen. A
channel that has no room for it links to the page of the wait instead of offering to approve.
"""

import re
from typing import Any

from ..characters import clean, quote
from ..log.events import CallJson
from ..log.state import OpenWait
from .words import shorten

KINDS = {
    "question": "Question",
    "approval": "Approval",
    "job": "Waiting for a result",
    "timer": "Waiting",
    "limit": "Limit reached",
    "in_doubt": "Outcome unknown",
}
"""What a wait of each kind is called."""

BUTTONS = {
    "approve": "Approve and run",
    "reject": "Reject",
    "edit": "Edit",
    "answer": "Answer",
    "continue": "Go on",
    "stop": "Stop here",
    "happened": "It went through",
    "retry": "It did not go through: run it again",
    "abort": "Give up",
    "done": "It is done",
    "failed": "It failed",
}
"""What each verdict says on a button."""

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def write_call(call: CallJson) -> list[str]:
    """Return all of a call, a line each: the intent, then every argument as `name: JSON`.

    `json.loads` reads exactly the value back from what is after the colon.
    """
    given = [
        f"{write_name(name)}: {quote(item)}" for name, item in call.items() if name != "intent"
    ]
    return [write_name(str(call["intent"])), *given]


def write_name(name: str) -> str:
    """Return a name as it is if it can only be read as one, else quoted."""
    return name if _PLAIN.fullmatch(name) else quote(name)


def list_changes(before: CallJson, after: CallJson) -> list[str]:
    """Return the names of the arguments that an edit changed, in the order of the call."""
    names = [*after, *(name for name in before if name not in after)]
    return [name for name in names if _quote_argument(before, name) != _quote_argument(after, name)]


def _quote_argument(call: CallJson, name: str) -> str:
    """Return an argument as it is shown, "" where the call lacks it: == takes True for 1."""
    return quote(call[name]) if name in call else ""


def title_wait(data: dict[str, Any]) -> str:
    """Return what is asked; above a call on one line, so that it cannot look like a part of it."""
    text = str(data.get("text", ""))
    return shorten(clean(text), 1_200) if "call" in data else clean(text)


RELEASES = "other threads that stopped for this reason will continue, too"


def list_facts(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what else one has to know to decide, by its name: the data of a `paused` event."""
    known = {"error": "Last error", "idempotency_key": "Idempotency key"}
    facts = [
        (name, shorten(clean(str(data[key])), 1_000))
        for key, name in known.items()
        if data.get(key)
    ]
    return [*facts, ("Note", RELEASES)] if data.get("cause") else facts


def format_scope(data: dict[str, Any]) -> str:
    """Return which later calls could be approved together with this one; "" for none."""
    values = data.get("standing")
    if not values:
        return ""
    same = ", ".join(f"{write_name(name)}: {quote(value)}" for name, value in values.items())
    return f"every {write_name(data['call']['intent'])} with {same}"


def format_audience(audience: tuple[str, ...] | list[str], reader: str = "") -> str:
    """Return who may answer, the reader as "you"."""
    names = ["you" if name == reader else shorten(clean(name)) for name in audience]
    return " or ".join(sorted(names, key=lambda name: name != "you"))


def explain_message(wait: OpenWait | None, reader: str) -> str:
    """Say what a message would do while a wait is open, if this person writes it."""
    match wait.kind if wait else "":
        case "question" if wait and wait.admits(reader):
            return "A message answers the question."
        case "question" if wait:
            others = format_audience(wait.audience)
            return f"The question is for {others}. The agent reads a message after the answer."
        case "approval":
            return "A message withdraws the request: the agent reads it and decides again."
        case "limit":
            return "A message lets the agent go on, with what you write."
        case "timer":
            return "A message ends the waiting."
        case "job" if wait and "child" in wait.data:
            return "A message answers a question of the agent it waits for, or is read afterwards."
        case "job" | "in_doubt":
            return "The agent reads a message once this is answered."
    return ""

"""The log of a thread as the lines of a page: how each looks, and what of it is folded."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ..log.events import CallJson, Event, cut
from ..log.thread import Thread
from ..people.words import describe_event, format_value
from .records import Table, make_table

LINES = 100
"""Events on one page."""
WIDTH = 100
"""Characters from which on data is indented."""
LONGEST = 4_000
"""Characters of one text or call; the page of the event has the rest."""
_FOLDED = 600
"""Characters from which on a text is shown only on request."""

_LOOKS = {
    "message": "said",
    "step": "call",
    "invalid_step": "error",
    "tool_finished": "result",
    "tool_failed": "error",
    "paused": "asked",
    "resumed": "answer",
    "finished": "final",
    "cancelled": "error",
}
_NOTICES = frozenset("tool_started delivered discarded reminded rated compacted".split())
"""Events of the machine, which few people want to read."""


@dataclass(frozen=True)
class Line:
    event: Event
    look: str
    """Its class in the style sheet: said, call, result, error, asked, answer, final or quiet."""
    who: str
    did: str
    text: str = ""
    call: CallJson | None = None
    tables: tuple[Table, ...] = ()
    is_notice: bool = False
    rating: str = ""
    """What the reader said of a step last."""

    @property
    def folded(self) -> bool:
        return len(self.text) > _FOLDED or self.text.count("\n") > 11

    @property
    def call_size(self) -> int:
        """Characters of the call."""
        return len(format_value(self.call)) if self.call else 0


@dataclass(frozen=True)
class Group:
    """Lines that follow each other: notices, which are folded into one line, or the others."""

    is_notice: bool
    lines: list[Line]

    @property
    def summary(self) -> str:
        return " · ".join(f"{line.who} {line.did}" for line in self.lines)


def list_groups(thread: Thread, reader: str, before: int | None = None) -> list[Group]:
    """Return the last lines of a thread, or the last of those before an event."""
    lines = list_lines(thread, reader, before)
    return [Group(kind, list(same)) for kind, same in groupby(lines, lambda line: line.is_notice)]


def list_lines(thread: Thread, reader: str, before: int | None = None) -> list[Line]:
    upto = len(thread.events) if before is None else max(0, min(before - 1, len(thread.events)))
    closed = {past.data["wait"] for past in thread.events if past.type == "resumed"}
    ratings = {
        past.data.get("step"): str(past.data.get("rating", ""))
        for past in thread.events
        if past.type == "rated" and past.actor == reader
    }
    shown = thread.events[max(0, upto - LINES) : upto]
    return [_make_line(thread, past, closed, ratings.get(past.seq, "")) for past in shown]


def format_short(value: Any) -> str:
    return cut(format_value(value, WIDTH), LONGEST)


def _make_line(thread: Thread, event: Event, closed: set[int], rating: str) -> Line:
    said = describe_event(thread, event)
    parts = [part for part in (said.about, said.more) if part]
    tables = tuple(table for part in parts if (table := make_table(part)))
    texts = (format_value(part, WIDTH) for part in parts if not make_table(part))
    open_wait = thread.state.wait.seq if thread.state.wait else 0
    over = event.type == "paused" and event.seq != open_wait and event.seq not in closed
    did = f"{said.did}; closed without an answer" if over else said.did
    look, notice = _choose_look(event), _is_notice(thread, event)
    text = "\n\n".join(texts)
    return Line(event, look, said.who, did, text, said.call, tables, notice, rating)


def _choose_look(event: Event) -> str:
    if event.type == "delivered" and event.data.get("error"):
        return "error"
    return "quiet" if "facts" in event.data else _LOOKS.get(event.type, "quiet")


def _is_notice(thread: Thread, event: Event) -> bool:
    match event.type:
        case "delivered":
            return not event.data.get("error")
        case "message":
            return "facts" in event.data and "prefetch_error" not in event.data["facts"]
        case "paused":
            return bool(event.data["kind"] == "timer")
        case "resumed":
            wait = event.data["wait"]
            asked = thread.event(wait).data if 0 < wait <= len(thread.events) else {}
            return event.actor == "system" and asked.get("kind") == "timer"
    return event.type in _NOTICES

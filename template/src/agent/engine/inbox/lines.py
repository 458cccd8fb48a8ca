"""The log of a thread as the lines of a page: how each looks, and what of it is folded."""

from dataclasses import dataclass
from typing import Any

from ..log.events import CallJson, Event, cut
from ..log.thread import Thread
from ..people.words import describe_event, format_value

LINES = 100
"""Events on one page."""
WIDTH = 100
"""Characters from which on data is indented."""
LONGEST = 4_000
"""Characters of one text; the page of the event has the rest."""
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
    "finished": "said",
    "cancelled": "error",
}


@dataclass(frozen=True)
class Line:
    event: Event
    look: str
    """Its class in the style sheet: said, call, result, error, asked, answer or quiet."""
    who: str
    did: str
    text: str = ""
    call: CallJson | None = None

    @property
    def folded(self) -> bool:
        return len(self.text) > _FOLDED or self.text.count("\n") > 11


def list_lines(thread: Thread, before: int | None = None) -> list[Line]:
    """Return the last lines of a thread, or the last of those before an event."""
    upto = len(thread.events) if before is None else max(0, min(before - 1, len(thread.events)))
    answers = {past.data["wait"]: past for past in thread.events if past.type == "resumed"}
    return [
        _make_line(thread, past, answers) for past in thread.events[max(0, upto - LINES) : upto]
    ]


def format_short(value: Any) -> str:
    return cut(format_value(value, WIDTH), LONGEST)


def _make_line(thread: Thread, event: Event, answers: dict[int, Event]) -> Line:
    said = describe_event(thread, event)
    texts = (format_value(part, WIDTH) for part in (said.about, said.more) if part)
    did, text = said.did, "\n\n".join(texts)
    if event.type == "paused":
        did, text = _add_ending(thread, event, answers, did, text)
    return Line(event, _choose_look(event), said.who, did, text, said.call)


def _add_ending(
    thread: Thread, event: Event, answers: dict[int, Event], did: str, text: str
) -> tuple[str, str]:
    """Say how a wait was closed; the text of an open one stands in its form."""
    if thread.state.wait and thread.state.wait.seq == event.seq:
        return did, ""
    if event.seq not in answers:
        return f"{did}; closed without an answer", text
    answer = describe_event(thread, answers[event.seq])
    return f"{did}; {answer.who} {answer.did}", text


def _choose_look(event: Event) -> str:
    if event.type == "delivered" and event.data.get("error"):
        return "error"
    return "quiet" if "facts" in event.data else _LOOKS.get(event.type, "quiet")

"""An open wait as a form, and the answer in it."""

from dataclasses import dataclass
from typing import Any, Self

from ..log.errors import Refused
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop import api
from ..loop.ports import Ports
from ..loop.verdicts import find_open_wait
from . import edits
from .wire import MAX_TEXT

_WAYS = {
    "limit": (("continue", "Go on"), ("stop", "Stop here")),
    "in_doubt": (
        ("happened", "It happened"),
        ("retry", "It did not: run it again"),
        ("abort", "Give it up"),
    ),
    "job": (("done", "It is done"),),
    "timer": (("done", "Go on now"),),
}
_HINTS = {
    "question": "It answers the question above.",
    "approval": "It takes the question above back: the agent reads it and decides again.",
    "limit": "It counts as leave to go on.",
    "timer": "It ends the waiting.",
    "job": "It is read once the question above is answered.",
    "in_doubt": "It is read once the question above is answered.",
}


def find_urgency(wait: OpenWait) -> str:
    given = (wait.data.get("options") or {}).get("urgency")
    return given if given in ("high", "low") else "medium"


@dataclass(frozen=True)
class Form:
    wait: OpenWait
    mine: bool
    """Who looks at it may answer."""
    urgency: str
    choices: tuple[str, ...]
    """Answers to a question; it may be answered in other words too."""
    ways: tuple[tuple[str, str], ...]
    """Verdicts that need nothing else, and how they read."""
    fields: list[edits.Field]
    """The arguments of a call, to be changed."""
    hint: str
    """What a message would do now."""

    @classmethod
    def of(
        cls, ports: Ports, thread: Thread, wait: OpenWait, name: str, typed: dict[str, str]
    ) -> Self:
        """Make the form of a wait, with what was `typed` into it before."""
        edit = wait.kind == "approval" and typed.get("wait") == str(wait.seq)
        call, before = wait.data.get("call"), typed if edit else {}
        return cls(
            wait,
            mine=wait.admits(name),
            urgency=find_urgency(wait),
            choices=_list_choices(wait),
            ways=_WAYS.get(wait.kind, ()),
            fields=edits.list_fields(_find_schema(ports, thread), call, before) if call else [],
            hint=_HINTS.get(wait.kind, ""),
        )


async def give_answer(ports: Ports, thread: Thread, name: str, fields: dict[str, str]) -> None:
    """Close the wait that the form was about. Raises Refused."""
    verdict, seq = fields.get("do", ""), fields.get("wait", "")
    wait = find_open_wait(thread, int(seq) if seq.isdecimal() and len(seq) < 10 else 0)
    text = _join_answer(wait, fields)
    if len(text) > MAX_TEXT:
        raise Refused(f"an answer has at most {MAX_TEXT} characters")
    if not text and verdict in ("answer", "reject"):
        raise Refused(f"to {verdict}, write something: the agent reads it")
    shown = wait.data.get("call") if verdict == "edit" else None
    call = edits.apply_edit(_find_schema(ports, thread), shown, fields) if shown else None
    digest = fields.get("digest", "")
    given: dict[str, Any] = {"actor": name, "text": text, "digest": digest}
    await api.resume(ports, thread.id, wait.seq, verdict, call=call, **given)


def is_given(thread: Thread, name: str, fields: dict[str, str]) -> bool:
    """Say whether this person gave this very answer before: a button was pressed twice."""
    return any(
        past.type == "resumed"
        and past.actor == name
        and (str(past.data["wait"]), past.data["verdict"]) == (fields.get("wait"), fields.get("do"))
        for past in thread.events
    )


def _find_schema(ports: Ports, thread: Thread) -> edits.Schema:
    """Return the schema of the steps of a thread's agent; an empty one where it is gone."""
    agent = ports.find_agent(thread)
    return agent.steps.schema if agent else {}


def _list_choices(wait: OpenWait) -> tuple[str, ...]:
    options = wait.data.get("options") or {}
    match options.get("format"):
        case "yes_no":
            return ("yes", "no")
        case "multiple_choice":
            return tuple(map(str, options.get("choices", ())))
    return ()


def _join_answer(wait: OpenWait, fields: dict[str, str]) -> str:
    """Return the choice and what was said beside it."""
    choices = dict(zip(map(str, range(len(_list_choices(wait)))), _list_choices(wait), strict=True))
    said = (choices.get(fields.get("choice", ""), ""), fields.get("text", "").strip())
    return "\n".join(filter(None, said))

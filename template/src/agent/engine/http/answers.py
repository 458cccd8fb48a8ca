"""An open wait as a form, and the answer in it.

A form carries its wait and the digest of what it showed; the answer to any other is refused.
"""

from dataclasses import dataclass
from typing import Any, Self

from ..log.errors import Refused
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop import api
from ..loop.ports import Ports
from ..people.cards import format_scope
from . import edits
from .previews import Preview, find_schema, make_preview, read_preview
from .wire import MAX_TEXT

_WAYS = {
    "limit": ("continue", "stop"),
    "in_doubt": ("happened", "retry", "abort"),
    "job": ("done", "failed"),
    "timer": ("done",),
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
    ways: tuple[str, ...]
    """Verdicts that need nothing else."""
    fields: list[edits.Field]
    """The arguments of a call, to be changed."""
    scope: str
    """Which later calls may be approved together with this one; empty for none."""
    preview: Preview | None = None
    """The edited call, to be approved."""

    @classmethod
    def of(
        cls,
        ports: Ports,
        thread: Thread,
        wait: OpenWait,
        name: str,
        typed: dict[str, str],
        preview: Preview | None = None,
    ) -> Self:
        """Make the form of a wait, with what was `typed` into it before."""
        call = wait.data.get("call") if wait.kind == "approval" else None
        before = typed if typed.get("wait") == str(wait.seq) else {}
        return cls(
            wait,
            mine=wait.admits(name),
            urgency=find_urgency(wait),
            choices=_list_choices(wait),
            ways=_WAYS.get(wait.kind, ()),
            fields=edits.list_fields(find_schema(ports, thread), call, before) if call else [],
            scope=format_scope(wait.data),
            preview=preview,
        )


async def take_form(
    ports: Ports, thread: Thread, name: str, fields: dict[str, str]
) -> Preview | None:
    """Close the wait that a form is about, or return the preview of the edit in it.

    Raises:
        Refused: nothing was recorded, for the reason it gives.
    """
    verdict, seq = fields.get("do", ""), fields.get("wait", "")
    wait = _find_wait(thread, int(seq) if seq.isdecimal() and len(seq) < 10 else 0)
    if fields.get("digest", "") != (wait.data.get("digest") or ""):
        raise Refused("this is not the call you were shown; look again")
    text = _join_answer(wait, fields)
    if len(text) > MAX_TEXT:
        raise Refused(f"an answer has at most {MAX_TEXT} characters")
    if not text and verdict in ("answer", "reject"):
        raise Refused(f"to {verdict}, write something: the agent reads it")
    if verdict == "preview":
        return await make_preview(ports, thread, wait, name, fields)
    given: dict[str, Any] = {"actor": name, "text": text, "digest": fields.get("digest", "")}
    if verdict == "edit":
        given |= {"call": read_preview(fields), "digest": fields["edited"]}
    if verdict == "approve":
        given["standing"] = fields.get("standing") == "thread"
    await api.resume(ports, thread.id, wait.seq, verdict, **given)
    return None


def _find_wait(thread: Thread, seq: int) -> OpenWait:
    """Return a wait, which may be closed: `resume` knows whether by this very answer."""
    if 1 <= seq <= len(thread.events) and (past := thread.event(seq)).type == "paused":
        return OpenWait.of(past)
    raise Refused(f"{seq} is not waiting for an answer (any more)")


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

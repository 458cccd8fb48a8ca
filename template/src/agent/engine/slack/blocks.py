"""What people see in Slack: a wait with its buttons, the same wait once closed, a result.

The words are those of `cards`, as on every channel. A call is shown whole or not at all, see
`calls`; other long texts are cut visibly.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..log.events import CallJson, Event
from ..log.state import OpenWait
from ..people.cards import (
    KINDS,
    explain_message,
    format_audience,
    list_changes,
    list_facts,
    title_wait,
)
from .buttons import build_buttons
from .calls import build_call, describe_changes, write_call_code, write_scope_code
from .sections import Block, build_context, build_section
from .text import escape, escape_line, mention, shorten, split_sections

MAX_MENTIONS = 30

_ENDS = "without asking again, until the agent finishes or somebody revokes it:"
_VERDICTS = {
    "answer": "Answered by {}",
    "approve": "Approved by {}",
    "edit": "Edited and approved by {}",
    "reject": "Rejected by {}",
    "continue": "Continued by {}",
    "stop": "Stopped by {}",
    "happened": "{} confirmed that it went through",
    "retry": "{} decided to run it again",
    "abort": "Given up by {}",
    "done": "Reported by {}",
    "failed": "Reported as failed by {}",
    "expired": "Expired: nobody answered in time",
}


def build_wait(
    thread_id: str,
    wait: Event,
    people: Iterable[str],
    reader: str = "",
    *,
    again: bool = False,
    replies: bool = True,
) -> list[Block]:
    """Show a `paused` event, with everything that is needed to answer it, to Slack users `people`.

    `reader` is the name of the one person who reads it, if it is one; `again` makes it a reminder.
    `replies` says that the agent hears what is written below the message.
    """
    todo, scope = "to see all of it and to decide", write_scope_code(wait.data)
    elements = build_buttons(thread_id, wait)
    return [
        _build_title(wait, people, again),
        *build_call(thread_id, wait.seq, wait.data.get("call"), todo),
        *_build_facts(wait),
        *(_build_scope("*Approve for this thread* also runs", scope) if scope else []),
        *([{"type": "actions", "elements": elements}] if elements else []),
        *build_context(
            _describe_audience(wait, reader), _describe_replies(wait, reader) if replies else ""
        ),
    ]


def build_closed_wait(thread_id: str, wait: Event, over: Event) -> list[Block]:
    """Show a wait that the event `over` closed: who decided what, without buttons."""
    scope = write_scope_code(wait.data) if "standing" in over.data else None
    return [
        _build_title(wait),
        *build_call(thread_id, wait.seq, wait.data.get("call")),
        *_build_facts(wait),
        build_section(describe_decision(wait, over)),
        *_build_edit(thread_id, wait, over.data.get("call")),
        *(_build_scope("This also runs", scope) if scope else []),
    ]


def build_result(message: str) -> list[Block]:
    """Show the message of a `finished` event."""
    return [build_section(piece) for piece in split_sections(message)]


def summarize_wait(wait: Event) -> str:
    """Return the text of a notification about a wait."""
    return f"{_name_kind(wait)}: {escape_line(title_wait(wait.data), 300)}"


def describe_decision(wait: Event, over: Event) -> str:
    """Say who closed a wait, and how."""
    data, question = over.data, wait.data["kind"] == "question"
    name = mention(over.actor)
    match over.type:
        case "resumed" if wait.data["kind"] == "timer" and over.actor == "system":
            return "*The time has come*"
        case "resumed" if "standing" in data:
            return _add_text(f"Approved for this thread by {name}", data.get("text"))
        case "resumed":
            outcome = _VERDICTS.get(data["verdict"], "Closed by {}").format(name)
            return _add_text(outcome, data.get("text"))
        case "message" if question:
            return _add_text(f"Answered by {name}", data.get("text"))
        case "message":
            return f"*Withdrawn*: {name} wrote a message instead"
        case "cancelled":
            return _add_text(f"Cancelled by {name}", data.get("reason"))
    return "*Closed*: the outcome is known now"


def _build_title(wait: Event, people: Iterable[str] = (), again: bool = False) -> Block:
    """Say what is asked; above a call on one line, so that it cannot look like a part of it."""
    data, options = wait.data, wait.data.get("options") or {}
    kind = f"Reminder: {_name_kind(wait)}" if again else _name_kind(wait)
    title = [f"*{kind}*", *(f"<@{user}>" for user in [*people][:MAX_MENTIONS])]
    if options.get("urgency", "medium") != "medium":
        title.append(f"· {shorten(options['urgency'])} urgency")
    write = escape_line if "call" in data else escape
    lines = [" ".join(title), write(title_wait(data), 1_500)]
    choices = options.get("choices") or ()
    if any(shorten(text) != text for text in choices):
        lines.append(escape("\n".join(f"{n}. {text}" for n, text in enumerate(choices, 1)), 500))
    return build_section("\n".join(lines))


def _build_facts(wait: Event) -> list[Block]:
    facts = [f"*{name}*: {escape_line(text, 1_400)}" for name, text in list_facts(wait.data)]
    return [build_section("\n".join(facts))] if facts else []


def _build_edit(thread_id: str, wait: Event, edited: CallJson | None) -> list[Block]:
    if not edited:
        return []
    before = wait.data["call"]
    shown = build_call(thread_id, wait.seq, edited, changed=list_changes(before, edited))
    notes = describe_changes(before, edited) if write_call_code(edited) else []
    return [*shown, *build_context(*notes)]


def _build_scope(what: str, code: str) -> list[Block]:
    return [build_section(f"{what}, {_ENDS}"), build_section(code, whole=True)]


def _describe_audience(wait: Event, reader: str) -> str:
    """Say who may answer, and until when, as Slack shows times: in those of each reader."""
    names = format_audience(_list_audience(wait.data), reader)
    text = f"Who may answer: {escape_line(names, 1_000)}"
    if not wait.data.get("expires_at"):
        return text
    at = datetime.fromisoformat(wait.data["expires_at"])
    plain = f"{at:%Y-%m-%d %H:%M} UTC"
    return f"{text}, until <!date^{at.timestamp():.0f}^{{date_short_pretty}} {{time}}|{plain}>"


def _describe_replies(wait: Event, reader: str) -> str:
    """Say what a reply does, to `reader` or to everybody in the conversation."""
    data, audience = wait.data, _list_audience(wait.data)
    if data["kind"] == "question" and not reader and "anyone" not in audience:
        names = escape_line(format_audience(audience), 1_000)
        return f"A message from {names} in this thread answers the question."
    text = explain_message(OpenWait(wait.seq, data["kind"], "", audience, data), reader)
    return escape(text.replace("A message", "A message in this thread", 1))


def _list_audience(data: dict[str, Any]) -> tuple[str, ...]:
    return tuple(data.get("audience") or ("anyone",))


def _name_kind(wait: Event) -> str:
    return KINDS.get(wait.data["kind"], "Waiting")


def _add_text(outcome: str, text: str | None) -> str:
    return f"*{outcome}*" + (f"\n{escape(text, 1_500)}" if text else "")

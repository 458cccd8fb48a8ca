"""What people see in Slack: a wait with its buttons, the same wait once closed, a result.

Each button carries `{thread, wait, verdict, digest}`, so it can only answer the wait and approve
the call above it. https://docs.slack.dev/reference/block-kit/block-elements
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..log.events import CallJson, Event, cut
from .text import MAX_SECTION, escape, mention, shorten, split_sections

Block = dict[str, Any]

PRESS, FORM = "agent_press", "agent_form"
"""How the id of an element starts: it answers at once, or it opens a form to answer in."""
MAX_BUTTONS = 5
MAX_OPTIONS = 100
"""Of a list; Slack refuses more."""
MAX_ARGUMENT = 1_000
MAX_MENTIONS = 30

_Buttons = tuple[tuple[str, str, str], ...]
"""The label, what pressing it does (`PRESS` or `FORM`) and the verdict."""

_APPROVAL: _Buttons = (
    ("Approve", PRESS, "approve"),
    ("Reject…", FORM, "reject"),
    ("Edit…", FORM, "edit"),
)
_BUTTONS: dict[str, _Buttons] = {
    "job": (("Report the result…", FORM, "done"),),
    "timer": (("Continue now", PRESS, "done"),),
    "limit": (("Continue", PRESS, "continue"), ("Stop", PRESS, "stop")),
    "in_doubt": (
        ("It happened", PRESS, "happened"),
        ("Run it again", PRESS, "retry"),
        ("Give up", PRESS, "abort"),
    ),
}
_STYLES = {"approve": "primary", "continue": "primary", "reject": "danger", "stop": "danger"}
_TITLES = {
    "question": "Question",
    "approval": "Approval",
    "job": "Waiting for a result",
    "timer": "Waiting",
    "limit": "Limit reached",
    "in_doubt": "Outcome unknown",
}
_HINTS = {
    "approval": "Only the buttons decide. A reply in this thread withdraws the request.",
    "question": "You can also answer by replying in this thread.",
    "limit": "A reply in this thread continues with a new request.",
}
_VERDICTS = {
    "answer": "Answered by {}",
    "approve": "Approved by {}",
    "edit": "Edited and approved by {}",
    "reject": "Rejected by {}",
    "continue": "Continued by {}",
    "stop": "Stopped by {}",
    "happened": "{} says that it happened",
    "retry": "{} had it run again",
    "abort": "Given up by {}",
    "done": "Reported by {}",
    "expired": "Expired: nobody answered in time",
}


def build_wait(thread_id: str, wait: Event, people: Iterable[str]) -> list[Block]:
    """Show a `paused` event to the Slack users `people`, with everything needed to answer it."""
    elements, hint = _build_elements(thread_id, wait), _HINTS.get(wait.data["kind"])
    return [
        *_build_question(wait, people),
        *([{"type": "actions", "elements": elements}] if elements else []),
        *([{"type": "context", "elements": [_build_text(hint)]}] if hint else []),
    ]


def build_closed_wait(wait: Event, over: Event) -> list[Block]:
    """Show a wait that the event `over` closed: who decided what, without buttons."""
    decision = _build_section(describe_decision(wait, over))
    return [*_build_question(wait), decision, *_build_call(over.data.get("call"))]


def build_result(message: str) -> list[Block]:
    """Show the message of a `finished` event."""
    return [_build_section(piece) for piece in split_sections(message)]


def summarize_wait(wait: Event) -> str:
    """Return the text of a notification about a wait."""
    return f"{_choose_title(wait)}: {escape(wait.data['text'], 300)}"


def describe_decision(wait: Event, over: Event) -> str:
    """Say who closed a wait, and how."""
    data, question = over.data, wait.data["kind"] == "question"
    name = mention(over.actor)
    match over.type:
        case "resumed" if wait.data["kind"] == "timer" and over.actor == "system":
            return "*The time has come*"
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


def _build_question(wait: Event, people: Iterable[str] = ()) -> list[Block]:
    data = wait.data
    options = data.get("options") or {}
    title = [f"*{_choose_title(wait)}*", *(f"<@{user}>" for user in [*people][:MAX_MENTIONS])]
    if options.get("urgency", "medium") != "medium":
        title.append(f"· {shorten(options['urgency'])} urgency")
    if data.get("expires_at"):
        at = datetime.fromisoformat(data["expires_at"])
        plain = f"{at:%Y-%m-%d %H:%M} UTC"
        title.append(f"· until <!date^{at.timestamp():.0f}^{{date_short_pretty}} {{time}}|{plain}>")
    lines = [" ".join(title), escape(data["text"], 1_500)]
    choices = options.get("choices") or ()
    if any(shorten(text) != text for text in choices):
        lines.append(escape("\n".join(f"{n}. {text}" for n, text in enumerate(choices, 1)), 500))
    return [_build_section("\n".join(lines)), *_build_call(data.get("call"))]


def _build_call(call: CallJson | None) -> list[Block]:
    """Show a call exactly: one argument a line as JSON, so that no value can look like two."""
    if not call:
        return []
    lines = [str(call["intent"])]
    for name, value in call.items():
        if name != "intent":
            # A fence inside a value would end ours; this is the same value in JSON.
            exact = json.dumps(value, ensure_ascii=False).replace("`", r"\u0060")
            lines.append(f"  {name}: {cut(exact, MAX_ARGUMENT)}")
    return [_build_section(f"```{escape(chr(10).join(lines), MAX_SECTION - 6)}```")]


def _build_elements(thread_id: str, wait: Event) -> list[Block]:
    """Return the buttons and the list that answer a wait."""
    data = wait.data
    value = {"thread": thread_id, "wait": wait.seq}
    match data["kind"]:
        case "question":
            return _build_answers(value, data.get("options") or {})
        case "approval":
            buttons = _APPROVAL if len(data["call"]) > 1 else _APPROVAL[:2]
            value["digest"] = data["digest"]
        case kind:
            buttons = _BUTTONS.get(kind, ())
    return [
        _build_button(text, way, value | {"verdict": verdict}) for text, way, verdict in buttons
    ]


def _build_answers(value: dict[str, Any], options: dict[str, Any]) -> list[Block]:
    value = value | {"verdict": "answer"}
    choices: list[str] = options.get("choices") or []
    match options.get("format"):
        case "yes_no":
            texts = ("Yes", "No")
            known = [_build_button(text, PRESS, value | {"text": text.lower()}) for text in texts]
        case "multiple_choice" if len(choices) > MAX_BUTTONS:
            known = [_build_list(value, choices)]
        case "multiple_choice" if choices:
            known = [
                _build_button(text, PRESS, value | {"choice": place})
                for place, text in enumerate(choices)
            ]
        case _:
            return [_build_button("Answer…", FORM, value)]
    return [*known, _build_button("Other…", FORM, value)]


def _build_button(text: str, way: str, value: dict[str, Any]) -> Block:
    unique = [str(value[name]) for name in ("verdict", "text", "choice") if name in value]
    style = _STYLES.get(value["verdict"])
    return {
        "type": "button",
        "action_id": "_".join([way, *unique]),
        "text": {"type": "plain_text", "text": shorten(text), "emoji": False},
        "value": _dump_value(value),
        **({"style": style} if style else {}),
    }


def _build_list(value: dict[str, Any], choices: list[str]) -> Block:
    options = [
        {
            "text": {"type": "plain_text", "text": shorten(text), "emoji": False},
            "value": _dump_value(value | {"choice": place}),
        }
        for place, text in enumerate(choices[:MAX_OPTIONS])
    ]
    choose = {"type": "plain_text", "text": "Choose…"}
    element = {"type": "static_select", "action_id": f"{PRESS}_choice", "options": options}
    return element | {"placeholder": choose}


def _dump_value(value: dict[str, Any]) -> str:
    """Return a value as short as possible: a list takes 150 characters of it, a button 2,000."""
    return json.dumps(value, separators=(",", ":"))


def _choose_title(wait: Event) -> str:
    return _TITLES.get(wait.data["kind"], "Waiting")


def _add_text(outcome: str, text: str | None) -> str:
    return f"*{outcome}*" + (f"\n{escape(text, 1_500)}" if text else "")


def _build_section(text: str) -> Block:
    return {"type": "section", "text": _build_text(text)}


def _build_text(text: str) -> Block:
    return {"type": "mrkdwn", "text": text or " ", "verbatim": True}

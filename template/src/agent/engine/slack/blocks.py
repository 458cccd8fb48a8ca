"""What people see in Slack: a wait with its buttons, the same wait closed, the end of a thread."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..log.events import CallJson, Event, cut
from .text import MAX_SECTION, escaped, label, mrkdwn, who

Block = dict[str, Any]

PRESS, FORM = "agent_press", "agent_form"
"""How the id of an element begins: it answers, or opens a form to answer in."""
MAX_BUTTONS = 5
MAX_OPTIONS = 100
"""Of a list; Slack refuses more."""

Orders = tuple[tuple[str, str, str], ...]
"""What is on a button, what happens when it is pressed, and the verdict."""

_APPROVAL: Orders = (
    ("Approve", PRESS, "approve"),
    ("Reject…", FORM, "reject"),
    ("Edit…", FORM, "edit"),
)
_ORDERS: dict[str, Orders] = {
    "job": (("Report the result…", FORM, "done"),),
    "timer": (("Go on now", PRESS, "done"),),
    "limit": (("Continue", PRESS, "continue"), ("Stop", PRESS, "stop")),
    "in_doubt": (
        ("It happened", PRESS, "happened"),
        ("Run it again", PRESS, "retry"),
        ("Give it up", PRESS, "abort"),
    ),
}
_STYLES = {"approve": "primary", "continue": "primary", "reject": "danger", "stop": "danger"}
MAX_ARGUMENT = 1_000
MAX_MENTIONS = 30

_HEADS = {
    "question": "Question",
    "approval": "Approval",
    "job": "Waiting for a result",
    "timer": "Waiting",
    "limit": "At its limit",
    "in_doubt": "In doubt",
}
_HINTS = {
    "approval": "Only a button decides. A reply in this thread takes the question back.",
    "question": "A reply in this thread answers it, too.",
    "limit": "A reply in this thread goes on with a new request.",
}
_VERDICTS = {
    "answer": "Answered by {}",
    "approve": "Approved by {}",
    "edit": "Edited and approved by {}",
    "reject": "Rejected by {}",
    "continue": "Continued by {}",
    "stop": "Stopped by {}",
    "happened": "{} says that it happened",
    "retry": "{} has it run again",
    "abort": "Given up by {}",
    "done": "Reported by {}",
    "expired": "Expired: nobody answered in time",
}


def asked(thread_id: str, wait: Event, people: Iterable[str]) -> list[Block]:
    """Show a `paused` event to the Slack users `people`, with everything needed to answer."""
    elements, hint = buttons(thread_id, wait), _HINTS.get(wait.data["kind"])
    return [
        *_question(wait, people),
        *([{"type": "actions", "elements": elements}] if elements else []),
        *([{"type": "context", "elements": [_text(hint)]}] if hint else []),
    ]


def closed(wait: Event, over: Event) -> list[Block]:
    """Show a wait that the event `over` closed: who decided what, and nothing to press."""
    return [*_question(wait), _section(decision(wait, over)), *_call(over.data.get("call"))]


def finished(message: str) -> list[Block]:
    return [_section(piece) for piece in mrkdwn(message)]


def summary(wait: Event) -> str:
    """Return what a notification shows of a wait."""
    return f"{_head(wait)}: {escaped(wait.data['text'], 300)}"


def decision(wait: Event, over: Event) -> str:
    """Say who closed a wait and how."""
    data, question = over.data, wait.data["kind"] == "question"
    name = who(over.actor)
    match over.type:
        case "resumed" if wait.data["kind"] == "timer" and over.actor == "system":
            return "*The time has come*"
        case "resumed":
            done = _VERDICTS.get(data["verdict"], "Closed by {}").format(name)
            return _said(done, data.get("text"))
        case "message" if question:
            return _said(f"Answered by {name}", data.get("text"))
        case "message":
            return f"*Taken back*: {name} wrote a message instead"
        case "cancelled":
            return _said(f"Cancelled by {name}", data.get("reason"))
    return "*Closed*: the outcome became known"


def _question(wait: Event, people: Iterable[str] = ()) -> list[Block]:
    data = wait.data
    options = data.get("options") or {}
    head = [f"*{_head(wait)}*", *(f"<@{user}>" for user in [*people][:MAX_MENTIONS])]
    if options.get("urgency", "medium") != "medium":
        head.append(f"· {label(options['urgency'])} urgency")
    if data.get("expires_at"):
        at = datetime.fromisoformat(data["expires_at"])
        plain = f"{at:%Y-%m-%d %H:%M} UTC"
        head.append(f"· until <!date^{at.timestamp():.0f}^{{date_short_pretty}} {{time}}|{plain}>")
    lines = [" ".join(head), escaped(data["text"], 1_500)]
    choices = options.get("choices") or ()
    if any(label(text) != text for text in choices):
        lines.append(escaped("\n".join(f"{n}. {text}" for n, text in enumerate(choices, 1)), 500))
    return [_section("\n".join(lines)), *_call(data.get("call"))]


def _call(call: CallJson | None) -> list[Block]:
    """Show a call exactly, one argument a line as JSON, so that no value can look like two."""
    if not call:
        return []
    lines = [str(call["intent"])]
    for name, value in call.items():
        if name != "intent":
            # A fence inside a value would end ours; this is the same value in JSON.
            exact = json.dumps(value, ensure_ascii=False).replace("`", r"\u0060")
            lines.append(f"  {name}: {cut(exact, MAX_ARGUMENT)}")
    return [_section(f"```{escaped(chr(10).join(lines), MAX_SECTION - 6)}```")]


def _head(wait: Event) -> str:
    return _HEADS.get(wait.data["kind"], "Waiting")


def _said(done: str, text: str | None) -> str:
    return f"*{done}*" + (f"\n{escaped(text, 1_500)}" if text else "")


def _section(text: str) -> Block:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> Block:
    return {"type": "mrkdwn", "text": text or " ", "verbatim": True}


def buttons(thread_id: str, wait: Event) -> list[Block]:
    """Return the elements that answer a `paused` event."""
    data = wait.data
    named = {"thread": thread_id, "wait": wait.seq}
    match data["kind"]:
        case "question":
            return _answers(named, data.get("options") or {})
        case "approval":
            orders = _APPROVAL if len(data["call"]) > 1 else _APPROVAL[:2]
            named["digest"] = data["digest"]
        case kind:
            orders = _ORDERS.get(kind, ())
    return [_button(text, way, named | {"verdict": verdict}) for text, way, verdict in orders]


def _answers(named: dict[str, Any], options: dict[str, Any]) -> list[Block]:
    named = named | {"verdict": "answer"}
    choices: list[str] = options.get("choices") or []
    match options.get("format"):
        case "yes_no":
            known = [_button(text, PRESS, named | {"text": text.lower()}) for text in ("Yes", "No")]
        case "multiple_choice" if len(choices) > MAX_BUTTONS:
            known = [_list(named, choices)]
        case "multiple_choice" if choices:
            known = [
                _button(text, PRESS, named | {"choice": place})
                for place, text in enumerate(choices)
            ]
        case _:
            return [_button("Answer…", FORM, named)]
    return [*known, _button("Other…", FORM, named)]


def _button(text: str, way: str, says: dict[str, Any]) -> Block:
    told = [str(says[name]) for name in ("verdict", "text", "choice") if name in says]
    style = _STYLES.get(says["verdict"])
    return {
        "type": "button",
        "action_id": "_".join([way, *told]),
        "text": {"type": "plain_text", "text": label(text), "emoji": False},
        "value": _compact(says),
        **({"style": style} if style else {}),
    }


def _list(named: dict[str, Any], choices: list[str]) -> Block:
    options = [
        {
            "text": {"type": "plain_text", "text": label(text), "emoji": False},
            "value": _compact(named | {"choice": place}),
        }
        for place, text in enumerate(choices[:MAX_OPTIONS])
    ]
    choose = {"type": "plain_text", "text": "Choose…"}
    element = {"type": "static_select", "action_id": f"{PRESS}_choice", "options": options}
    return element | {"placeholder": choose}


def _compact(says: dict[str, Any]) -> str:
    """A list takes 150 characters of it, a button 2,000."""
    return json.dumps(says, separators=(",", ":"))

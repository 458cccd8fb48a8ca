"""The buttons below a wait in Slack.

Each carries `{thread, wait, verdict, digest}`, so it can only ever mean the one question and the
one call it stands below. https://docs.slack.dev/reference/block-kit/block-elements
"""

import json
from typing import Any

from ..log.events import Event
from .text import label

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

"""The buttons and lists that answer a wait in Slack.

Each carries `{thread, wait, verdict, digest}`, so it can only answer the wait and approve the call
above it. https://docs.slack.dev/reference/block-kit/block-elements
"""

import json
from typing import Any

from ..log.events import Event
from ..people.cards import BUTTONS
from .calls import write_call_code, write_scope_code
from .sections import Block, build_plain
from .text import shorten

PRESS, FORM = "agent_press", "agent_form"
"""How the id of an element starts: it answers at once, or it opens a form to answer in."""
MAX_BUTTONS = 5
MAX_OPTIONS = 100
"""Of a list; Slack refuses more."""

_WAYS: dict[str, tuple[tuple[str, str], ...]] = {
    "approval": ((PRESS, "approve"), (FORM, "reject"), (FORM, "edit")),
    "job": ((FORM, "done"), (FORM, "failed")),
    "timer": ((PRESS, "done"),),
    "limit": ((PRESS, "continue"), (PRESS, "stop")),
    "in_doubt": ((PRESS, "happened"), (PRESS, "retry"), (PRESS, "abort")),
}
"""What pressing a button does, and its verdict, by the kind of the wait."""
_RUNS_CALL = ("approve", "edit", "retry")
"""Verdicts that run a call: they are offered only where all of it is shown."""
_STYLES = {"approve": "primary", "continue": "primary", "reject": "danger", "stop": "danger"}


def build_buttons(thread_id: str, wait: Event) -> list[Block]:
    """Return the buttons and the list that answer a wait."""
    data, call = wait.data, wait.data.get("call") or {}
    value: dict[str, Any] = {"thread": thread_id, "wait": wait.seq}
    if data["kind"] == "question":
        return _build_answers(value, data.get("options") or {})
    if data["kind"] == "approval":
        value["digest"] = data["digest"]
    whole = not call or write_call_code(call) is not None
    buttons = list[Block]()
    for way, verdict in _WAYS.get(data["kind"], ()):
        if (verdict in _RUNS_CALL and not whole) or (verdict == "edit" and len(call) < 2):
            continue
        label = BUTTONS["continue"] if data["kind"] == "timer" else BUTTONS[verdict]
        buttons.append(_build_button(label, way, value | {"verdict": verdict}))
        if verdict == "approve" and write_scope_code(data):
            more = value | {"verdict": verdict, "standing": True}
            buttons.append(_build_button("Approve for this thread", way, more))
    return buttons


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
            return [_build_button(BUTTONS["answer"], FORM, value)]
    return [*known, _build_button("Other", FORM, value)]


def _build_button(text: str, way: str, value: dict[str, Any]) -> Block:
    names = ("verdict", "text", "choice", "standing")
    unique = [str(value[name]) for name in names if name in value]
    style = None if "standing" in value else _STYLES.get(value["verdict"])
    return {
        "type": "button",
        "action_id": "_".join([way, *unique]),
        "text": build_plain(shorten(f"{text}…" if way == FORM else text)),
        "value": _dump_value(value),
        **({"style": style} if style else {}),
    }


def _build_list(value: dict[str, Any], choices: list[str]) -> Block:
    options = [
        {"text": build_plain(shorten(text)), "value": _dump_value(value | {"choice": place})}
        for place, text in enumerate(choices[:MAX_OPTIONS])
    ]
    element = {"type": "static_select", "action_id": f"{PRESS}_choice", "options": options}
    return element | {"placeholder": build_plain("Choose…")}


def _dump_value(value: dict[str, Any]) -> str:
    """Return a value as short as possible: a list takes 150 characters of it, a button 2,000."""
    return json.dumps(value, separators=(",", ":"))

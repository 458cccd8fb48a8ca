"""Forms for a reason, an answer or the arguments of a call, and how they are read back.

https://docs.slack.dev/reference/views/modal-views
"""

import json
from typing import Any

from ..log.events import CallJson, Event
from .blocks import FORM, Block
from .text import escape, shorten

MAX_VALUE = 3_000
"""Characters of one field; a longer value cannot be edited in Slack and stays as it is."""
MAX_FIELDS = 90
MAX_PROBLEM = 250
TEXT = "text"

_TITLES = {
    "reject": ("Reject", "Why? The agent reads it."),
    "answer": ("Answer", "Your answer"),
    "done": ("Report", "What is the result? The agent reads it."),
}


def build_form(wait: Event, verdict: str, origin: dict[str, Any]) -> dict[str, Any]:
    """Return the form for a verdict on a `paused` event; `origin` comes back with its answer."""
    if verdict == "edit":
        title, blocks = "Edit", _build_fields(wait.data["call"])
    else:
        title, question = _TITLES[verdict]
        blocks = [_build_input(TEXT, question, "", optional=verdict == "done")]
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": json.dumps(origin),
        "title": _build_text(title),
        "submit": _build_text("Approve" if verdict == "edit" else title),
        "close": _build_text("Cancel"),
        "blocks": [_build_section(wait.data["text"]), *blocks],
    }


def read_field(values: dict[str, Any], field: str) -> str | None:
    """Return what was typed into a field; None if the form has no such field."""
    block = values.get(field)
    return None if block is None else str(next(iter(block.values())).get("value") or "")


def read_call(call: CallJson, values: dict[str, Any]) -> tuple[CallJson, dict[str, str]]:
    """Return the edited call, and by field what is wrong with its text."""
    changed, problems = dict(call), dict[str, str]()
    for place, (name, old) in enumerate(call.items()):
        text = read_field(values, f"argument_{place}")
        if name == "intent" or text is None:
            continue
        try:
            changed[name] = text if isinstance(old, str) else json.loads(text)
        except ValueError:
            problems[f"argument_{place}"] = 'This is not JSON. Put text in quotes: "…"'
    return changed, problems


def _build_fields(call: CallJson) -> list[Block]:
    blocks: list[Block] = []
    for place, (name, value) in enumerate(call.items()):
        if name == "intent":
            continue
        text = _write_value(value)
        if len(text) > MAX_VALUE or len(blocks) >= MAX_FIELDS:
            blocks.append(
                _build_section(f"{shorten(name)} cannot be edited here and stays as it is.")
            )
        else:
            blocks.append(_build_input(f"argument_{place}", name, text, optional=True))
    return blocks[: MAX_FIELDS + 1]


def _write_value(value: Any) -> str:
    """Return text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _build_input(name: str, question: str, text: str, optional: bool) -> Block:
    initial = {"initial_value": text} if text else {}
    multiline = not text or len(text) > 60 or "\n" in text
    element = {"type": "plain_text_input", "action_id": name, "max_length": MAX_VALUE}
    return {
        "type": "input",
        "block_id": name,
        "label": _build_text(shorten(question)),
        "optional": optional,
        "element": element | {"multiline": multiline} | initial,
    }


def _build_section(text: str) -> Block:
    mrkdwn = {"type": "mrkdwn", "text": escape(text, 2_000), "verbatim": True}
    return {"type": "section", "text": mrkdwn}


def _build_text(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}

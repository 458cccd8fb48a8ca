"""Forms to answer in: a reason, an answer, the arguments of a call; and reading them back.

https://docs.slack.dev/reference/views/modal-views
"""

import json
from typing import Any

from ..log.events import CallJson, Event
from .blocks import FORM, Block
from .text import escaped, label

MAX_TYPED = 3_000
"""Characters of one field; what is longer cannot be edited in Slack and stays as it is."""
MAX_FIELDS = 90
MAX_PROBLEM = 250
TEXT = "text"

_TITLES = {
    "reject": ("Reject", "Why? The agent reads it."),
    "answer": ("Answer", "Your answer"),
    "done": ("Report", "What came of it? The agent reads it."),
}


def form(wait: Event, verdict: str, origin: dict[str, Any]) -> dict[str, Any]:
    """Return the form for a verdict on a `paused` event; `origin` comes back with it."""
    if verdict == "edit":
        title, blocks = "Edit", _fields(wait.data["call"])
    else:
        title, question = _TITLES[verdict]
        blocks = [_input(TEXT, question, "", optional=verdict == "done")]
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": json.dumps(origin),
        "title": _plain(title),
        "submit": _plain("Approve" if verdict == "edit" else title),
        "close": _plain("Cancel"),
        "blocks": [_shown(wait.data["text"]), *blocks],
    }


def typed(values: dict[str, Any], field: str) -> str | None:
    """Return what was typed into a field; None where the form had none of that name."""
    block = values.get(field)
    return None if block is None else str(next(iter(block.values())).get("value") or "")


def edited(call: CallJson, values: dict[str, Any]) -> tuple[CallJson, dict[str, str]]:
    """Return the call as it was edited, and by field what cannot be read."""
    changed, problems = dict(call), dict[str, str]()
    for place, (name, old) in enumerate(call.items()):
        text = typed(values, f"argument_{place}")
        if name == "intent" or text is None:
            continue
        try:
            changed[name] = text if isinstance(old, str) else json.loads(text)
        except ValueError:
            problems[f"argument_{place}"] = 'This is not JSON; text needs quotes: "…"'
    return changed, problems


def _fields(call: CallJson) -> list[Block]:
    blocks: list[Block] = []
    for place, (name, value) in enumerate(call.items()):
        if name == "intent":
            continue
        if len(_written(value)) > MAX_TYPED or len(blocks) >= MAX_FIELDS:
            blocks.append(_shown(f"{label(name)} cannot be edited here and stays as it is."))
        else:
            blocks.append(_input(f"argument_{place}", name, _written(value), optional=True))
    return blocks[: MAX_FIELDS + 1]


def _written(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _input(name: str, question: str, text: str, optional: bool) -> Block:
    known = {"initial_value": text} if text else {}
    multiline = not text or len(text) > 60 or "\n" in text
    element = {"type": "plain_text_input", "action_id": name, "max_length": MAX_TYPED}
    return {
        "type": "input",
        "block_id": name,
        "label": _plain(label(question)),
        "optional": optional,
        "element": element | {"multiline": multiline} | known,
    }


def _shown(text: str) -> Block:
    mrkdwn = {"type": "mrkdwn", "text": escaped(text, 2_000), "verbatim": True}
    return {"type": "section", "text": mrkdwn}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}

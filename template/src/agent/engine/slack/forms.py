"""Forms for a reason, an answer or the arguments of a call, and how they are read back.

An edit takes two views: the form, then the call as it will run, which is what a person approves.
https://docs.slack.dev/reference/views/modal-views
"""

import json
import re
from typing import Any

from ..log.events import CallJson, Event
from ..loop.api import Preview
from ..people.cards import BUTTONS, list_changes, title_wait, write_name
from .buttons import FORM
from .calls import describe_changes, write_call_code
from .sections import Block, build_context, build_plain, build_section
from .text import escape_line, shorten

PREVIEW = "agent_preview"
"""The id of the view that shows an edited call in its final form."""
MAX_VALUE = 3_000
"""Characters of one field; a call with a longer value is not shown in Slack, nor edited."""
MAX_FIELDS = 90
"""Later arguments cannot be edited in Slack and stay as they are."""
MAX_PROBLEM = 250
MAX_METADATA = 3_000
TEXT = "text"

_QUESTIONS = {
    "reject": "Why? The agent reads it.",
    "answer": "Your answer",
    "done": "What is the result? The agent reads it.",
}
VERDICTS = (*_QUESTIONS, "edit")
"""What is answered in a form."""
_SUBMITS = {"edit": "Show the edited call", "done": "Report"}


def build_form(
    wait: Event,
    verdict: str,
    origin: dict[str, Any],
    note: str = "",
    typed: dict[str, str] | None = None,
) -> Block:
    """Return the form for a verdict on a `paused` event; `origin` comes back with its answer.

    `typed` is what was filled in before, and `note` says why that was not enough.
    """
    if verdict == "edit":
        fields = _build_fields(wait.data["call"], typed or {})
    else:
        fields = [_build_input(TEXT, _QUESTIONS[verdict], "", optional=verdict == "done")]
    submit = _SUBMITS.get(verdict, BUTTONS[verdict])
    blocks = [*([build_section(note)] if note else []), _build_title(wait), *fields]
    title = "Report" if verdict == "done" else BUTTONS[verdict]
    return _build_view(FORM, title, blocks, origin, submit)


def build_preview(wait: Event, preview: Preview, origin: dict[str, Any]) -> Block | None:
    """Return the view of an edited call in its final form; its submission approves that call.

    None if Slack has no room to show all of it or to carry it.
    """
    before = wait.data["call"]
    code = write_call_code(preview.call, list_changes(before, preview.call))
    origin = origin | {"digest": preview.digest, "call": preview.call}
    if code is None or len(_dump(origin)) > MAX_METADATA:
        return None
    heading = build_section("This is the call as it will run. You approve exactly this:")
    notes = build_context(*describe_changes(before, preview.call))
    blocks = [heading, build_section(code, whole=True), *notes]
    return _build_view(PREVIEW, "Check the edited call", blocks, origin, BUTTONS["approve"])


def build_notice(text: str) -> Block:
    """Return a view that says why nothing was recorded."""
    return _build_view("agent_notice", "Nothing changed", [build_section(text)], {})


def read_call(call: CallJson, values: dict[str, str]) -> tuple[CallJson, dict[str, str]]:
    """Return the edited call, and by field what is wrong with its text."""
    changed, problems = dict(call), dict[str, str]()
    for place, (name, old) in enumerate(call.items()):
        text = values.get(f"argument_{place}")
        if name == "intent" or text is None:
            continue
        try:
            changed[name] = text if isinstance(old, str) else json.loads(text)
        except (ValueError, RecursionError):
            problems[f"argument_{place}"] = 'This is not JSON. Put text in quotes: "…"'
    return changed, problems


def place_problem(reason: str, call: CallJson, values: dict[str, str]) -> dict[str, str]:
    """Return `reason` by the field that it is about, else by the first one; {} without fields."""
    words = set(re.findall(r"[\w-]+(?=[:.])", reason))
    about = [f"argument_{place}" for place, name in enumerate(call) if name in words]
    fields = [field for field in (*about, *values) if field in values]
    return {field: shorten(reason, MAX_PROBLEM) for field in fields[:1]}


def _build_fields(call: CallJson, typed: dict[str, str]) -> list[Block]:
    blocks: list[Block] = []
    for place, (name, value) in enumerate(call.items()):
        if name == "intent":
            continue
        field, label = f"argument_{place}", shorten(write_name(name))
        text = typed.get(field, _write_value(value))
        if len(blocks) >= MAX_FIELDS:
            kept = f"{escape_line(label, 400)} cannot be edited here and stays as it is."
            blocks.append(build_section(kept))
        else:
            blocks.append(_build_input(field, label, text, optional=True))
    return blocks[: MAX_FIELDS + 1]


def _write_value(value: Any) -> str:
    """Return text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _build_title(wait: Event) -> Block:
    return build_section(escape_line(title_wait(wait.data), 2_000))


def _build_input(name: str, question: str, text: str, optional: bool) -> Block:
    initial = {"initial_value": text} if text else {}
    multiline = not text or len(text) > 60 or "\n" in text
    element = {"type": "plain_text_input", "action_id": name, "max_length": MAX_VALUE}
    return {
        "type": "input",
        "block_id": name,
        "label": build_plain(question),
        "optional": optional,
        "element": element | {"multiline": multiline} | initial,
    }


def _build_view(
    callback: str, title: str, blocks: list[Block], origin: dict[str, Any], submit: str = ""
) -> Block:
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": _dump(origin),
        "title": build_plain(title),
        **({"submit": build_plain(submit)} if submit else {}),
        "close": build_plain("Cancel" if submit else "Close"),
        "blocks": blocks,
    }


def _dump(origin: dict[str, Any]) -> str:
    return json.dumps(origin, ensure_ascii=False, separators=(",", ":"))

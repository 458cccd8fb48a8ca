"""A call as Slack shows it: all of it in one block of code, or not at all.

What a person approves is what they were shown, so nothing here is cut. A call that has no room is
described by its length, with a link to the page that shows it, and cannot be approved in Slack.
"""

from collections.abc import Collection
from typing import Any

from ..log.events import CallJson
from ..people.cards import format_scope, list_changes, write_call, write_name
from .links import link_page
from .sections import Block, build_section
from .text import MAX_SECTION, escape_entities, escape_line

CHANGED = "→"
"""Begins the line of an argument that an edit changed."""


def write_code(lines: list[str]) -> str | None:
    """Return lines of `cards` as one block of code; None if a section has no room for them.

    A backtick in them is always inside JSON, where an escape of it has the same meaning. So no
    value can end the block.
    """
    code = escape_entities("\n".join(lines).replace("`", r"\u0060"))
    return f"```{code}```" if len(code) + 6 <= MAX_SECTION else None


def write_call_code(call: CallJson, changed: Collection[str] = ()) -> str | None:
    """Return a call as a block of code, the `changed` arguments marked; None if it is too long.

    Arguments are indented, so a long value that Slack wraps does not look like the next one.
    """
    intent, *arguments = write_call(call)
    names = [name for name in call if name != "intent"]
    lines = [
        f"{CHANGED if name in changed else ' '} {line}"
        for name, line in zip(names, arguments, strict=True)
    ]
    return write_code([intent, *lines])


def write_scope_code(data: dict[str, Any]) -> str | None:
    """Return what a standing approval of this `paused` event would cover, as a block of code.

    None if it cannot be one, or if its call or its scope is too long to be shown.
    """
    scope = format_scope(data)
    return write_code([scope]) if scope and write_call_code(data["call"]) else None


def build_call(
    thread_id: str,
    wait: int,
    call: CallJson | None,
    todo: str = "to see all of it",
    changed: Collection[str] = (),
) -> list[Block]:
    """Show a call, or say how long it is and where people can go `todo`."""
    if not call:
        return []
    if code := write_call_code(call, changed):
        return [build_section(code, whole=True)]
    return [build_section(f"{describe_length(call)} {link_page(thread_id, wait, todo)}")]


def describe_length(call: CallJson) -> str:
    size = len("\n".join(write_call(call)))
    return f"The call is {size:,} characters long, which is too long for Slack."


def describe_changes(before: CallJson, after: CallJson) -> list[str]:
    """Say what an edit changed in a call that is shown with its changes marked."""
    changed = [name for name in list_changes(before, after) if name != "intent"]
    gone = [write_name(name) for name in changed if name not in after]
    return [
        f"Lines with {CHANGED} are changed." if len(changed) > len(gone) else "",
        f"Left out: {escape_line(', '.join(gone), 1_000)}." if gone else "",
        "" if changed else "Nothing is changed.",
    ]

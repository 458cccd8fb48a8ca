"""Edits at the terminal: what is typed becomes a call, shown whole before it is approved."""

import json
from typing import Any

from ..characters import quote
from ..llms.schema import list_shapes
from ..log.errors import Refused
from ..log.events import CallJson
from ..log.state import VERDICTS
from ..loop.api import preview_edit
from ..people.cards import list_changes, write_call, write_name
from .screen import Screen
from .waits import Answer, Asked, list_arguments

LONG = 200
"""Characters of a value that are not shown a second time."""


async def ask_edit(screen: Screen, asked: Asked) -> Answer | None:
    """Ask for each argument, show the call as it would run; None if it is not approved.

    Raises:
        Refused: the call does not fit.
    """
    screen.say("Type new values. Enter keeps the old one.")
    edited = dict(asked.wait.data["call"])
    for name in list_arguments(asked.wait):
        old = quote(edited[name])
        old = old if len(old) <= LONG else f"{len(old):,} characters, as shown above"
        typed = await screen.ask(f"  {write_name(name)} [{old}]:")
        edited[name] = parse_value(asked, name, typed) if typed else edited[name]
    answer = await show_edit(screen, asked, edited)
    screen.discard_typed()
    sure = await screen.ask("Approve this? [y/N]")
    return answer if sure and sure[0] in "yY" else None


async def show_edit(screen: Screen, asked: Asked, call: CallJson) -> Answer:
    """Print an edit as it would run, with what it changes, and return it as an answer.

    Raises:
        Refused: the call does not fit.
    """
    seen = (asked.ports, asked.thread.id, asked.wait.seq)
    preview = await preview_edit(*seen, call, actor=asked.actor)
    screen.show(["With the changes:", *write_edit(asked.wait.data["call"], preview.call)])
    return Answer("edit", call=preview.call, digest=preview.digest)


def write_edit(before: CallJson, after: CallJson) -> list[str]:
    """Return all of an edited call; what it changes has the old line (-) and the new one (+)."""
    changed = list_changes(before, after)
    names = [*after, *(name for name in before if name not in after)]
    lines = [f"  {write_call(after)[0]}"]
    for name in names:
        if name == "intent":
            continue
        for mark, call in (("- ", before), ("+ ", after)) if name in changed else (("  ", after),):
            lines += [f"  {mark}{write_name(name)}: {quote(call[name])}"] if name in call else []
    return lines if changed else [*lines, "  Nothing changed."]


def change_call(asked: Asked, changes: list[str], arguments: str) -> CallJson:
    """Return the call that waits with other arguments: JSON for all of them, then `NAME=VALUE`.

    Raises:
        Refused: it is not written like that.
    """
    wait = asked.wait
    if "edit" not in VERDICTS[wait.kind]:
        raise Refused(f"only the call of an approval can be edited, and this is a {wait.kind}")
    old: CallJson = wait.data["call"]
    try:
        edited = {**(json.loads(arguments) if arguments else old)}
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(f"--json takes one JSON object: {error}") from None
    for change in changes:
        name, typed = _split_change(asked, change)
        edited[name] = parse_value(asked, name, typed)
    return {"intent": old["intent"], **edited}


def _split_change(asked: Asked, change: str) -> tuple[str, str]:
    """Return the argument that `NAME=VALUE` names as it is shown, and the value."""
    names = list_arguments(asked.wait)
    starts = {f"{shown}=": name for name in names for shown in (name, write_name(name))}
    if fits := [start for start in starts if change.startswith(start)]:
        start = max(fits, key=len)
        return starts[start], change.removeprefix(start)
    known = ", ".join(map(write_name, names)) or "nothing, as the call has no arguments"
    raise Refused(f"--set takes NAME=VALUE for one of: {known}; not {change!r}")


def parse_value(asked: Asked, name: str, typed: str) -> Any:
    """Read a typed value: `null` where the argument is optional, else text where it is a text.

    Anything else is JSON; what is not JSON is passed on as text, such as a date.
    """
    old, kinds = asked.wait.data["call"].get(name), _find_kinds(asked, name)
    if typed == "null" and "null" in kinds:
        return None
    if isinstance(old, str) or (old is None and "string" in kinds):
        return typed
    try:
        return json.loads(typed)
    except (ValueError, RecursionError):
        return typed


def _find_kinds(asked: Asked, name: str) -> set[str]:
    """Return the types of JSON that an argument takes, as far as the schema says."""
    schema = asked.ports.get_agent(asked.thread).steps.schema
    intent = asked.wait.data["call"]["intent"]
    kinds, definitions = set[str](), schema.get("$defs", {})
    nodes = [
        shape["properties"].get(name, {})
        for shape in list_shapes(schema)
        if intent in shape["properties"]["intent"].get("enum", ())
    ]
    for node in nodes:
        nodes += node.get("anyOf", ())
        nodes += [definitions[node["$ref"].rpartition("/")[2]]] if "$ref" in node else []
        kinds.update({node["type"]} if isinstance(node.get("type"), str) else node.get("type", ()))
    return kinds

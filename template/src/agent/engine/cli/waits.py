"""A wait at the terminal: all that one has to know to answer, and the commands that do.

A line that begins with `|` belongs to the line above it, so no text can pass for a line of its own.
"""

from dataclasses import dataclass
from datetime import datetime

from ..characters import clean
from ..log.events import CallJson
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import resume
from ..loop.ports import Ports
from ..people.cards import (
    KINDS,
    format_audience,
    format_scope,
    list_facts,
    title_wait,
    write_call,
    write_name,
)
from .format import format_command, format_time, mark_lines, shorten_id


@dataclass(frozen=True)
class Asked:
    """An open wait, and who answers it."""

    ports: Ports
    thread: Thread
    wait: OpenWait
    actor: str


@dataclass(frozen=True)
class Answer:
    """What closes a wait."""

    verdict: str
    text: str = ""
    call: CallJson | None = None
    digest: str = ""
    """Of the call that was shown last; empty for that of the wait."""
    standing: bool = False
    """Approves later calls of the thread too."""


def describe_wait(wait: OpenWait, actor: str, now: datetime) -> list[str]:
    """Return what a person has to know to answer: a headline, then the details, nothing cut."""
    shown = mark_lines(f"{KINDS.get(wait.kind, wait.kind)}: ", title_wait(wait.data))
    if call := wait.data.get("call"):
        intent, *arguments = write_call(call)
        shown += [f"  {intent}", *(f"    {argument}" for argument in arguments)]
    choices = wait.data.get("options", {}).get("choices", ())
    for place, text in enumerate(choices, 1):
        shown += mark_lines(f"  {place}. ", clean(text))
    facts = [*list_facts(wait.data), *_list_terms(wait, actor, now)]
    return shown + [f"  {name}: {text}" for name, text in facts]


def _list_terms(wait: OpenWait, actor: str, now: datetime) -> list[tuple[str, str]]:
    """Return who may answer, how urgent it is, until when, and for which calls."""
    terms = [("May answer", format_audience(wait.audience, actor))]
    urgency = wait.data.get("options", {}).get("urgency", "medium")
    terms += [("Urgency", clean(urgency))] if urgency != "medium" else []
    if wait.expires_at:
        later = format_audience(wait.data.get("escalate", ()), actor)
        then = f"; then {later} will be asked" if later else ""
        terms.append(("Until", format_time(wait.expires_at, now) + then))
    if scope := format_scope(wait.data):
        terms.append(("Can be approved for the whole thread", scope))
    return terms


def list_answers(thread_id: str, wait: OpenWait) -> list[str]:
    """Return the commands that answer a wait, ready to be copied."""
    name = f"{shorten_id(thread_id)}:{wait.seq}"
    if wait.kind == "approval":
        ways = [("approve", name), ("reject", name, "'REASON'")]
        ways[1:1] = [("approve", name, "--for-thread")] if format_scope(wait.data) else []
        if names := ", ".join(map(write_name, list_arguments(wait))):
            ways.append(("edit", name, f"--set NAME=VALUE  # NAME: {names}"))
        return [format_command(*way) for way in ways]
    known = {
        "question": ("'TEXT'",),
        "limit": ("continue", "stop"),
        "in_doubt": ("happened", "retry", "abort"),
        "job": ("done", "failed"),
    }
    if child := wait.data.get("child"):
        return [format_command("show", shorten_id(child))]
    return [format_command("answer", name, word) for word in known.get(wait.kind, ("done",))]


def list_arguments(wait: OpenWait) -> list[str]:
    """Return the names of the arguments of the call that waits."""
    return [name for name in wait.data.get("call", {}) if name != "intent"]


async def give_answer(asked: Asked, given: Answer) -> Thread:
    """Close a wait with an answer to the call that was shown. Raises Refused."""
    return await resume(
        asked.ports,
        asked.thread.id,
        asked.wait.seq,
        given.verdict,
        actor=asked.actor,
        text=given.text,
        digest=given.digest or asked.wait.data.get("digest", ""),
        call=given.call,
        standing=given.standing,
    )

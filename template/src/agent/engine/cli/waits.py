"""A wait at the terminal: what is asked, the commands that answer it, and the answer given here.

A wait takes the same words in a conversation and in `agent answer`.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from ..log.errors import Refused
from ..log.events import CallJson, cut
from ..log.state import VERDICTS, OpenWait
from ..log.thread import Thread
from ..loop.api import resume
from ..loop.ports import Ports
from ..people.words import shorten
from .format import format_command, format_time, shorten_id
from .screen import Screen

_LONGEST = 2_000
"""Characters of one argument; `show --json` has the rest."""


@dataclass(frozen=True)
class Answer:
    """What closes a wait."""

    verdict: str
    text: str = ""
    call: CallJson | None = None


def describe_wait(wait: OpenWait, actor: str, now: datetime) -> list[str]:
    """Return what a person has to know to answer: a headline, then the details."""
    options = wait.data.get("options", {})
    urgency = options.get("urgency", "medium")
    people = " or ".join("you" if name == actor else shorten(name) for name in wait.audience)
    marks = [f"for {people}"]
    marks += [f"{urgency} urgency"] if urgency != "medium" else []
    marks += [f"until {format_time(wait.expires_at, now)}"] if wait.expires_at else []
    label = wait.kind.replace("_", " ").capitalize()
    shown = [f"{label} ({', '.join(marks)}): {shorten(wait.text, _LONGEST)}"]
    for name, value in wait.data.get("call", {}).items():
        if name != "intent":
            shown.append(f"  {name}: {cut(json.dumps(value, ensure_ascii=False), _LONGEST)}")
    choices = options.get("choices", ())
    return shown + [f"  {place}. {shorten(text)}" for place, text in enumerate(choices, 1)]


def list_answers(thread: Thread, wait: OpenWait) -> list[str]:
    """Return the commands that answer a wait, ready to be copied."""
    name = f"{shorten_id(thread.id)}:{wait.seq}"
    if wait.kind == "approval":
        first = next((field for field in wait.data["call"] if field != "intent"), "name")
        edit = format_command("edit", name, "--set", f"{first}=VALUE")
        return [format_command("approve", name), format_command("reject", name, "'REASON'"), edit]
    known = {
        "question": ("'TEXT'",),
        "limit": ("continue", "stop"),
        "in_doubt": ("happened", "retry", "abort"),
    }
    return [format_command("answer", name, word) for word in known.get(wait.kind, ("done",))]


async def give_answer(
    ports: Ports, thread: Thread, wait: OpenWait, given: Answer, actor: str
) -> Thread:
    """Close a wait with an answer to the call that was shown. Raises Refused."""
    given_to = (ports, thread.id, wait.seq, given.verdict)
    seen = wait.data.get("digest", "")
    return await resume(*given_to, actor=actor, text=given.text, digest=seen, call=given.call)


async def ask_answer(screen: Screen, wait: OpenWait) -> Answer | None:
    """Ask until there is an answer; None leaves the wait open."""
    screen.discard_typed()
    if wait.kind == "question":
        text = await screen.ask(f"Answer{_format_hint(wait)}, or Enter to leave it open:")
        return Answer("answer", _expand_choice(wait, text)) if text else None
    match await _ask_verdict(screen, [*sorted(VERDICTS[wait.kind]), "later"]):
        case "later":
            return None
        case "reject":
            return Answer("reject", await screen.ask("Reason:") or "")
        case "edit":
            return Answer("edit", call=await _ask_edit(screen, wait.data["call"]))
        case verdict:
            return Answer(verdict)


async def _ask_verdict(screen: Screen, words: list[str]) -> str:
    menu = ", ".join(f"[{word[0]}]{word[1:]}" for word in words)
    while (typed := await screen.ask(f"{menu}:")) is not None:
        if fits := [word for word in words if typed and word.startswith(typed.lower())]:
            return fits[0]
    return "later"


async def _ask_edit(screen: Screen, call: CallJson) -> CallJson:
    screen.say("Type new values. Enter keeps the old one.")
    edited = dict(call)
    for name, value in call.items():
        if name != "intent":
            shown = json.dumps(value, ensure_ascii=False)
            typed = await screen.ask(f"  {name} [{shown}]:")
            edited[name] = parse_value(value, typed) if typed else value
    return edited


def parse_answer(thread: Thread, wait: OpenWait, words: list[str]) -> Answer:
    """Read an answer from words. Raises Refused with what would fit."""
    if wait.kind == "question":
        return Answer("answer", _expand_choice(wait, " ".join(words)))
    allowed = sorted(VERDICTS[wait.kind])
    if wait.kind == "approval":
        name = f"{shorten_id(thread.id)}:{wait.seq}"
        ways = " or ".join(format_command(verdict, name) for verdict in allowed)
        raise Refused(f"an approval is answered with {ways}")
    if words[0] not in allowed:
        raise Refused(
            f"{words[0]!r} does not answer this {wait.kind}; possible: {', '.join(allowed)}"
        )
    return Answer(words[0], " ".join(words[1:]))


def parse_value(old: object, typed: str) -> object:
    """Read a typed value like the old one: text stays text, everything else is JSON."""
    try:
        return typed if isinstance(old, str) else json.loads(typed)
    except ValueError:
        return typed


def _expand_choice(wait: OpenWait, text: str) -> str:
    """Replace the number of a choice, or y and n, by the words."""
    options = wait.data.get("options", {})
    choices = options.get("choices", ())
    match options.get("format"):
        case "multiple_choice" if text.isdecimal() and 1 <= int(text) <= len(choices):
            return text if text in choices else str(choices[int(text) - 1])
        case "yes_no":
            return {"y": "yes", "n": "no"}.get(text.lower(), text)
    return text


def _format_hint(wait: OpenWait) -> str:
    options = wait.data.get("options", {})
    numbers = f"1 to {len(options.get('choices', ()))}"
    hints = {"multiple_choice": f" ({numbers} or your own words)", "yes_no": " (yes or no)"}
    return hints.get(options.get("format"), "")

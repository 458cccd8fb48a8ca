"""Asking the person at the terminal what a thread waits for.

The same words answer a wait here and in `agent answer`.
"""

import json
from dataclasses import dataclass

from ...errors import Refused
from ...events import Call
from ...state import VERDICTS, OpenWait
from .screen import Screen
from .words import command, short


@dataclass(frozen=True)
class Answer:
    """What closes a wait."""

    verdict: str
    text: str = ""
    call: Call | None = None


async def answer(screen: Screen, wait: OpenWait) -> Answer | None:
    """Ask until there is an answer; None leaves the wait for later."""
    screen.forget_typed()
    if wait.kind == "question":
        text = await screen.ask(f"Answer{_hint(wait)}, empty for later:")
        return Answer("answer", chosen(wait, text)) if text else None
    verdict = await _verdict(screen, sorted(VERDICTS[wait.kind]))
    match verdict:
        case "reject":
            return Answer("reject", await screen.ask("Reason:") or "")
        case "edit":
            return Answer("edit", call=await _edited(screen, wait.data["call"]))
        case "later":
            return None
    return Answer(verdict)


async def _verdict(screen: Screen, verdicts: list[str]) -> str:
    words = [*verdicts, "later"]
    menu = ", ".join(f"[{word[0]}]{word[1:]}" for word in words)
    while True:
        typed = await screen.ask(f"{menu}:")
        fits = [word for word in words if typed and word.startswith(typed.lower())]
        if typed is None or fits:
            return fits[0] if fits else "later"


async def _edited(screen: Screen, call: Call) -> Call:
    screen.say("Type the new values; Enter keeps one.")
    edited = dict(call)
    for name, value in call.items():
        if name != "intent":
            shown = json.dumps(value, ensure_ascii=False)
            typed = await screen.ask(f"  {name} [{shown}]:")
            edited[name] = parsed(value, typed) if typed else value
    return edited


def parsed(old: object, typed: str) -> object:
    """Read a typed value as the kind the old one is: text stays text, all else is JSON."""
    if isinstance(old, str):
        return typed
    try:
        return json.loads(typed)
    except ValueError:
        return typed


def chosen(wait: OpenWait, text: str) -> str:
    """Spell out the number of a choice, or y and n."""
    options = wait.data.get("options", {})
    choices = options.get("choices", ())
    match options.get("format"):
        case "multiple_choice" if text.isdecimal() and 1 <= int(text) <= len(choices):
            return text if text in choices else str(choices[int(text) - 1])
        case "yes_no":
            return {"y": "yes", "n": "no"}.get(text.lower(), text)
    return text


def _hint(wait: OpenWait) -> str:
    options = wait.data.get("options", {})
    match options.get("format"):
        case "multiple_choice":
            return f" (1 to {len(options.get('choices', ()))} or your own words)"
        case "yes_no":
            return " (yes or no)"
    return ""


def answer_in(wait: OpenWait, thread_id: str, words: list[str]) -> Answer:
    """Read an answer from the words of a command. Raises Refused, and says what would fit."""
    text = " ".join(words)
    if wait.kind == "question":
        return Answer("answer", chosen(wait, text))
    name = f"{short(thread_id)}:{wait.seq}"
    allowed = sorted(VERDICTS[wait.kind])
    if wait.kind == "approval":
        ways = " or ".join(command(verdict, name) for verdict in allowed)
        raise Refused(f"an approval is no question: {ways}")
    if words[0] not in allowed:
        raise Refused(f"{words[0]!r} does not answer it; possible: {', '.join(allowed)}")
    return Answer(words[0], " ".join(words[1:]))

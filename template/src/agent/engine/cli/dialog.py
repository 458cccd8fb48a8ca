"""An answer, typed or in the words of a command. Both take the same words."""

from ..log.errors import Refused
from ..log.state import VERDICTS, OpenWait
from .edits import ask_edit
from .format import format_command, shorten_id
from .screen import Screen
from .waits import Answer, Asked


async def ask_answer(screen: Screen, asked: Asked) -> Answer | None:
    """Ask until there is an answer; None leaves the wait open. Raises Refused."""
    screen.discard_typed()
    wait = asked.wait
    if wait.kind == "question":
        text = await screen.ask(f"Answer{_format_hint(wait)}, or Enter to leave it open:")
        return Answer("answer", _expand_choice(wait, text)) if text else None
    thread_too = ["thread"] if wait.data.get("standing") else []
    while True:
        match await _ask_verdict(screen, [*sorted(VERDICTS[wait.kind]), *thread_too, "later"]):
            case "later":
                return None
            case "thread":
                return Answer("approve", standing=True)
            case "reject":
                return Answer("reject", await screen.ask("Reason:") or "")
            case "edit":
                if edited := await ask_edit(screen, asked):
                    return edited
            case verdict:
                return Answer(verdict)


async def _ask_verdict(screen: Screen, words: list[str]) -> str:
    menu = ", ".join(f"[{word[0]}]{word[1:]}" for word in words)
    while (typed := await screen.ask(f"{menu}:")) is not None:
        if fits := [word for word in words if typed and word.startswith(typed.lower())]:
            return fits[0]
    return "later"


def parse_answer(asked: Asked, words: list[str]) -> Answer:
    """Read an answer from words. Raises Refused with what would fit."""
    wait = asked.wait
    if wait.kind == "question":
        return Answer("answer", _expand_choice(wait, " ".join(words)))
    allowed = sorted(VERDICTS[wait.kind])
    if wait.kind == "approval":
        name = f"{shorten_id(asked.thread.id)}:{wait.seq}"
        ways = " or ".join(format_command(verdict, name) for verdict in allowed)
        raise Refused(f"an approval is answered with {ways}")
    if words[0] not in allowed:
        raise Refused(
            f"{words[0]!r} does not answer this {wait.kind}; possible: {', '.join(allowed)}"
        )
    return Answer(words[0], " ".join(words[1:]))


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

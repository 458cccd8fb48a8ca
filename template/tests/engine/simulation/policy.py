"""The agent of a simulated world, who its people are, and who has to be asked about what.

`find_audience` says the last a second time and in another way, for whoever checks the log.
"""

from collections.abc import Callable
from typing import Any

from agent.engine.log.state import Limits
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Ask, Finish, Run, Tool, Wait
from agent.engine.people.identity import AnyName

from ..domain import AskPerson, Charge, Done, Look, Put, Sleep

CONTEXT = 250
"""Tokens of a prompt that is short enough; a few events have more."""
LIMITS = Limits(steps=4, errors=2, tokens=75, context=CONTEXT)
VERDICTS = {
    "question": {"answer"},
    "approval": {"approve", "reject", "edit"},
    "job": {"done"},
    "timer": {"done"},
    "limit": {"continue", "stop"},
    "in_doubt": {"happened", "retry", "abort"},
}
TEAMS = {"heads": ("bob", "cy"), "board": ("dana",)}
PEOPLE = ("ana", "bob", "cy", "dana", "eve")
TOOLS = ("look", "put", "charge")
JOBS = "hook:jobs"
"""Who reports on jobs."""
SMALL, MEDIUM, LARGE = 50, 300, 900
TOOL_S = 8.0


class Directory(AnyName):
    def find_members(self, name: str) -> tuple[str, ...]:
        return TEAMS.get(name, (name,))


def make_decide(tool: Callable[[str], Tool]) -> Callable[[Any, Thread], Any]:
    """Return the policy; `tool(name)` returns the function of a tool."""

    def decide(step: Any, thread: Thread) -> Action | None:
        match step:
            case Look():
                return Run(tool("look"), effect="read", timeout_s=TOOL_S)
            case Put():
                return Run(tool("put"), effect="idempotent", timeout_s=TOOL_S)
            case Charge(amount=amount):
                return _charge(tool("charge"), amount)
            case AskPerson(question=question):
                return Ask(question, audience=("owner",), expires_s=30, escalate=("heads",))
            case Sleep(seconds=seconds):
                return Wait("a nap", seconds)
            case Done(message=message):
                return Finish(message)
        return None

    return decide


def _charge(charge: Tool, amount: int) -> Run:
    if amount <= SMALL:
        return Run(charge, timeout_s=TOOL_S)
    if amount <= MEDIUM:
        return Run(charge, approvers=("owner",), standing=("amount",), expires_s=60, remind_s=20)
    return Run(charge, approvers=("heads",), expires_s=30, escalate=("board",), remind_s=10)


def find_audience(paused: dict[str, Any], owner: str, escalated: bool) -> set[str]:
    """Return who has to be asked."""
    owners = {owner} if owner in PEOPLE else set(TEAMS["heads"])
    match paused["kind"]:
        case "approval" | "in_doubt":
            return find_approvers(paused["call"], owner, escalated, paused["kind"]) or owners
        case "question":
            return set(TEAMS["heads"]) if escalated else owners
        case "limit":
            return set(TEAMS["heads"]) if paused["limit"] == "model" else owners
        case "job":
            return {JOBS, *owners}
    return {"anyone"}


def find_approvers(
    call: dict[str, Any], owner: str, escalated: bool, kind: str = "in_doubt"
) -> set[str]:
    """Return who may approve a call; nobody where it needs no approval."""
    if call["intent"] != "charge" or call["amount"] <= SMALL:
        return set()
    if call["amount"] <= MEDIUM:
        return {owner} if owner in PEOPLE else set(TEAMS["heads"])
    if escalated and kind == "approval":
        return set(TEAMS["board"])
    return {*TEAMS["heads"], *(TEAMS["board"] if escalated else ())}

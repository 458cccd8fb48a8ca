"""Who may do what at the command line: its user is the operator, who may read everything.

A verdict is only taken from somebody who is asked, as everywhere.
"""

import pytest
import typer

from agent.engine import parts
from agent.engine.cli import build_commands
from agent.engine.log.events import CallJson
from agent.engine.log.thread import Thread

from ..domain import make_message, make_pause, make_step
from .conftest import Desk

VERDICTS = {"approve", "reject", "edit", "answer"}
"""Only for those who are asked."""

OF_OPERATORS = {
    *("run", "inbox", "threads", "show", "fork", "cancel", "rate", "revoke", "forget", "costs"),
    *("worker", "serve", "doctor", "demo", "migrate", "reindex", "export", "import"),
    *("eval", "cron", "jobs", "mcp", "restored"),
}
"""For whoever can start a command, and so can read the database."""


def test_every_command_is_known_here(desk: Desk) -> None:
    group = typer.main.get_command(build_commands(desk.build, *parts.MOUNTS))
    names = set(getattr(group, "commands", {}))
    assert names <= VERDICTS | OF_OPERATORS
    assert names >= VERDICTS


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "t:3"),
        ("reject", "t:3", "no"),
        ("edit", "t:3", "--set", "amount=1"),
        ("answer", "q:2", "yes"),
    ],
    ids=sorted(VERDICTS),
)
def test_a_verdict_of_somebody_who_is_not_asked_is_refused(
    words: tuple[str, ...], desk: Desk
) -> None:
    call: CallJson = {"intent": "charge", "amount": 500}
    asked: list[Thread] = [
        desk.happened(make_message(), make_step(**call), make_pause("approval", "bob", call=call)),
        desk.happened(make_message(), make_pause("question", "bob"), thread_id="q"),
    ]
    ran = desk.agent(*words)
    assert (ran.exit_code, "ana is not asked; bob may answer" in ran.stderr) == (1, True)
    assert [desk.thread(each.id) for each in asked] == asked

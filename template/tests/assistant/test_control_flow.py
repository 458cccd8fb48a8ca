"""The policy. Yours: it goes with the tools."""

from typing import Any

import pytest

from agent.assistant.control_flow import decide
from agent.assistant.tools import Answer, AskPerson, NextStep, ReadNote, read_note
from agent.engine import Ask, Finish, Run, Thread


@pytest.mark.parametrize(
    ("step", "action"),
    [
        (ReadNote(intent="read_note", name="launch"), Run(read_note, effect="read")),
        (AskPerson(intent="ask_person", question="Which?"), Ask("Which?")),
        (Answer(intent="answer", message="Thursday."), Finish("Thursday.")),
    ],
)
def test_every_step_has_its_action(step: NextStep, action: Any) -> None:
    assert decide(step, Thread("t")) == action


def test_no_step_is_forgotten() -> None:
    assert {ReadNote, AskPerson, Answer} == set(NextStep.__args__)

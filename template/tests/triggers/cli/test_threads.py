from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.events import event

from ...conftest import Clock
from ...domain import chose, paused, said
from .conftest import Desk

CALL = {"intent": "charge", "amount": 500}


def test_the_inbox_says_what_waits_for_whom_since_when_and_how_to_answer(
    desk: Desk, clock: Clock
) -> None:
    soon = (datetime.fromtimestamp(clock(), UTC) + timedelta(minutes=42)).isoformat()
    desk.happened(
        said(), chose("charge", amount=500), paused("approval", call=CALL, expires_at=soon)
    )
    clock.tick(300)
    ran = desk.agent("inbox")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "t:3  5 min ago  Approval (for you, until in 37 min): approval?\n"
        "      amount: 500\n"
        "    agent approve t:3\n"
        "    agent reject t:3 'REASON'\n"
        "    agent edit t:3 --set amount=VALUE\n\n"
    )


def test_what_waits_for_others_is_shown_without_commands(desk: Desk) -> None:
    options = {"urgency": "high", "format": "multiple_choice", "choices": ["red", "blue"]}
    desk.happened(said(), paused("question", "bob", "cli:eve", options=options))
    ran = desk.agent("inbox")
    assert "Question (for bob or cli:eve, high urgency): question?" in ran.stdout
    assert "  1. red\n" in ran.stdout
    assert "agent answer" not in ran.stdout


def test_what_waits_longest_comes_first(desk: Desk, clock: Clock) -> None:
    desk.happened(said(), paused("question"), thread_id="older")
    clock.tick(60)
    desk.happened(said(), paused("question"), thread_id="newer")
    shown = desk.agent("inbox").stdout
    assert shown.index("older:2") < shown.index("newer:2")


def test_a_broken_people_file_is_named(desk: Desk) -> None:
    Path("people.toml").write_text("[ana", "utf-8")
    ran = desk.agent("inbox")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("agent: 'people.toml' is not valid TOML: ")


def test_an_empty_inbox_says_so(desk: Desk) -> None:
    ran = desk.agent("inbox")
    assert (ran.stdout, ran.stderr) == ("", "Nothing waits for an answer.\n")


def test_threads_are_listed_last_changed_first(desk: Desk, clock: Clock) -> None:
    desk.happened(said("the first"), paused("in_doubt", call=CALL), thread_id="first-of-all")
    clock.tick(120)
    desk.happened(said("the second", "bob"), thread_id="second")
    ran = desk.agent("threads")
    assert ran.stdout == (
        "ID        STATUS           CHANGED    FROM  ABOUT\n"
        "second    nobody runs it   just now   bob   the second\n"
        "first-of  waits: in doubt  2 min ago  ana   the first\n"
    )


def test_no_threads_is_no_error(desk: Desk) -> None:
    assert "There are no threads yet" in desk.agent("threads").stderr


def test_a_fork_prints_its_id_and_how_to_go_on(desk: Desk) -> None:
    desk.happened(said(), said("more"), event("finished", message="bye"))
    ran = desk.agent("fork", "t", "--at", "2")
    forked = desk.thread(ran.stdout.strip())
    assert [each.type for each in forked.events] == ["message", "message", "forked"]
    assert f"agent run --thread {forked.id[:8]}" in ran.stderr


def test_cancelling_is_said_by_whom_and_why(desk: Desk) -> None:
    desk.happened(said(), paused("question"))
    assert desk.agent("cancel", "t", "--reason", "enough").stderr == "Cancelled t.\n"
    last = desk.thread().events[-1]
    assert (last.type, last.actor, last.data) == ("cancelled", "ana", {"reason": "enough"})


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("fork", "t", "--at", "9"), "9 is not one of the events 1 to 2"),
        (("fork", "nope", "--at", "1"), "no thread's id begins with 'nope'"),
        (("cancel", "t"), "the thread is finished already"),
        (("show", "nope"), "no thread's id begins with 'nope'"),
    ],
)
def test_a_mistake_ends_in_one_plain_line(desk: Desk, words: tuple[str, ...], problem: str) -> None:
    desk.happened(said(), event("finished", message="bye"))
    ran = desk.agent(*words)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("agent: ")
    assert problem in ran.stderr

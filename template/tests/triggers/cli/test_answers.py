from typing import Any

import pytest

from agent.events import Event

from ...domain import chose, paused, resumed, said
from .conftest import Desk, now

CALL = {"intent": "charge", "amount": 500}


@pytest.fixture
def waiting(desk: Desk) -> Desk:
    """Thread `t` waits at 3 for `ana` to allow a charge."""
    desk.happened(said(), chose("charge", amount=500), paused("approval", call=CALL))
    return desk


def test_an_approval_shows_the_call_and_is_recorded(waiting: Desk) -> None:
    ran = waiting.agent("approve", "t:3", "--comment", "fine")
    assert ran.exit_code == 0
    assert "amount: 500" in ran.stderr
    assert "Recorded: approve by ana." in ran.stderr
    answer = waiting.thread().events[-1]
    assert (answer.actor, answer.key) == ("ana", "answer:3")
    assert (answer.data["verdict"], answer.data["text"]) == ("approve", "fine")


def test_the_thread_alone_names_the_wait_that_is_open(waiting: Desk) -> None:
    assert waiting.agent("reject", "t", "too", "much").exit_code == 0
    assert waiting.thread().events[-1].data == {"wait": 3, "verdict": "reject", "text": "too much"}


@pytest.mark.parametrize("words", [("--set", "amount=90"), ("--json", '{"amount": 90}')])
def test_an_edit_replaces_the_arguments(waiting: Desk, words: tuple[str, ...]) -> None:
    ran = waiting.agent("edit", "t:3", *words)
    assert "With your changes: charge(amount=90)" in ran.stderr
    assert waiting.thread().events[-1].data["call"] == {"intent": "charge", "amount": 90}


def question(**options: Any) -> Event:
    return paused("question", options=options)


@pytest.mark.parametrize(
    ("wait", "words", "verdict", "text"),
    [
        (question(), ["two", "words"], "answer", "two words"),
        (question(), ["2"], "answer", "2"),
        (question(format="yes_no"), ["y"], "answer", "yes"),
        (question(format="yes_no"), ["perhaps"], "answer", "perhaps"),
        (question(format="multiple_choice", choices=["a", "b"]), ["2"], "answer", "b"),
        (question(format="multiple_choice", choices=["a", "b"]), ["3"], "answer", "3"),
        (question(format="multiple_choice", choices=["2", "1"]), ["2"], "answer", "2"),
        (paused("limit"), ["continue"], "continue", ""),
        (paused("limit"), ["stop", "it's", "late"], "stop", "it's late"),
        (paused("in_doubt", call=CALL), ["happened"], "happened", ""),
        (paused("job"), ["done", "12", "rows"], "done", "12 rows"),
        (paused("timer"), ["done"], "done", ""),
    ],
)
def test_everything_else_is_answered_in_words(
    desk: Desk, wait: Event, words: list[str], verdict: str, text: str
) -> None:
    desk.happened(said(), chose("charge", amount=500), wait)
    assert desk.agent("answer", "t:3", *words).exit_code == 0
    assert desk.thread().events[-1].data == {"wait": 3, "verdict": verdict, "text": text}


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("approve", "nope"), 1, "no thread's id begins with 'nope'; `agent threads` lists them"),
        (("approve", "t:2"), 1, "'t:2' is not waiting for an answer; it waits at t:3 now"),
        (("approve", "t:x"), 1, "'t:x' is not waiting for an answer"),
        (("answer", "t:3", "yes"), 1, "an approval is no question: agent approve t:3 or"),
        (("reject", "t:3"), 2, "Missing argument"),
        (("edit", "t:3"), 2, "say what to change"),
        (("edit", "t:3", "--set", "amount=lots"), 1, "the edited call is not valid: charge.amount"),
        (("edit", "t:3", "--set", "intent=put"), 1, "one of: amount; not 'intent=put'"),
        (("edit", "t:3", "--set", "amount"), 1, "--set takes NAME=VALUE for one of: amount"),
        (("edit", "t:3", "--json", "[1]"), 1, "--json takes one JSON object"),
        (("edit", "t:3", "--json", "{"), 1, "--json takes one JSON object"),
        (("edit", "t:3", "--json", '{"intent": "put", "value": "x"}'), 1, "nothing else"),
    ],
)
def test_a_mistake_ends_in_one_plain_line_and_the_wait_stays_open(
    waiting: Desk, words: tuple[str, ...], code: int, problem: str
) -> None:
    ran = waiting.agent(*words)
    assert ran.exit_code == code
    assert problem in ran.stderr
    assert waiting.thread().state.wait


def test_who_was_slower_reads_who_was_first(waiting: Desk) -> None:
    waiting.agent("reject", "t:3", "no")
    ran = waiting.agent("approve", "t:3")
    assert (ran.exit_code, ran.stderr) == (1, "agent: already closed: reject by ana\n")


def test_a_wait_that_was_replaced_is_not_answered_by_its_old_name(waiting: Desk) -> None:
    waiting.happened(
        said(),
        chose("charge", amount=500),
        paused("approval", call=CALL),
        resumed(3, "reject", "bob"),
        chose("charge", amount=900),
        paused("approval", call=CALL | {"amount": 900}),
        resumed(6, "approve", "eve"),
        thread_id="u",
    )
    ran = waiting.agent("approve", "u:3")
    assert (ran.exit_code, ran.stderr) == (1, "agent: already closed: reject by bob\n")


def test_only_who_is_asked_may_answer(waiting: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_USER", "bob")
    ran = waiting.agent("approve", "t:3")
    assert (ran.exit_code, "cli:bob is not asked; ana may answer" in ran.stderr) == (1, True)


def test_the_beginning_of_two_ids_names_none(desk: Desk) -> None:
    desk.happened(said(), thread_id="abc1")
    desk.happened(said(), thread_id="abc2")
    ran = desk.agent("approve", "abc")
    assert (ran.exit_code, "2 threads begin with 'abc': " in ran.stderr) == (1, True)


def test_it_says_when_nobody_goes_on_with_the_thread(waiting: Desk) -> None:
    ran = waiting.agent("approve", "t:3")
    assert "Nobody is running this thread: agent run --thread t, or agent worker" in ran.stderr


def test_it_is_silent_where_somebody_goes_on(
    waiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.triggers.cli.lookup.PATIENCE_S", 0.1)
    assert now(waiting.store.claim("a worker", 15, "t"))
    assert "Nobody" not in waiting.agent("approve", "t:3").stderr


def test_after_a_verdict_that_leaves_nothing_to_do_nobody_is_missed(desk: Desk) -> None:
    desk.happened(said(), paused("limit"))
    assert "Nobody" not in desk.agent("answer", "t:2", "stop").stderr

"""Standing approvals at the terminal, and ratings."""

from typing import Any

import pytest

from ..domain import make_answer, make_message, make_pause, make_step
from .conftest import Desk

CALL = {"intent": "charge", "amount": 500}
SCOPE = {"amount": 500}


def wait_for_approval(desk: Desk, **data: Any) -> None:
    pause = make_pause("approval", call=CALL, **data)
    desk.happened(make_message(), make_step("charge", amount=500), pause)


def test_an_approval_for_the_thread_is_recorded_listed_and_revoked(desk: Desk) -> None:
    wait_for_approval(desk, standing=SCOPE)
    ran = desk.agent("approve", "t:3", "--for-thread")
    assert ran.exit_code == 0
    assert "whole thread: every charge with amount: 500\n" in ran.stderr
    assert desk.thread().events[-1].data["standing"] == {"intent": "charge", "values": SCOPE}
    shown = desk.agent("show", "t").stderr
    assert "every charge with amount: 500 (by ana)\n    agent revoke t:4\n" in shown
    assert desk.agent("revoke", "t:4").exit_code == 0
    assert desk.thread().state.standing == ()
    shown = desk.agent("show", "t")
    assert "agent revoke" not in shown.stderr
    assert " revoked the standing approval of event 4\n" in shown.stdout


def test_a_plain_approval_holds_for_one_call(desk: Desk) -> None:
    wait_for_approval(desk, standing=SCOPE)
    assert desk.agent("approve", "t:3").exit_code == 0
    assert desk.thread().state.standing == ()


def test_what_the_policy_does_not_offer_is_refused(desk: Desk) -> None:
    wait_for_approval(desk)
    ran = desk.agent("approve", "t:3", "--for-thread")
    assert ran.exit_code == 1
    assert ran.stderr.endswith("this can be approved once, and not for the whole thread\n")
    assert desk.thread().state.wait


def test_a_step_is_rated(desk: Desk) -> None:
    wait_for_approval(desk)
    ran = desk.agent("rate", "t:2", "bad", "--text", "too much")
    assert (ran.exit_code, ran.stderr) == (0, "Recorded: step 2 is bad.\n")
    rated = desk.thread().events[-1]
    assert (rated.type, rated.actor) == ("rated", "ana")
    assert rated.data == {"step": 2, "rating": "bad", "text": "too much"}
    assert "rated step 2 as bad: too much" in desk.agent("show", "t").stdout


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("rate", "t:1", "good"), 1, "event 1 is not a step"),
        (("rate", "t:99", "good"), 1, "event 99 is not a step"),
        (("rate", "t:2", "fine"), 2, "'fine' is not one of 'good', 'bad'"),
        (("rate", "t", "good"), 2, "'t' is not ID:EVENT"),
        (("rate", "t:\u0661", "good"), 2, "is not ID:EVENT"),
        (("rate", "nope:1", "good"), 1, "no thread's id begins with 'nope'"),
        (("revoke", "t:2"), 1, "2 is not a standing approval (any more)"),
        (("revoke", "t:"), 2, "'t:' is not ID:EVENT"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_recorded(
    desk: Desk, words: tuple[str, ...], code: int, problem: str
) -> None:
    desk.happened(make_message(), make_step("look", at="x"), make_answer(9, "approve"))
    ran = desk.agent(*words)
    assert (ran.exit_code, problem in " ".join(ran.stderr.split())) == (code, True), ran.stderr
    assert len(desk.thread().events) == 3

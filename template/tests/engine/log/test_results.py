"""What an owner's rule reads of a thread: who spoke, and what the calls of a shape brought."""

from typing import Any, Literal

import pytest

from agent.engine import Event, Step, Thread
from agent.engine.log.events import make_event

from ..domain import (
    Charge,
    Put,
    make_answer,
    make_failure,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    make_thread,
)


def charge(amount: int) -> Event:
    return make_step("charge", amount=amount)


DOUBT: dict[str, Any] = {"call": {"intent": "charge", "amount": 7}, "step": 2}
BROUGHT: dict[str, tuple[list[Event], list[tuple[int, Any, str]]]] = {
    "a tool": (
        [make_message(), charge(7), make_start(2), make_result(2, "ok")],
        [(7, "ok", "tool")],
    ),
    "a tool that failed": ([make_message(), charge(7), make_start(2), make_failure(2)], []),
    "a call that is still open": ([make_message(), charge(7), make_start(2)], []),
    "a call of another shape": ([make_message(), make_step("put", value="x"), make_result(2)], []),
    "an edited call": (
        [
            make_message(),
            charge(7),
            make_pause("approval", call={"intent": "charge", "amount": 7}),
            make_answer(3, "edit", call={"intent": "charge", "amount": 5}),
            make_result(2, "ok"),
        ],
        [(5, "ok", "tool")],
    ),
    "an edited call of another shape": (
        [
            make_message(),
            make_step("put", value="x"),
            make_pause("approval", call={"intent": "put", "value": "x"}),
            make_answer(3, "edit", call={"intent": "put", "value": "y"}),
            make_result(2),
        ],
        [],
    ),
    "a report on a wait that is not there": (
        [make_message(), charge(7), make_answer(9, "done")],
        [],
    ),
    "the end of a timer": ([charge(7), make_pause("timer"), make_answer(2, "done")], []),
    "a person who confirms it": (
        [
            make_message(),
            charge(7),
            make_start(2),
            make_pause("in_doubt", **DOUBT),
            make_answer(4, "happened"),
        ],
        [(7, "", "happened")],
    ),
    "a person who gives it up": (
        [
            make_message(),
            charge(7),
            make_start(2),
            make_pause("in_doubt", **DOUBT),
            make_answer(4, "abort"),
        ],
        [],
    ),
    "a report on a job": (
        [
            make_message(),
            charge(7),
            make_start(2),
            make_pause("job", call=DOUBT["call"], step=2, job="key"),
            make_answer(4, "done", "hook:ci", text="green"),
        ],
        [(7, "green", "done")],
    ),
    "a job that was cancelled meanwhile": (
        [
            make_message(),
            charge(7),
            make_start(2),
            make_event("cancelled", "ana"),
            make_result(2, "ok"),
        ],
        [(7, "ok", "tool")],
    ),
    "a late result after a failure": (
        [
            make_message(),
            charge(7),
            make_start(2),
            make_failure(2, definite=False),
            make_event("tool_finished", "agent", "late:3", step=2, start=3, late=True, output="ok"),
        ],
        [(7, "ok", "tool")],
    ),
    "a late result after a result": (
        [
            make_message(),
            charge(7),
            make_start(2),
            make_result(2, "first"),
            make_event(
                "tool_finished", "agent", "late:3", step=2, start=3, late=True, output="late"
            ),
        ],
        [(7, "first", "tool")],
    ),
    "two calls": (
        [make_message(), charge(7), make_result(2, "a"), charge(8), make_result(4, "b")],
        [(7, "a", "tool"), (8, "b", "tool")],
    ),
}


@pytest.mark.parametrize("case", BROUGHT)
def test_results_are_what_the_calls_of_a_shape_brought(case: str) -> None:
    events, wanted = BROUGHT[case]
    found = make_thread(*events).results(Charge)
    assert [(one.step.amount, one.output, one.source) for one in found] == wanted


def test_a_call_that_no_longer_fits_its_shape_keeps_its_values() -> None:
    class Refund(Step):
        intent: Literal["charge"]
        amount: int
        currency: str

    thread = make_thread(make_message(), charge(7), make_result(2))
    assert thread.results(Refund)[0].step.amount == 7
    assert thread.results(Put) == []


def test_a_thread_before_an_event_knows_nothing_of_it() -> None:
    thread = make_thread(make_message("one"), charge(7), make_result(2))
    assert [each.type for each in thread.before(3).events] == ["message", "step"]
    assert thread.before(3).state.step is not None
    assert thread.before(1) == Thread("t")


@pytest.mark.parametrize(
    ("events", "speaker", "words"),
    [
        ([], "", ""),
        ([make_message("hi")], "ana", "hi"),
        ([make_message("hi"), make_message("and?", "bob"), charge(1)], "bob", "and?"),
        ([make_message("hi"), make_event("message", "system", facts={"a": 1})], "ana", "hi"),
        (
            [
                make_message("hi"),
                make_pause("question"),
                make_answer(2, "answer", "bob", text="no"),
            ],
            "bob",
            "no",
        ),
        ([make_message("hi"), make_pause("limit"), make_answer(2, "continue", "bob")], "ana", "hi"),
    ],
)
def test_a_thread_knows_who_spoke_last_and_what_they_said(
    events: list[Event], speaker: str, words: str
) -> None:
    thread = make_thread(*events)
    assert (thread.last_speaker, thread.last_message) == (speaker, words)


def test_a_fork_belongs_to_whoever_made_it() -> None:
    thread = make_thread(make_message(), make_event("forked", "bob", thread="o", seq=1))
    assert thread.owner == "bob"

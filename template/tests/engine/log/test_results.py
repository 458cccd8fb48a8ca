"""What an owner's rule reads of a thread: who spoke, and what the calls of a shape brought."""

from typing import Any, Literal

import pytest

from agent.engine import Event, Step, Thread
from agent.engine.log.events import make_event

from ..domain import Charge, Put, chose, failed, past, paused, resumed, returned, said, started


def charge(amount: int) -> Event:
    return chose("charge", amount=amount)


DOUBT: dict[str, Any] = {"call": {"intent": "charge", "amount": 7}, "step": 2}
BROUGHT: dict[str, tuple[list[Event], list[tuple[int, Any, str]]]] = {
    "a tool": ([said(), charge(7), started(2), returned(2, "ok")], [(7, "ok", "tool")]),
    "a tool that failed": ([said(), charge(7), started(2), failed(2)], []),
    "a call that is still open": ([said(), charge(7), started(2)], []),
    "a call of another shape": ([said(), chose("put", value="x"), returned(2)], []),
    "an edited call": (
        [
            said(),
            charge(7),
            paused("approval", call={"intent": "charge", "amount": 7}),
            resumed(3, "edit", call={"intent": "charge", "amount": 5}),
            returned(2, "ok"),
        ],
        [(5, "ok", "tool")],
    ),
    "a person who confirms it": (
        [said(), charge(7), started(2), paused("in_doubt", **DOUBT), resumed(4, "happened")],
        [(7, "", "happened")],
    ),
    "a person who gives it up": (
        [said(), charge(7), started(2), paused("in_doubt", **DOUBT), resumed(4, "abort")],
        [],
    ),
    "a report on a job": (
        [
            said(),
            charge(7),
            started(2),
            paused("job", call=DOUBT["call"], step=2, job="key"),
            resumed(4, "done", "hook:ci", text="green"),
        ],
        [(7, "green", "done")],
    ),
    "a job that was cancelled meanwhile": (
        [said(), charge(7), started(2), make_event("cancelled", "ana"), returned(2, "ok")],
        [(7, "ok", "tool")],
    ),
    "a late result after a failure": (
        [
            said(),
            charge(7),
            started(2),
            failed(2, definite=False),
            make_event("tool_finished", "agent", "late:3", step=2, start=3, late=True, output="ok"),
        ],
        [(7, "ok", "tool")],
    ),
    "a late result after a result": (
        [
            said(),
            charge(7),
            started(2),
            returned(2, "first"),
            make_event(
                "tool_finished", "agent", "late:3", step=2, start=3, late=True, output="late"
            ),
        ],
        [(7, "first", "tool")],
    ),
    "two calls": (
        [said(), charge(7), returned(2, "a"), charge(8), returned(4, "b")],
        [(7, "a", "tool"), (8, "b", "tool")],
    ),
}


@pytest.mark.parametrize("case", BROUGHT)
def test_results_are_what_the_calls_of_a_shape_brought(case: str) -> None:
    events, wanted = BROUGHT[case]
    found = past(*events).results(Charge)
    assert [(one.step.amount, one.output, one.source) for one in found] == wanted


def test_a_call_that_no_longer_fits_its_shape_keeps_its_values() -> None:
    class Refund(Step):
        intent: Literal["charge"]
        amount: int
        currency: str

    thread = past(said(), charge(7), returned(2))
    assert thread.results(Refund)[0].step.amount == 7
    assert thread.results(Put) == []


def test_a_thread_before_an_event_knows_nothing_of_it() -> None:
    thread = past(said("one"), charge(7), returned(2))
    assert [each.type for each in thread.before(3).events] == ["message", "step"]
    assert thread.before(3).state.step is not None
    assert thread.before(1) == Thread("t")


@pytest.mark.parametrize(
    ("events", "speaker", "words"),
    [
        ([], "", ""),
        ([said("hi")], "ana", "hi"),
        ([said("hi"), said("and?", "bob"), charge(1)], "bob", "and?"),
        ([said("hi"), make_event("message", "system", facts={"a": 1})], "ana", "hi"),
        ([said("hi"), paused("question"), resumed(2, "answer", "bob", text="no")], "bob", "no"),
        ([said("hi"), paused("limit"), resumed(2, "continue", "bob")], "ana", "hi"),
    ],
)
def test_a_thread_knows_who_spoke_last_and_what_they_said(
    events: list[Event], speaker: str, words: str
) -> None:
    thread = past(*events)
    assert (thread.last_speaker, thread.last_message) == (speaker, words)


def test_a_fork_belongs_to_whoever_made_it() -> None:
    thread = past(said(), make_event("forked", "bob", thread="o", seq=1))
    assert thread.owner == "bob"

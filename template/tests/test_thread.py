"""The fold: what each event makes of a thread, and what no order of events can break."""

from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import Call, Event, digest, event
from agent.state import VERDICTS, Limits, State, plan
from agent.thread import Thread, idempotency_key, reduce

from .domain import (
    chose,
    failed,
    past,
    paused,
    resumed,
    returned,
    said,
    started,
    told,
)
from .play import logs

LIMITS = Limits(steps=10, errors=3, tokens=1000)
CHARGE: Call = {"intent": "charge", "amount": 500}
EDITED: Call = {"intent": "charge", "amount": 400}
STEP = chose(**CHARGE)


def word_after(*events: Event) -> str:
    return plan(replace(past(*events).state, outbox=()), LIMITS)


# A message, whatever the thread was doing.

SUPERSEDED: dict[str, tuple[list[Event], str, str]] = {
    "thinking": ([], "ana", "think"),
    "a call not started": ([STEP], "ana", "think"),
    "a call approved and not started": (
        [STEP, paused("approval", call=CHARGE), resumed(3, "approve")],
        "ana",
        "act",
    ),
    "a call that is running": ([STEP, started(2)], "ana", "recover"),
    "an approval": ([STEP, paused("approval", call=CHARGE)], "ana", "think"),
    "an approval, by somebody else": ([STEP, paused("approval", call=CHARGE)], "bob", "think"),
    "a question, by whom it asks": ([chose("ask_person"), paused("question")], "ana", "think"),
    "a question to anyone": ([chose("ask_person"), paused("question", "anyone")], "bob", "think"),
    "a question, by a stranger": ([chose("ask_person"), paused("question")], "bob", "idle"),
    "a limit": ([paused("limit")], "ana", "think"),
    "a timer": ([chose("sleep"), paused("timer")], "ana", "think"),
    "a job": ([chose("train"), paused("job")], "ana", "idle"),
    "a doubt": ([STEP, started(2), paused("in_doubt", call=CHARGE)], "ana", "idle"),
    "a doubt answered with retry": (
        [STEP, started(2), paused("in_doubt", call=CHARGE), resumed(4, "retry")],
        "ana",
        "act",
    ),
    "the end": ([chose("done"), event("finished", message="bye")], "ana", "think"),
    "a cancelled thread": ([event("cancelled", "ana")], "ana", "think"),
    "a thread cancelled while a tool ran": (
        [STEP, started(2), event("cancelled", "ana")],
        "ana",
        "recover",
    ),
}


@pytest.mark.parametrize("case", SUPERSEDED.values(), ids=SUPERSEDED)
def test_a_message_supersedes_what_a_person_may_change_their_mind_about(
    case: tuple[list[Event], str, str],
) -> None:
    before, actor, word = case
    assert word_after(said(), *before, said("wait!", actor)) == word


@pytest.mark.parametrize("kind", ["approval", "limit", "timer", "question"])
def test_a_superseded_wait_leaves_the_outbox(kind: str) -> None:
    waiting = past(said(), chose("x"), paused(kind, call=CHARGE))
    assert waiting.state.outbox == (3,)
    assert waiting.plus(said()).state.outbox == ()


# A verdict, whatever kind of wait it closes.


def waiting(kind: str) -> list[Event]:
    before = [said(), STEP, started(2)] if kind == "in_doubt" else [said(), STEP]
    if kind == "limit":
        before = [said(), *[event("invalid_step", error="?", output="?")] * 3]
    return [*before, paused(kind, call=CHARGE)]


AFTER: dict[tuple[str, str], str] = {
    ("question", "answer"): "think",
    ("question", "expired"): "think",
    ("approval", "approve"): "act",
    ("approval", "edit"): "act",
    ("approval", "reject"): "think",
    ("approval", "expired"): "think",
    ("job", "done"): "think",
    ("job", "expired"): "think",
    ("timer", "done"): "think",
    ("limit", "continue"): "think",
    ("limit", "stop"): "idle",
    ("in_doubt", "happened"): "think",
    ("in_doubt", "retry"): "act",
    ("in_doubt", "abort"): "think",
}


def test_every_verdict_on_every_kind_of_wait_is_in_the_table() -> None:
    allowed = {(kind, verdict) for kind, verdicts in VERDICTS.items() for verdict in verdicts}
    assert allowed <= set(AFTER)


@pytest.mark.parametrize(("kind", "verdict"), AFTER)
def test_a_verdict_closes_the_wait_and_says_how_it_goes_on(kind: str, verdict: str) -> None:
    events = waiting(kind)
    wait = len(events)
    assert past(*events).state.status == f"waiting:{kind}"
    after = past(*events, resumed(wait, verdict, call=EDITED))
    assert plan(after.state, LIMITS) == AFTER[kind, verdict]
    assert after.state.wait is None
    assert after.state.outbox == ()


def test_an_answer_to_another_wait_closes_nothing() -> None:
    open_wait = past(said(), STEP, paused("approval", call=CHARGE))
    assert open_wait.plus(replace(resumed(2, "approve"), seq=4)).state.wait is not None
    assert past(said(), STEP, resumed(2, "approve")).state.step == past(said(), STEP).state.step


def test_an_answer_never_reopens_a_thread() -> None:
    events = [said(), STEP, paused("approval", call=CHARGE), event("cancelled", "ana")]
    assert word_after(*events, resumed(3, "approve")) == "idle"


def test_an_edit_replaces_the_call() -> None:
    thread = past(said(), STEP, paused("approval", call=CHARGE), resumed(3, "edit", call=EDITED))
    assert thread.state.step is not None
    assert thread.state.step.call == EDITED
    assert thread.state.step.approved


def test_stop_ends_the_thread_until_the_next_message() -> None:
    stopped = past(*waiting("limit"), resumed(5, "stop"))
    assert stopped.state.status == "cancelled"
    assert stopped.plus(said()).state.status == "running"


# Tools and their results.


@pytest.mark.parametrize(
    ("before", "word"),
    [
        ([STEP, started(2)], "recover"),
        ([STEP, started(2), returned(2)], "think"),
        ([STEP, started(2), failed(2)], "think"),
        ([STEP, started(2), started(2), returned(2)], "think"),
        ([STEP, started(2), paused("in_doubt", call=CHARGE), returned(2)], "think"),
        ([STEP, started(2), event("cancelled", "ana"), returned(2)], "idle"),
        ([STEP, started(2), said(), returned(2)], "think"),
        ([STEP, returned(1)], "act"),
        ([STEP, started(7)], "act"),
        ([STEP, failed(7)], "act"),
        ([STEP, started(2), returned(2), chose("look"), failed(2)], "act"),
    ],
)
def test_the_first_result_of_the_open_call_counts(before: list[Event], word: str) -> None:
    assert word_after(said(), *before) == word


def test_a_late_result_answers_the_open_doubt() -> None:
    doubt = past(said(), STEP, started(2), paused("in_doubt", call=CHARGE))
    settled = doubt.plus(replace(returned(2), seq=5))
    assert (settled.state.wait, settled.state.step, settled.state.outbox) == (None, None, ())


# Budgets.

INVALID = event("invalid_step", error="?", output="?", tokens={"input": 100, "output": 1})
DISCARDED = event("discarded", tokens={"input": 100, "output": 1})


@pytest.mark.parametrize(
    ("events", "counted"),
    [
        ([chose("look")], (1, 0, 15)),
        ([chose("look"), started(2), returned(2)], (1, 0, 15)),
        ([INVALID, INVALID], (2, 2, 202)),
        ([DISCARDED], (0, 0, 101)),
        ([chose("look"), failed(2)], (1, 1, 15)),
        ([chose("look"), failed(2), chose("look"), returned(4)], (2, 0, 30)),
        ([INVALID, said()], (0, 0, 0)),
        ([INVALID, said(actor="hook:github")], (1, 1, 101)),
        ([INVALID, said(actor="cron:nightly")], (1, 1, 101)),
        ([INVALID, paused("limit"), resumed(3, "continue")], (0, 0, 0)),
        ([INVALID, paused("timer"), resumed(3, "done", "system")], (1, 1, 101)),
        ([INVALID, event("compacted", upto=1, text="")], (1, 1, 101)),
        ([chose("done"), event("finished", message="bye"), said()], (0, 0, 0)),
        ([event("step", call=CHARGE)], (1, 0, 0)),
        ([event("step", call=CHARGE, tokens={"input": 7, "cached": 5})], (1, 0, 7)),
    ],
)
def test_budgets_count_since_the_last_word_of_a_person(
    events: list[Event], counted: tuple[int, int, int]
) -> None:
    state = past(said(), *events).state
    assert (state.steps, state.errors, state.tokens) == counted


# Who, and where to.


def test_a_thread_begins_with_nothing_spent() -> None:
    state = past(said(actor="cron:nightly")).state
    assert (state.steps, state.errors, state.tokens) == (0, 0, 0)


def test_the_first_message_says_who_owns_the_thread_and_where_it_is_answered() -> None:
    thread = past(said(reply_to="slack:C1"), said(actor="bob", reply_to="email:x"))
    assert (thread.state.owner, thread.state.reply_to) == ("ana", "slack:C1")


def test_a_fork_belongs_to_whoever_made_it_and_answers_nobody_in_the_original() -> None:
    events = [said(reply_to="slack:C1"), chose("done"), event("finished", message="bye")]
    fork = past(*events, event("forked", "bob", thread="t", seq=3)).state
    assert (fork.owner, fork.reply_to, fork.outbox) == ("bob", "poll:", ())
    assert past(*events).state.outbox == (3,)


@pytest.mark.parametrize(
    ("events", "outbox"),
    [
        ([paused("question")], (2,)),
        ([paused("question"), told(2)], ()),
        ([paused("question"), resumed(2, "answer")], ()),
        ([paused("question"), event("cancelled", "ana")], ()),
        ([paused("question"), event("finished", message="bye")], (3,)),
        ([event("finished", message="bye")], (2,)),
        ([event("finished", message="bye"), told(2, error="gone")], ()),
        ([event("finished", message="bye"), said()], (2,)),
        ([event("finished", message="bye"), said(), paused("question")], (2, 4)),
        ([event("finished", message="bye"), said(), paused("question"), told(4)], (2,)),
    ],
)
def test_the_outbox_is_what_is_finished_and_the_open_wait(
    events: list[Event], outbox: tuple[int, ...]
) -> None:
    assert past(said(), *events).state.outbox == outbox


# The name of an effect.

AGAIN: dict[str, tuple[list[Event], bool]] = {
    "a crash": ([started(2)], True),
    "a timeout": ([started(2), failed(2, definite=False), chose(**CHARGE)], True),
    "a retry": (
        [started(2), paused("in_doubt", call=CHARGE), resumed(4, "retry")],
        True,
    ),
    "given up": (
        [started(2), paused("in_doubt", call=CHARGE), resumed(4, "abort"), chose(**CHARGE)],
        True,
    ),
    "rejected": ([paused("approval", call=CHARGE), resumed(3, "reject"), chose(**CHARGE)], True),
    "another call's success": (
        [said(), chose("look"), returned(4), chose(**CHARGE)],
        True,
    ),
    "a success": ([started(2), returned(2), chose(**CHARGE)], False),
    "a definite failure": ([started(2), failed(2), chose(**CHARGE)], False),
    "confirmed by a person": (
        [started(2), paused("in_doubt", call=CHARGE), resumed(4, "happened"), chose(**CHARGE)],
        False,
    ),
    "edited into another": (
        [paused("approval", call=CHARGE), resumed(3, "edit", call=EDITED)],
        False,
    ),
}


@pytest.mark.parametrize("case", AGAIN.values(), ids=AGAIN)
def test_an_effect_keeps_its_name_until_its_outcome_is_certain(
    case: tuple[list[Event], bool],
) -> None:
    later, same = case
    first = idempotency_key(past(said(), STEP))
    assert (idempotency_key(past(said(), STEP, *later)) == first) is same


def test_an_edited_call_that_ran_settles_itself_and_not_what_the_model_proposed() -> None:
    edited = [STEP, paused("approval", call=CHARGE), resumed(3, "edit", call=EDITED)]
    done = past(said(), *edited, started(2), returned(2))
    assert done.state.settled == (digest(EDITED),)


def test_two_threads_never_share_an_effect() -> None:
    one, other = past(said(), STEP), past(said(), STEP, thread_id="u")
    assert idempotency_key(one) != idempotency_key(other)


# What no log can break.


@given(logs(), st.data())
def test_any_part_of_any_log_folds(thread: Thread, data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=0, max_size=len(thread.events)))
    part = [each for each, keep in zip(thread.events, kept, strict=False) if keep]
    state = Thread.of("t", part).state
    assert plan(state, LIMITS)
    assert state.status


@given(logs())
def test_a_fold_in_parts_is_the_fold_at_once_and_changes_no_event(thread: Thread) -> None:
    before = deepcopy(thread.events)
    for place in range(len(thread.events)):
        parts = Thread.of("t", thread.events[:place]).plus(*thread.events[place:])
        assert parts.state == thread.state
    assert reduce(State(), thread.events[0]) == reduce(State(), thread.events[0])
    assert thread.events == before


@given(logs())
def test_one_wait_is_open_at_a_time_and_only_it_and_the_end_are_in_the_outbox(
    thread: Thread,
) -> None:
    state = State()
    for each in thread.events:
        if each.type in ("paused", "step", "invalid_step", "finished", "compacted"):
            assert state.wait is None, f"event {each.seq} came while {state.wait} was open"
            assert state.ended is None, f"event {each.seq} came after the end"
        state = reduce(state, each)
        for ref in state.outbox:
            kind = thread.event(ref).type
            assert kind == "finished" or (state.wait and state.wait.seq == ref)


@given(logs())
def test_nothing_to_do_means_waiting_or_ended(thread: Thread) -> None:
    state = State()
    for each in thread.events:
        state = reduce(state, each)
        if plan(state, LIMITS) == "idle":
            assert state.wait or state.ended
        if plan(state, LIMITS) in ("act", "recover"):
            assert state.step


@pytest.mark.parametrize("event_type", ["", "a_type_of_next_year"])
def test_an_event_of_another_version_changes_nothing_but_the_version(event_type: str) -> None:
    thread = past(said(), STEP)
    later = thread.plus(Event(event_type, {"odd": 1}, seq=3))
    assert later.state == replace(thread.state, version=3)

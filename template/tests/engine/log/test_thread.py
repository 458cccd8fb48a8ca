"""The log and its fold: whatever is in an event, it is kept; whatever the log, it folds."""

import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, get_args

import pytest

from agent.engine.log.events import (
    DECISIONS,
    FACTS,
    MAX_BITS,
    MAX_DEPTH,
    MAX_TEXT,
    CallJson,
    Event,
    cap_event,
    compute_digest,
    cut,
    make_event,
    make_safe,
)
from agent.engine.log.fold import reduce
from agent.engine.log.state import (
    VERDICTS,
    Limits,
    OpenStep,
    OpenWait,
    State,
    Word,
    is_person,
    plan,
)
from agent.engine.log.thread import Thread, idempotency_key
from agent.engine.loop.actions import Wait

from ..domain import (
    make_answer,
    make_delivery,
    make_failure,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    make_thread,
)
from ..examples import given, st
from ..play import logs

# -- an event --


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers(), inner)
    ),
    max_leaves=12,
)


class Colour(Enum):
    RED = "red"


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


def test_no_event_is_both_a_fact_and_a_decision() -> None:
    assert not FACTS & DECISIONS


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("plain", "plain"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\U0001f600 é", "\U0001f600 é"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ((1, (2,)), [1, [2]]),
        ({1: "one", None: 0, "a\0": True}, {"1": "one", "None": 0, "a\ufffd": True}),
        (Colour.RED, "Colour.RED"),
        (b"\xff", "b'\\xff'"),
        ({}, {}),
        (10**30, 10**30),
        (2**MAX_BITS - 1, 2**MAX_BITS - 1),
        (2**MAX_BITS, hex(2**MAX_BITS)),
    ],
)
def test_data_becomes_json(value: Any, kept: Any) -> None:
    assert make_safe(value) == kept


@given(anything)
def test_what_is_safe_is_json_and_stays_as_it_is(value: Any) -> None:
    kept = make_safe(value)
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert make_safe(kept) == kept
    kept_in_event = make_event("message", text=value).data
    json.dumps(kept_in_event, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    "value",
    [
        "x" * (MAX_TEXT + 1),
        ["x" * (3 * MAX_TEXT)],
        {"x" * (2 * MAX_TEXT): 1},
        nested(MAX_DEPTH + 5),
        nested(100_000),
        10**5_000,
    ],
    ids=["text", "text inside", "name", "deep", "very deep", "a number of 5000 digits"],
)
def test_what_is_too_big_is_cut_once_and_then_stays_as_it_is(value: Any) -> None:
    kept = cap_event(make_event("message", text=value))
    assert len(json.dumps(kept.data)) < MAX_TEXT + 1000
    assert cap_event(kept) == kept


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"in": inner}])
def test_what_is_nested_too_deep_is_cut_with_a_note(wrap: Callable[[Any], Any]) -> None:
    fits: Any = "deep"
    for _ in range(MAX_DEPTH):
        fits = wrap(fits)
    assert make_safe(fits) == fits
    assert "[cut: nested too deep]" in json.dumps(make_safe(wrap(fits)))


def test_a_text_is_cut_where_it_stands_and_what_is_beside_it_stays() -> None:
    kept = cap_event(make_event("message", text=["x" * 150_000, "beside"])).data["text"]
    assert (len(kept[0]) <= MAX_TEXT, kept[1]) == (True, "beside")
    long = dict.fromkeys("abc", "x" * 90_000)
    kept = cap_event(make_event("message", text=long)).data["text"]
    assert [*kept] == [*long]
    assert all("characters cut" in text for text in kept.values())
    many = {str(number): "x" * 20_000 for number in range(25)}
    kept = cap_event(make_event("message", text=many)).data["text"]
    assert [*kept] == ["cut"]
    assert len(kept["cut"]) <= MAX_TEXT


@pytest.mark.parametrize("output", [["x" * 1000] * 10_000, ["x" * 90_000] * 3])
def test_an_event_has_a_bound_whatever_it_is_given(output: list[str]) -> None:
    many = cap_event(make_event("tool_finished", output=output))
    assert len(json.dumps(many.data)) <= 2 * MAX_TEXT + 1000
    assert "characters cut" in json.dumps(many.data, ensure_ascii=False)


def test_who_did_it_and_the_key_are_made_safe_as_well() -> None:
    odd = make_event("message", "slack:\ud800", "in:\0\udcff", text="")
    assert odd.actor == "slack:\ufffd"
    assert odd.key == "in:\ufffd\ufffd"
    assert make_event("message", text="").key is None


@pytest.mark.parametrize("size", [101, 1000, 1_000_000])
def test_a_cut_keeps_both_ends_and_says_how_much_is_missing(size: int) -> None:
    text = "a" * (size - size // 2) + "b" * (size // 2)
    kept = cut(text, 100)
    assert len(kept) <= 100
    start, note, end = kept.split("\n")
    assert text.startswith(start)
    assert text.endswith(end)
    assert note == f"[… {size - len(start) - len(end)} characters cut …]"
    assert cut(text, size) == text


@pytest.mark.parametrize(
    "other",
    [
        {"intent": "charge", "amount": 2},
        {"intent": "charge", "amount": "1"},
        {"intent": "charge", "amount": 1, "to": None},
        {"intent": "put", "amount": 1},
    ],
)
def test_a_digest_is_that_of_one_call_only(other: dict[str, Any]) -> None:
    call = {"intent": "charge", "amount": 1}
    assert compute_digest(call) == compute_digest({"amount": 1, "intent": "charge"})
    assert compute_digest(call) != compute_digest(other)


def test_a_digest_is_that_of_one_scope_only() -> None:
    call, scope = {"intent": "charge", "amount": 1}, {"amount": 1}
    others = [(call, None), (call, {"amount": 2}), (call | {"amount": 2}, scope)]
    assert all(compute_digest(*other) != compute_digest(call, scope) for other in others)


def test_a_digest_is_the_same_in_every_version_of_the_code() -> None:
    call = {"intent": "charge", "amount": 1}
    assert compute_digest(call) == "f77af919d783876205e02f5fa03559d3"
    assert compute_digest(call, {"amount": 1}) == "073f30c339f85d6c8ab383a43c1e94ba"


# -- the fold --


def test_a_thread_finds_an_event_by_its_key() -> None:
    thread = make_thread(make_message(), STEP, make_result(2))
    assert thread.find("result:2") == thread.events[2]
    assert thread.find("result:3") is None


LIMITS = Limits(steps=10, errors=3, tokens=1000)
CHARGE: CallJson = {"intent": "charge", "amount": 500}
EDITED: CallJson = {"intent": "charge", "amount": 400}
STEP = make_step(**CHARGE)


def word_after(*events: Event) -> str:
    return plan(make_thread(*events).state._replace(outbox=()), LIMITS)


# A message, whatever the thread was doing.

SUPERSEDED: dict[str, tuple[list[Event], str, str]] = {
    "thinking": ([], "ana", "think"),
    "a call not started": ([STEP], "ana", "think"),
    "a call approved and not started": (
        [STEP, make_pause("approval", call=CHARGE), make_answer(3, "approve")],
        "ana",
        "act",
    ),
    "a call that is running": ([STEP, make_start(2)], "ana", "recover"),
    "an approval": ([STEP, make_pause("approval", call=CHARGE)], "ana", "think"),
    "an approval, by somebody else": ([STEP, make_pause("approval", call=CHARGE)], "bob", "think"),
    "a question, by whom it asks": (
        [make_step("ask_person"), make_pause("question")],
        "ana",
        "think",
    ),
    "a question to anyone": (
        [make_step("ask_person"), make_pause("question", "anyone")],
        "bob",
        "think",
    ),
    "a question, by a stranger": ([make_step("ask_person"), make_pause("question")], "bob", "idle"),
    "a limit": ([make_pause("limit")], "ana", "think"),
    "a timer": ([make_step("sleep"), make_pause("timer")], "ana", "think"),
    "a job": ([make_step("train"), make_pause("job")], "ana", "idle"),
    "a doubt": ([STEP, make_start(2), make_pause("in_doubt", call=CHARGE)], "ana", "idle"),
    "a doubt answered with retry": (
        [STEP, make_start(2), make_pause("in_doubt", call=CHARGE), make_answer(4, "retry")],
        "ana",
        "act",
    ),
    "the end": ([make_step("done"), make_event("finished", message="bye")], "ana", "think"),
    "a cancelled thread": ([make_event("cancelled", "ana")], "ana", "think"),
    "a thread cancelled while a tool ran": (
        [STEP, make_start(2), make_event("cancelled", "ana")],
        "ana",
        "recover",
    ),
    "a thread cancelled while a doubt was open": (
        [STEP, make_start(2), make_pause("in_doubt", call=CHARGE), make_event("cancelled", "ana")],
        "ana",
        "recover",
    ),
}


@pytest.mark.parametrize("case", SUPERSEDED.values(), ids=SUPERSEDED)
def test_a_message_supersedes_what_a_person_may_change_their_mind_about(
    case: tuple[list[Event], str, str],
) -> None:
    before, actor, word = case
    assert word_after(make_message(), *before, make_message("wait!", actor)) == word


@pytest.mark.parametrize("kind", ["approval", "limit", "timer", "question"])
def test_a_superseded_wait_leaves_the_outbox(kind: str) -> None:
    waiting = make_thread(make_message(), make_step("x"), make_pause(kind, call=CHARGE))
    assert waiting.state.outbox == (3,)
    assert waiting.plus(make_message()).state.outbox == ()


# A verdict, whatever kind of wait it closes.


def waiting(kind: str) -> list[Event]:
    before = [make_message(), STEP, make_start(2)] if kind == "in_doubt" else [make_message(), STEP]
    if kind == "limit":
        before = [make_message(), *[make_event("invalid_step", error="?", output="?")] * 3]
    return [*before, make_pause(kind, call=CHARGE)]


def test_a_thread_without_events_is_empty_and_counts_nothing() -> None:
    state = Thread("t").state
    assert (state.version, state.status, state.agent, state.owner) == (0, "empty", "", "")
    assert (state.title, state.parent, state.reply_to, state.away) == ("", "", "poll:", "")
    assert (state.steps, state.errors, state.tokens, state.cost) == (0, 0, 0, 0)
    assert (state.closed, state.escalated) == ((0, 0), False)


def test_a_request_may_take_what_the_docs_say() -> None:
    assert Limits() == Limits(30, 3, 500_000, 100_000, math.inf)


AFTER: dict[tuple[str, str], str] = {
    ("question", "answer"): "think",
    ("question", "expired"): "think",
    ("approval", "approve"): "act",
    ("approval", "edit"): "act",
    ("approval", "reject"): "think",
    ("approval", "expired"): "think",
    ("job", "done"): "think",
    ("job", "failed"): "think",
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
    assert allowed == {pair for pair in AFTER if pair[1] != "expired"}


@pytest.mark.parametrize(("kind", "verdict"), AFTER)
def test_a_verdict_closes_the_wait_and_says_how_it_goes_on(kind: str, verdict: str) -> None:
    events = waiting(kind)
    wait = len(events)
    assert make_thread(*events).state.status == f"waiting:{kind}"
    after = make_thread(*events, make_answer(wait, verdict, call=EDITED))
    assert plan(after.state, LIMITS) == AFTER[kind, verdict]
    assert after.state.wait is None
    assert after.state.outbox == ()


def test_an_answer_to_another_wait_closes_nothing() -> None:
    open_wait = make_thread(make_message(), STEP, make_pause("approval", call=CHARGE))
    assert open_wait.plus(replace(make_answer(2, "approve"), seq=4)).state.wait is not None
    assert (
        make_thread(make_message(), STEP, make_answer(2, "approve")).state.step
        == make_thread(make_message(), STEP).state.step
    )


def test_an_answer_never_reopens_a_thread() -> None:
    events = [
        make_message(),
        STEP,
        make_pause("approval", call=CHARGE),
        make_event("cancelled", "ana"),
    ]
    assert word_after(*events, make_answer(3, "approve")) == "idle"


def test_an_edit_replaces_the_call() -> None:
    thread = make_thread(
        make_message(),
        STEP,
        make_pause("approval", call=CHARGE),
        make_answer(3, "edit", call=EDITED),
    )
    assert thread.state.step is not None
    assert thread.state.step.call == EDITED
    assert thread.state.step.approved_by == "ana"


@pytest.mark.parametrize("verdict", ["approve", "edit", "retry", "expired"])
def test_a_verdict_where_no_call_is_open_closes_the_wait_and_nothing_else(verdict: str) -> None:
    asked = make_pause("approval", call=CHARGE, escalate=["bob"])
    state = make_thread(make_message(), asked, make_answer(2, verdict, call=EDITED)).state
    assert (state.wait, state.step, state.escalated) == (None, None, False)


def test_a_call_that_was_open_at_a_limit_is_still_open_after_it() -> None:
    log = [make_message(), STEP, make_start(2), make_pause("limit"), make_answer(4, "continue")]
    assert word_after(*log) == "recover"


def test_approvals_for_the_thread_add_up_and_end_with_a_stop() -> None:
    scope = {"intent": "charge", "values": {}}
    log = [make_message()]
    for wait in (3, 6):
        approved = make_answer(wait, "approve", standing=scope)
        log += [STEP, make_pause("approval", call=CHARGE), approved]
    assert [given.seq for given in make_thread(*log).state.standing] == [4, 7]
    log += [make_pause("limit"), make_answer(8, "stop")]
    assert make_thread(*log).state.standing == ()


def test_stop_ends_the_thread_until_the_next_message() -> None:
    stopped = make_thread(*waiting("limit"), make_answer(5, "stop"))
    assert stopped.state.status == "cancelled"
    assert stopped.plus(make_message()).state.status == "running"


# Tools and their results.


@pytest.mark.parametrize(
    ("before", "word"),
    [
        ([STEP, make_start(2)], "recover"),
        ([STEP, make_start(2), make_result(2)], "think"),
        ([STEP, make_start(2), make_failure(2)], "think"),
        ([STEP, make_start(2), make_start(2), make_result(2)], "think"),
        ([STEP, make_start(2), make_pause("in_doubt", call=CHARGE), make_result(2)], "think"),
        ([STEP, make_start(2), make_event("cancelled", "ana"), make_result(2)], "idle"),
        ([STEP, make_start(2), make_message(), make_result(2)], "think"),
        ([STEP, make_result(1)], "act"),
        ([STEP, make_start(7)], "act"),
        ([STEP, make_failure(7)], "act"),
        ([STEP, make_start(2), make_result(2), make_step("look"), make_failure(2)], "act"),
    ],
)
def test_the_first_result_of_the_open_call_counts(before: list[Event], word: str) -> None:
    assert word_after(make_message(), *before) == word


def test_a_late_result_answers_the_open_doubt() -> None:
    doubt = make_thread(make_message(), STEP, make_start(2), make_pause("in_doubt", call=CHARGE))
    settled = doubt.plus(replace(make_result(2), seq=5))
    assert (settled.state.wait, settled.state.step, settled.state.outbox) == (None, None, ())


# Budgets.

INVALID = make_event("invalid_step", error="?", output="?", tokens={"input": 100, "output": 1})
DISCARDED = make_event("discarded", tokens={"input": 100, "output": 1})


@pytest.mark.parametrize(
    ("events", "counted"),
    [
        ([make_step("look")], (1, 0, 15)),
        ([make_step("look"), make_start(2), make_result(2)], (1, 0, 15)),
        ([INVALID, INVALID], (2, 2, 202)),
        ([DISCARDED], (0, 0, 101)),
        ([make_step("look"), make_failure(2)], (1, 1, 15)),
        ([make_step("look"), make_failure(2), make_step("look"), make_result(4)], (2, 0, 30)),
        ([INVALID, make_message()], (0, 0, 0)),
        ([INVALID, make_message(actor="hook:github")], (1, 1, 101)),
        ([INVALID, make_message(actor="cron:nightly")], (1, 1, 101)),
        ([INVALID, make_pause("limit"), make_answer(3, "continue")], (0, 0, 0)),
        ([INVALID, make_pause("timer"), make_answer(3, "done", "system")], (1, 1, 101)),
        ([INVALID, make_event("compacted", upto=1, text="")], (1, 1, 101)),
        ([make_step("done"), make_event("finished", message="bye"), make_message()], (0, 0, 0)),
        ([make_event("step", call=CHARGE)], (1, 0, 0)),
        ([make_event("step", call=CHARGE, tokens={"input": 7, "cached": 5})], (1, 0, 7)),
        ([make_event("step", call=CHARGE, tokens={"output": 7})], (1, 0, 7)),
    ],
)
def test_budgets_count_since_the_last_word_of_a_person(
    events: list[Event], counted: tuple[int, int, int]
) -> None:
    state = make_thread(make_message(), *events).state
    assert (state.steps, state.errors, state.tokens) == counted


# Who, and where to.


def test_the_people_of_a_thread_are_those_who_took_part_or_were_asked() -> None:
    asked = make_pause("question", "bob", "anyone", "owner")
    log = [make_message(), make_message(actor="cron:nightly"), asked]
    assert make_thread(*log).state.people == {"ana", "bob"}
    fork = make_event("forked", "eve", thread="t", seq=3)
    assert make_thread(*log, fork).state.people == {"eve"}


def test_the_title_is_the_first_text_on_one_line() -> None:
    facts = make_event("message", "system", facts={"tags": ["v1"]})
    log = [facts, make_message("two\nlines"), make_message("more")]
    assert make_thread(facts).state.title == ""
    assert make_thread(*log).state.title == "two lines"


def test_a_thread_begins_with_nothing_spent() -> None:
    state = make_thread(make_message(actor="cron:nightly")).state
    assert (state.steps, state.errors, state.tokens) == (0, 0, 0)


def test_the_first_message_says_who_owns_the_thread_and_where_it_is_answered() -> None:
    thread = make_thread(
        make_message(reply_to="slack:C1"), make_message(actor="bob", reply_to="email:x")
    )
    assert (thread.state.owner, thread.state.reply_to) == ("ana", "slack:C1")


def test_a_fork_belongs_to_whoever_made_it_and_answers_nobody_in_the_original() -> None:
    events = [
        make_message(reply_to="slack:C1"),
        make_step("done"),
        make_event("finished", message="bye"),
    ]
    fork = make_thread(*events, make_event("forked", "bob", thread="t", seq=3)).state
    assert (fork.owner, fork.reply_to, fork.outbox) == ("bob", "poll:", ())
    assert make_thread(*events).state.outbox == (3,)


RECEIPT = {"receipt": {"slack": "1"}}


@pytest.mark.parametrize(
    ("shown", "closing", "outbox"),
    [
        (RECEIPT, make_answer(2, "stop"), (4,)),
        (RECEIPT, make_message("never mind"), (4,)),
        (RECEIPT, make_event("cancelled", "ana", reason=""), (4,)),
        (RECEIPT, make_event("discarded"), ()),
        ({}, make_answer(2, "stop"), ()),
        ({"error": "away"}, make_answer(2, "stop"), ()),
    ],
)
def test_who_keeps_a_receipt_of_a_wait_is_told_what_closed_it(
    shown: dict[str, Any], closing: Event, outbox: tuple[int, ...]
) -> None:
    log = [make_message(), make_pause("limit"), make_delivery(2, **shown), closing]
    assert make_thread(*log).state.outbox == outbox
    assert make_thread(*log, make_delivery(4)).state.outbox == ()


@pytest.mark.parametrize(("shown", "outbox"), [(RECEIPT, (3,)), ({}, ())])
def test_a_wait_that_is_closed_while_it_is_sent_is_closed_for_those_who_see_it(
    shown: dict[str, Any], outbox: tuple[int, ...]
) -> None:
    log = [make_message(), make_pause("limit"), make_answer(2, "stop"), make_delivery(2, **shown)]
    assert make_thread(*log).state.outbox == outbox
    assert make_thread(*log, make_delivery(3), make_delivery(2, **shown)).state.outbox == ()
    assert (
        make_thread(*log[:3], make_event("forked", "bob", thread="t", seq=3), log[3]).state.outbox
        == ()
    )


def test_what_closed_a_wait_is_shown_beside_what_else_is_to_be_shown() -> None:
    ended = [make_message(), make_event("finished", message="bye"), make_message()]
    asked, answer, seen = make_pause("limit"), make_answer(4, "stop"), make_delivery(4, **RECEIPT)
    assert make_thread(*ended, asked, answer, seen).state.outbox == (2, 5)
    assert make_thread(*ended, asked, seen, answer).state.outbox == (2, 6)


def test_a_receipt_for_something_else_is_none_for_the_open_wait() -> None:
    ended = [make_message(), make_event("finished", message="bye"), make_message()]
    receipt = [make_pause("limit"), make_delivery(2, **RECEIPT), make_answer(4, "continue")]
    assert make_thread(*ended, *receipt).state.outbox == ()


def test_a_reminder_of_a_closed_wait_is_none_of_the_open_one() -> None:
    answered = [make_message(), make_pause("question"), make_answer(2, "answer")]
    late = make_event("reminded", "system", wait=2)
    wait = make_thread(*answered, make_pause("question"), late).state.wait
    assert wait is not None
    assert wait.reminder == 0


def test_what_closes_a_wait_of_a_fork_is_told_to_nobody_in_the_original() -> None:
    log = [
        make_message(),
        make_pause("limit"),
        make_delivery(2, **RECEIPT),
        make_event("forked", "bob", thread="t", seq=3),
    ]
    assert make_thread(*log, make_answer(2, "continue", "bob")).state.outbox == ()


@pytest.mark.parametrize(
    ("events", "outbox"),
    [
        ([make_pause("question")], (2,)),
        ([make_pause("question"), make_delivery(2)], ()),
        ([make_pause("question"), make_answer(2, "answer")], ()),
        ([make_pause("question"), make_event("cancelled", "ana")], ()),
        ([make_pause("question"), make_event("finished", message="bye")], (3,)),
        ([make_event("finished", message="bye")], (2,)),
        ([make_event("finished", message="bye"), make_delivery(2, error="gone")], ()),
        ([make_event("finished", message="bye"), make_message()], (2,)),
        ([make_event("finished", message="bye")] * 2, (2, 3)),
        ([make_event("finished", message="bye"), make_message(), make_pause("question")], (2, 4)),
        (
            [
                make_event("finished", message="bye"),
                make_message(),
                make_pause("question"),
                make_delivery(4),
            ],
            (2,),
        ),
    ],
)
def test_the_outbox_is_what_is_finished_and_the_open_wait(
    events: list[Event], outbox: tuple[int, ...]
) -> None:
    assert make_thread(make_message(), *events).state.outbox == outbox


# The name of an effect.

AGAIN: dict[str, tuple[list[Event], bool]] = {
    "a crash": ([make_start(2)], True),
    "a timeout": ([make_start(2), make_failure(2, definite=False), make_step(**CHARGE)], True),
    "a retry": (
        [make_start(2), make_pause("in_doubt", call=CHARGE), make_answer(4, "retry")],
        True,
    ),
    "given up": (
        [
            make_start(2),
            make_pause("in_doubt", call=CHARGE),
            make_answer(4, "abort"),
            make_step(**CHARGE),
        ],
        True,
    ),
    "rejected": (
        [make_pause("approval", call=CHARGE), make_answer(3, "reject"), make_step(**CHARGE)],
        True,
    ),
    "another call's success": (
        [make_message(), make_step("look"), make_result(4), make_step(**CHARGE)],
        True,
    ),
    "a success": ([make_start(2), make_result(2), make_step(**CHARGE)], False),
    "a definite failure": ([make_start(2), make_failure(2), make_step(**CHARGE)], False),
    "confirmed by a person": (
        [
            make_start(2),
            make_pause("in_doubt", call=CHARGE),
            make_answer(4, "happened"),
            make_step(**CHARGE),
        ],
        False,
    ),
    "edited into another": (
        [make_pause("approval", call=CHARGE), make_answer(3, "edit", call=EDITED)],
        False,
    ),
}


@pytest.mark.parametrize("case", AGAIN.values(), ids=AGAIN)
def test_an_effect_keeps_its_name_until_its_outcome_is_certain(
    case: tuple[list[Event], bool],
) -> None:
    later, same = case
    first = idempotency_key(make_thread(make_message(), STEP))
    assert (idempotency_key(make_thread(make_message(), STEP, *later)) == first) is same


def test_an_edited_call_that_ran_settles_itself_and_not_what_the_model_proposed() -> None:
    edited = [STEP, make_pause("approval", call=CHARGE), make_answer(3, "edit", call=EDITED)]
    done = make_thread(make_message(), *edited, make_start(2), make_result(2))
    assert done.state.settled == (compute_digest(EDITED),)


def test_two_threads_never_share_an_effect() -> None:
    one, other = make_thread(make_message(), STEP), make_thread(make_message(), STEP, thread_id="u")
    assert idempotency_key(one) != idempotency_key(other)


# What no log can break.


@given(logs(), st.data())
def test_any_part_of_any_log_folds(thread: Thread, data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=0, max_size=len(thread.events)))
    part = [each for each, keep in zip(thread.events, kept, strict=False) if keep]
    state = Thread("t", tuple(part)).state
    assert plan(state, LIMITS)
    assert state.status


@given(logs())
def test_a_fold_in_parts_is_the_fold_at_once_and_changes_no_event(thread: Thread) -> None:
    before = deepcopy(thread.events)
    for place in range(len(thread.events)):
        parts = Thread("t", thread.events[:place]).plus(*thread.events[place:])
        assert parts.state == thread.state
    assert reduce(State(), thread.events[0]) == reduce(State(), thread.events[0])
    assert thread.events == before


@given(logs())
def test_one_wait_is_open_at_a_time_and_only_it_its_end_and_that_of_all_are_in_the_outbox(
    thread: Thread,
) -> None:
    state, closing, unseen = State(), set[int](), dict[int, int]()
    for each in thread.events:
        if each.type in ("paused", "step", "invalid_step", "finished", "compacted"):
            assert state.wait is None, f"event {each.seq} came while {state.wait} was open"
            assert state.ended is None, f"event {each.seq} came after the end"
        wait, state = state.wait, reduce(state, each)
        if wait and not state.wait and wait.shown:
            closing.add(each.seq)
        elif wait and not state.wait:
            unseen[wait.seq] = each.seq
        if each.type == "delivered" and each.data["ref"] in unseen:
            closing.add(unseen[each.data["ref"]])
        for ref in state.outbox:
            ends = thread.event(ref).type == "finished" or ref in closing
            assert ends or (state.wait and state.wait.seq == ref)


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
    thread = make_thread(make_message(), STEP)
    later = thread.plus(Event(event_type, {"odd": 1}, seq=3))
    assert later.state == thread.state._replace(version=3)


# -- what it comes to, and what is next --


RUNNING = State(version=1, ended=None, owner="ana")
OPEN_STEP = OpenStep(2, {"intent": "look"})
OPEN_WAIT = OpenWait(3, "question", "?", ("ana",), {})


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State(), "idle"),
        (RUNNING, "think"),
        (RUNNING._replace(step=OPEN_STEP), "act"),
        (RUNNING._replace(step=OPEN_STEP._replace(approved_by="ana")), "act"),
        (RUNNING._replace(step=OPEN_STEP._replace(starts=1)), "recover"),
        (RUNNING._replace(wait=OPEN_WAIT), "idle"),
        (RUNNING._replace(wait=OPEN_WAIT, step=OPEN_STEP), "idle"),
        (RUNNING._replace(wait=OPEN_WAIT, step=OPEN_STEP, outbox=(3,)), "deliver"),
        (RUNNING._replace(ended="finished"), "idle"),
        (RUNNING._replace(ended="finished", outbox=(3,)), "deliver"),
        (RUNNING._replace(ended="cancelled", step=OPEN_STEP._replace(starts=1)), "idle"),
        (RUNNING._replace(step=OPEN_STEP, steps=10, errors=3, tokens=1000), "act"),
        (RUNNING._replace(outbox=(3,), steps=10), "deliver"),
        (RUNNING._replace(steps=9, errors=2, tokens=999), "think"),
        (RUNNING._replace(steps=10), "escalate"),
        (RUNNING._replace(errors=3), "escalate"),
        (RUNNING._replace(tokens=1000), "escalate"),
    ],
)
def test_the_plan_is_one_word(state: State, word: Word) -> None:
    assert plan(state, LIMITS) == word
    assert word in get_args(Word)


def test_a_delivery_that_has_to_wait_keeps_nothing_else_from_happening() -> None:
    told_later = RUNNING._replace(outbox=(3,))
    assert plan(told_later, LIMITS, frozenset({3})) == "think"
    assert plan(told_later._replace(step=OPEN_STEP), LIMITS, frozenset({3})) == "act"
    assert plan(told_later._replace(outbox=(3, 4)), LIMITS, frozenset({3})) == "deliver"
    assert plan(told_later._replace(wait=OPEN_WAIT), LIMITS, frozenset({3})) == "idle"


@pytest.mark.parametrize(
    ("actor", "person"),
    [
        ("ana", True),
        ("slack:U1", True),
        ("cli:ana", True),
        ("agent", False),
        ("system", False),
        ("cron:nightly", False),
        ("hook:github", False),
        ("systematic", True),
    ],
)
def test_only_a_person_gives_a_thread_a_new_budget(actor: str, person: bool) -> None:
    assert is_person(actor) is person


@pytest.mark.parametrize(
    ("audience", "admitted"),
    [(("ana",), True), (("bob", "ana"), True), (("bob",), False), (("anyone",), True), ((), False)],
)
def test_a_wait_admits_whom_it_names(audience: tuple[str, ...], admitted: bool) -> None:
    assert OPEN_WAIT._replace(audience=audience).admits("ana") is admitted


def test_a_wait_that_says_nothing_has_no_text_and_no_audience() -> None:
    wait = make_thread(make_message(), make_event("paused", kind="timer")).state.wait
    assert wait is not None
    assert (wait.text, wait.audience) == ("", ())


def test_a_wait_knows_when_it_is_over() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert OPEN_WAIT.expires_at is None
    assert OPEN_WAIT._replace(data={"expires_at": noon.isoformat()}).expires_at == noon


def test_every_wait_that_control_flow_can_open_has_its_verdicts() -> None:
    kinds = {"question", "approval", "limit", "in_doubt"}
    assert kinds | set(get_args(Wait.__annotations__["kind"])) == set(VERDICTS)
    assert not any("expired" in verdicts for verdicts in VERDICTS.values())


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State(), "empty"),
        (RUNNING, "running"),
        (RUNNING._replace(wait=OPEN_WAIT), "waiting:question"),
        (RUNNING._replace(ended="finished"), "finished"),
        (RUNNING._replace(ended="cancelled"), "cancelled"),
    ],
)
def test_the_status_is_computed(state: State, status: str) -> None:
    assert state.status == status


@pytest.mark.parametrize(
    ("home", "audience", "sent"),
    [
        ("poll:", ["ana"], False),
        ("poll:", ["anyone"], False),
        ("poll:", ["bob", "ana"], False),  # ana started it, and follows it
        ("poll:", ["bob"], True),
        ("slack:C1", ["ana"], True),
    ],
)
def test_nobody_is_notified_who_follows_the_thread_anyway(
    home: str, audience: list[str], sent: bool
) -> None:
    asked = make_thread(make_message(reply_to=home), make_pause("question", *audience))
    reminded = asked.plus(replace(make_event("reminded", "system", wait=2), seq=3))
    assert asked.state.outbox == ((2,) if sent else ())
    assert reminded.state.outbox == ((2, 3) if sent else ())


@pytest.mark.parametrize(("home", "outbox"), [("poll:", ()), ("email:ana@example.org", (2,))])
def test_a_result_is_sent_where_the_thread_came_from(home: str, outbox: tuple[int, ...]) -> None:
    log = make_message(reply_to=home), make_event("finished", message="bye")
    assert make_thread(*log).state.outbox == outbox


def test_people_are_notified_once_that_another_model_stands_in() -> None:
    def stand_in(away: str) -> Event:
        step = make_step("look", at="x")
        return replace(step, data=step.data | ({"instead_of": away} if away else {}))

    log = [make_message()]
    outboxes = []
    for away in ("", "a", "a", "b", "", "a"):
        log.append(stand_in(away))
        outboxes.append(make_thread(*log).state.outbox)
    assert outboxes == [(), (3,), (3,), (3, 5), (3, 5), (3, 5, 7)]

"""Events as sentences: who did what."""

from typing import Any

import pytest
from hypothesis import given, settings

from agent.engine.log.events import Event, make_event
from agent.engine.log.thread import Thread
from agent.engine.people.words import describe_event, format_call, format_title, shorten

from ..domain import EVERY_EVENT, make_answer, make_delivery, make_message, make_pause, make_thread
from ..play import logs

CALL = {"intent": "charge", "amount": 5}


def last_sentence(*events: Event) -> str:
    """Return what the last of these events reads like in a terminal."""
    thread = make_thread(*events)
    sentence = describe_event(thread, thread.events[-1])
    return f"{sentence.who} {sentence.line}"


def test_every_event_is_a_sentence() -> None:
    thread = make_thread(*EVERY_EVENT)
    sentences = [describe_event(thread, each) for each in thread.events]
    assert [f"{each.who} {each.line}" for each in sentences] == [
        "ana said: Hi",
        "system prefetched tags",
        "agent chose charge(amount=500)",
        "agent asked ana for approval: approval?",
        "agent notified ana by slack of the approval request",
        "bob edited and approved charge(amount=5): less",
        "agent started charge",
        "agent started charge again, as the last run reported no result",
        'charge returned: {"charged": 5}',
        "charge returned too late to count: late",
        "agent returned an invalid step: no intent",
        "agent discarded a reply because the thread changed meanwhile",
        'agent chose look(at="x")',
        "agent started look",
        "look failed, outcome unknown: broken",
        "agent summarized the events up to 3",
        "agent asked ana whether to go on: limit?",
        "bob said: go on",
        "agent could not notify anybody of the limit: no channel",
        "agent finished: done it",
        "ana forked thread origin after event 20",
        "ana cancelled the thread: enough",
        'agent from_tomorrow: {"what": "who knows"}',
    ]


@settings(max_examples=30, deadline=None)
@given(logs())
def test_every_log_reads_as_sentences_of_one_line(thread: Thread) -> None:
    for each in thread.events:
        line = describe_event(thread, each).line
        assert line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("user", "ana said: hello"),
        ("ana", "ana said: hello"),
        ("slack", "ana said via slack: hello"),
    ],
)
def test_a_message_says_which_way_it_came(source: str, sentence: str) -> None:
    assert last_sentence(make_message(source=source)) == sentence


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"tags": 1, "people": 2}, "system prefetched tags, people"),
        ({}, "system prefetched nothing"),
        ({"prefetch_error": "no network"}, "system could not prefetch: no network"),
    ],
)
def test_a_prefetch_names_its_facts(facts: dict[str, Any], sentence: str) -> None:
    assert last_sentence(make_event("message", "system", facts=facts)) == sentence


def test_the_values_of_a_prompt_are_no_facts() -> None:
    values = {"team": "Payments"}
    filled = make_event("message", "system", facts={}, source="prefetch", variables=values)
    assert last_sentence(filled) == "system filled in the system prompt"


@pytest.mark.parametrize(
    ("kind", "verdict", "asks", "answers", "noun"),
    [
        ("question", "answer", "asked ana", "answered", "question"),
        ("approval", "approve", "asked ana for approval", "approved charge", "approval request"),
        ("approval", "reject", "asked ana for approval", "rejected charge", "approval request"),
        ("limit", "continue", "asked ana whether to go on", "decided to go on", "limit"),
        ("limit", "stop", "asked ana whether to go on", "decided to stop", "limit"),
        (
            "in_doubt",
            "happened",
            "asked ana what happened",
            "confirmed that charge went through",
            "unknown outcome",
        ),
        (
            "in_doubt",
            "retry",
            "asked ana what happened",
            "decided to run charge again",
            "unknown outcome",
        ),
        ("in_doubt", "abort", "asked ana what happened", "gave up on charge", "unknown outcome"),
        ("job", "done", "started waiting for a job", "reported the job as done", "job"),
        ("job", "failed", "started waiting for a job", "reported the job as failed", "job"),
        ("timer", "done", "started a timer", "ended the timer", "timer"),
        (
            "question",
            "expired",
            "asked ana",
            "closed the question because nobody answered in time",
            "question",
        ),
        ("question", "from_tomorrow", "asked ana", "from_tomorrow", "question"),
    ],
)
def test_a_wait_is_asked_notified_and_answered_in_words_of_its_own(
    kind: str, verdict: str, asks: str, answers: str, noun: str
) -> None:
    wait = make_message(), make_pause(kind, call=CALL)
    assert last_sentence(*wait) == f"agent {asks}: {kind}?"
    reached = make_delivery(2, reached={"slack": ["ana"]})
    assert last_sentence(*wait, reached) == f"agent notified ana by slack of the {noun}"
    assert last_sentence(*wait, make_answer(2, verdict, "bob", text="ok")) == f"bob {answers}: ok"


def test_those_who_are_asked_are_named_unless_anyone_is() -> None:
    assert last_sentence(make_message(), make_pause("limit", "ana", "bob")) == (
        "agent asked ana or bob whether to go on: limit?"
    )
    assert (
        last_sentence(make_message(), make_pause("question", "anyone")) == "agent asked: question?"
    )


LIMIT, BOTH = make_pause("limit", "bob", "eve"), {"slack": ["bob", "eve"]}


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ([LIMIT, make_delivery(2, reached=BOTH)], "notified bob and eve by slack of the limit"),
        (
            [LIMIT, make_delivery(2, reached={"slack": ["bob"], "email": ["eve"]})],
            "notified bob by slack, eve by email of the limit",
        ),
        ([LIMIT, make_delivery(2)], "notified nobody of the limit"),
        ([LIMIT, make_delivery(2, error="away")], "could not notify anybody of the limit: away"),
        (
            [LIMIT, make_delivery(2, error="away", reached={"slack": ["bob"]})],
            "notified bob by slack of the limit: away",
        ),
        (
            [LIMIT, make_event("reminded", "system", wait=2), make_delivery(3, reached=BOTH)],
            "notified bob and eve by slack of the limit again",
        ),
        (
            [make_event("finished", message="bye"), make_delivery(2, reached={"email": ["ana"]})],
            "notified ana by email of the result",
        ),
        (
            [LIMIT, make_answer(2, "stop", "bob"), make_delivery(3)],
            "updated the messages about the limit",
        ),
        ([make_delivery(9)], "updated the messages about the question"),
    ],
)
def test_a_delivery_says_who_was_notified_of_what(log: list[Event], sentence: str) -> None:
    assert last_sentence(make_message(), *log) == f"agent {sentence}"


def test_a_call_is_one_line_and_its_values_are_quoted() -> None:
    call = {"intent": "put", "value": 'a\n"b"', "times": 2}
    assert format_call(call) == 'put(value="a\\n\\"b\\"", times=2)'
    assert len(format_call({"intent": "put", "value": "x" * 1000})) == 300


def test_what_is_long_is_cut_at_its_end() -> None:
    assert shorten("x" * 1000, 10) == "x" * 9 + "…"
    assert shorten(" a\n  b ") == "a b"


def test_a_title_is_how_a_thread_began() -> None:
    prefetched = make_event("message", "system", facts={})
    assert format_title(make_thread(prefetched, make_message(" a\nb "))) == "a b"
    assert len(format_title(make_thread(make_message("x" * 500)))) == 120
    assert format_title(Thread("t")) == "t"


def test_a_verdict_of_a_later_version_is_shown_as_it_is() -> None:
    thread = make_thread(make_message(), make_pause("limit"), make_answer(2, "{0.display}"))
    assert describe_event(thread, thread.event(3)).did == "{0.display}"


def test_a_notice_of_another_model_is_named() -> None:
    step = make_event("step", call={"intent": "look"}, instead_of="a", model="b")
    told = make_event("delivered", "agent", ref=2, reached={"slack": ["ana"]})
    thread = make_thread(make_message(), step, told)
    line = describe_event(thread, thread.events[-1]).line
    assert line == "notified ana by slack that another model stands in"

"""What a thread comes to, and the word that says what is next."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from agent.actions import Wait
from agent.state import VERDICTS, Limits, OpenStep, OpenWait, State, Word, is_person, plan

LIMITS = Limits(steps=10, errors=3, tokens=1000)
RUNNING = State(version=1, ended=None, owner="ana")
STEP = OpenStep(2, {"intent": "look"})
WAIT = OpenWait(3, "question", "?", ("ana",), {})


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State(), "idle"),
        (RUNNING, "think"),
        (replace(RUNNING, step=STEP), "act"),
        (replace(RUNNING, step=replace(STEP, approved=True)), "act"),
        (replace(RUNNING, step=replace(STEP, starts=1)), "recover"),
        (replace(RUNNING, wait=WAIT), "idle"),
        (replace(RUNNING, wait=WAIT, step=STEP), "idle"),
        (replace(RUNNING, wait=WAIT, step=STEP, outbox=(3,)), "deliver"),
        (replace(RUNNING, ended="finished"), "idle"),
        (replace(RUNNING, ended="finished", outbox=(3,)), "deliver"),
        (replace(RUNNING, ended="cancelled", step=replace(STEP, starts=1)), "idle"),
        (replace(RUNNING, step=STEP, steps=10, errors=3, tokens=1000), "act"),
        (replace(RUNNING, outbox=(3,), steps=10), "deliver"),
        (replace(RUNNING, steps=9, errors=2, tokens=999), "think"),
        (replace(RUNNING, steps=10), "escalate"),
        (replace(RUNNING, errors=3), "escalate"),
        (replace(RUNNING, tokens=1000), "escalate"),
    ],
)
def test_the_plan_is_one_word(state: State, word: Word) -> None:
    assert plan(state, LIMITS) == word
    assert word in get_args(Word)


def test_a_delivery_that_has_to_wait_keeps_nothing_else_from_happening() -> None:
    told_later = replace(RUNNING, outbox=(3,))
    assert plan(told_later, LIMITS, frozenset({3})) == "think"
    assert plan(replace(told_later, step=STEP), LIMITS, frozenset({3})) == "act"
    assert plan(replace(told_later, outbox=(3, 4)), LIMITS, frozenset({3})) == "deliver"
    assert plan(replace(told_later, wait=WAIT), LIMITS, frozenset({3})) == "idle"


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
    assert replace(WAIT, audience=audience).admits("ana") is admitted


def test_a_wait_knows_when_it_is_over() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert WAIT.expires_at is None
    assert replace(WAIT, data={"expires_at": noon.isoformat()}).expires_at == noon


def test_every_wait_that_control_flow_can_open_has_its_verdicts() -> None:
    kinds = {"question", "approval", "limit", "in_doubt"}
    assert kinds | set(get_args(Wait.__annotations__["kind"])) == set(VERDICTS)
    assert not any("expired" in verdicts for verdicts in VERDICTS.values())


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State(), "empty"),
        (RUNNING, "running"),
        (replace(RUNNING, wait=WAIT), "waiting:question"),
        (replace(RUNNING, ended="finished"), "finished"),
        (replace(RUNNING, ended="cancelled"), "cancelled"),
    ],
)
def test_the_status_is_computed(state: State, status: str) -> None:
    assert state.status == status

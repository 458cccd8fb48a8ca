"""Answers over HTTP: the first that fits counts, every other one is told why not."""

import asyncio
from pathlib import Path
from typing import Any, get_args

import pytest

from agent.events import Call, digest
from agent.ports import Agent, Summary
from agent.runners.local import LocalRunner
from agent.state import VERDICTS
from agent.stores.memory import MemoryStore
from agent.stores.sqlite import SqliteStore
from agent.triggers.http.bodies import Verdict

from ...domain import Says, World, agent_of, chose, paused, said, stored
from .conftest import Asleep, Caller, api_of, caller, until

CHARGE: Call = {"intent": "charge", "amount": 500}
APPROVE = {"verdict": "approve", "digest": digest(CHARGE)}


async def asking(store: MemoryStore, *audience: str, **data: Any) -> None:
    """Store a thread `t` whose wait 3 asks for leave to charge."""
    pause = paused("approval", *audience, call=CHARGE, **data)
    await stored(store, said(), chose(**CHARGE), pause)


async def test_a_wait_is_listed_with_everything_needed_to_answer(
    ana: Caller, store: MemoryStore
) -> None:
    await asking(store, "ana", "bob", expires_at="2027-01-01T12:00:00+00:00")
    await stored(store, said(), paused("question", "anyone"), thread_id="asks")
    await stored(store, said(), thread_id="runs")
    listed = {wait["thread"]: wait for wait in (await ana.get("/waits")).json()}
    assert listed.keys() == {"t", "asks"}
    assert listed["t"] == {
        "thread": "t",
        "wait": 3,
        "kind": "approval",
        "text": "approval?",
        "verdicts": ["approve", "edit", "reject"],
        "audience": ["ana", "bob"],
        "options": None,
        "call": CHARGE,
        "digest": digest(CHARGE),
        "expires_at": "2027-01-01T12:00:00Z",
    }
    assert (await ana.get("/threads/t")).json()["wait"] == listed["t"]


async def test_a_question_is_listed_with_its_options(ana: Caller, store: MemoryStore) -> None:
    options = {"urgency": "high", "format": "multiple_choice", "choices": ["red", "blue"]}
    await stored(store, said(), paused("question", options=options))
    (listed,) = (await ana.get("/waits")).json()
    assert listed["options"] == options


async def test_a_wait_that_was_closed_meanwhile_is_not_listed(
    ana: Caller, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asking(store)
    before = await store.threads(waiting=True)

    async def threads(waiting: bool = False, limit: int = 100) -> list[Summary]:
        return before

    monkeypatch.setattr(store, "threads", threads)
    await ana.post("/threads/t/waits/3", json={"verdict": "reject"})
    assert (await ana.get("/waits")).json() == []


async def test_two_people_approve_at_once_and_the_second_reads_who_was_first(
    tmp_path: Path, world: World
) -> None:
    store = SqliteStore(tmp_path / "threads.db")
    api = api_of(agent_of(store, Says(), world), runner := Asleep())
    await stored(store, said(), chose(**CHARGE), paused("approval", "ana", "bob", call=CHARGE))
    async with caller(api, "ana") as ana, caller(api, "bob") as bob:
        answers = await asyncio.gather(
            *(who.post("/threads/t/waits/3", json=APPROVE) for who in (ana, bob, ana, bob))
        )
    won = (await store.load("t")).events[-1].actor
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    refused = {answer.json()["detail"] for answer in answers if answer.status_code == 409}
    assert refused == {f"already closed: approve by {won}"}
    assert [past.type for past in (await store.load("t")).events].count("resumed") == 1
    assert runner.woken == ["t"]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ana", {"verdict": "approve"}, "not the call you were shown"),
    ("ana", {"verdict": "approve", "digest": digest({"intent": "charge"})}, "not the call"),
    ("ana", {"verdict": "answer"}, "does not answer this approval"),
    ("bob", APPROVE, "bob is not asked; ana may answer"),
    ("ana", {**APPROVE, "verdict": "edit"}, "an edit changes the arguments"),
    ("ana", {**APPROVE, "verdict": "edit", "call": {"intent": "done"}}, "an edit changes"),
    ("ana", {**APPROVE, "verdict": "edit", "call": {"amount": "all"}}, "is not valid"),
]


@pytest.mark.parametrize(("who", "body", "why"), REFUSED)
async def test_an_answer_that_does_not_fit_is_refused_and_the_wait_stays_open(
    ana: Caller, bob: Caller, store: MemoryStore, who: str, body: dict[str, Any], why: str
) -> None:
    await asking(store)
    answer = await {"ana": ana, "bob": bob}[who].post("/threads/t/waits/3", json=body)
    assert answer.status_code == 409
    assert why in answer.json()["detail"]
    assert (await store.load("t")).state.wait


async def test_an_answer_to_an_expired_or_superseded_wait_is_refused(
    ana: Caller, store: MemoryStore, clock: Any
) -> None:
    await asking(store, expires_at="2027-01-15T09:00:00+00:00")
    clock.tick(7200)
    expired = await ana.post("/threads/t/waits/3", json=APPROVE)
    assert (expired.status_code, expired.json()["detail"]) == (
        409,
        "already closed: expired by system",
    )
    await stored(store, said(), paused("question"), said("never mind"), thread_id="superseded")
    late = await ana.post("/threads/superseded/waits/2", json={"verdict": "answer"})
    assert late.status_code == 409
    assert "not waiting for an answer" in late.json()["detail"]


async def test_an_answer_to_nothing_is_not_found(ana: Caller) -> None:
    answer = await ana.post("/threads/none/waits/3", json=APPROVE)
    assert answer.status_code == 404


async def test_nobody_approves_by_get(ana: Caller, store: MemoryStore) -> None:
    await asking(store)
    answer = await ana.get("/threads/t/waits/3", params=APPROVE)
    assert answer.status_code == 405
    assert (await store.load("t")).state.wait


async def test_every_verdict_can_be_said() -> None:
    assert set(get_args(Verdict)) == set().union(*VERDICTS.values())


def opened(folder: Path, world: World, *replies: Any) -> Agent:
    return agent_of(SqliteStore(folder / "threads.db"), Says(*replies), world)


@pytest.mark.parametrize(
    ("body", "charged"),
    [
        (APPROVE, ["500"]),
        ({**APPROVE, "verdict": "edit", "call": {"amount": 400}}, ["400"]),
        ({"verdict": "reject", "text": "too much"}, []),
    ],
)
async def test_the_answer_comes_after_a_restart_and_the_thread_runs_to_its_end(
    tmp_path: Path, world: World, body: dict[str, Any], charged: list[str]
) -> None:
    before = opened(tmp_path, world, {"intent": "look", "at": "x"}, CHARGE)
    api = api_of(before, LocalRunner(before, poll_s=0.01))
    async with api.router.lifespan_context(api), caller(api, "ana") as ana:
        headers = {"Idempotency-Key": "k"}
        begun = await ana.post("/threads", json={"text": "charge"}, headers=headers)
        thread_id = begun.json()["id"]
        wait = (await until(ana, "/waits", len))[0]["wait"]

    after = opened(tmp_path, world, {"intent": "done", "message": "bye"})
    api = api_of(after, LocalRunner(after, poll_s=0.01))
    async with api.router.lifespan_context(api), caller(api, "ana") as ana:
        answer = await ana.post(f"/threads/{thread_id}/waits/{wait}", json=body)
        assert answer.json() == {"id": thread_id, "seq": wait + 2}  # `delivered` came between
        read = await until(ana, f"/threads/{thread_id}", lambda now: now["status"] == "finished")
    assert world.effects("charge") == charged
    assert [event["type"] for event in read["events"]].count("step") == 3

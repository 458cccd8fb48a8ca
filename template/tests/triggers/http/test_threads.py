"""Messages in, threads out: what 202 promises, and what one Idempotency-Key may mean."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from agent.events import Event
from agent.ports import Agent
from agent.stores.memory import MemoryStore
from agent.stores.sqlite import SqliteStore
from agent.triggers.http import views
from agent.triggers.http.bodies import MAX_TEXT

from ...domain import Says, World, agent_of, said, stored
from .conftest import Asleep, Caller, api_of, begin, caller


async def test_202_means_recorded_and_the_runner_woken_never_done(
    ana: Caller, agent: Agent, runner: Asleep
) -> None:
    answer = await begin(ana, "deploy")
    assert answer.status_code == 202
    thread = await agent.store.load(answer.json()["id"])
    assert answer.json() == {"id": thread.id, "seq": 1}
    assert answer.headers["location"] == f"/threads/{thread.id}"
    assert [(past.type, past.actor, past.data["text"]) for past in thread.events] == [
        ("message", "ana", "deploy")
    ]
    assert runner.woken == [thread.id]


async def test_one_key_sent_eight_times_at_once_and_again_later_is_one_message(
    tmp_path: Path, world: World
) -> None:
    agent = agent_of(SqliteStore(tmp_path / "threads.db"), Says(), world)
    async with caller(api_of(agent, Asleep()), "ana") as ana:
        answers = await asyncio.gather(*(begin(ana) for _ in range(8)))
        thread_id = answers[0].json()["id"]
        await ana.post(f"/threads/{thread_id}/cancel")
        answers.append(await begin(ana))
        assert [answer.status_code for answer in answers] == [202] * 9
        assert {str(answer.json()) for answer in answers} == {str(answers[0].json())}
        thread = await agent.store.load(thread_id)
        assert [past.type for past in thread.events] == ["message", "cancelled"]
        assert len(await agent.store.threads()) == 1


async def test_one_key_with_another_text_is_refused(ana: Caller, agent: Agent) -> None:
    first = await begin(ana, "deploy v1")
    other = await begin(ana, "deploy v2")
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]
    assert len((await agent.store.load(first.json()["id"])).events) == 1


async def test_one_key_of_two_actors_is_two_threads(ana: Caller, bob: Caller) -> None:
    mine, other = await begin(ana, "deploy"), await begin(bob, "delete everything")
    assert other.status_code == 202
    assert mine.json()["id"] != other.json()["id"]


async def test_a_conversation_names_the_thread_of_its_actor(
    ana: Caller, bob: Caller, agent: Agent
) -> None:
    first = await begin(ana, "one", "k1", conversation="c")
    second = await begin(ana, "two", "k2", conversation="c")
    other = await begin(bob, "three", "k3", conversation="c")
    named_like_a_key = await begin(ana, "four", "k4", conversation="http:ana:k5")
    like_the_name = await begin(ana, "five", "k5")
    assert first.json()["id"] == second.json()["id"]
    answers = (first, other, named_like_a_key, like_the_name)
    assert len({answer.json()["id"] for answer in answers}) == 4
    thread = await agent.store.load(first.json()["id"])
    assert [past.data["text"] for past in thread.events] == ["one", "two"]


async def test_a_message_goes_to_the_thread_it_names(
    ana: Caller, bob: Caller, store: MemoryStore, runner: Asleep
) -> None:
    await stored(store, said())
    sent = [(bob, "more", 202), (bob, "more", 202), (bob, "else", 422), (ana, "mine", 202)]
    for who, text, status in sent:
        answer = await who.post(
            "/threads/t/messages", json={"text": text}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == status
    assert runner.woken == ["t", "t", "t"]
    assert [past.actor for past in (await store.load("t")).events] == ["ana", "bob", "ana"]


@pytest.mark.parametrize("path", ["/threads", "/threads/t/messages"])
@pytest.mark.parametrize("key", [None, "", "with space", "k" * 256])
async def test_no_message_without_a_usable_key(
    ana: Caller, store: MemoryStore, path: str, key: str | None
) -> None:
    await stored(store, said())
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await ana.post(path, json={"text": "hello"}, headers=headers)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]
    assert len((await store.load("t")).events) == 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (r'"a\u0000b"', "a\ufffdb"),
        (r'"a\ud800b"', "a\ufffdb"),
        (r'"\ud83d\ude00 \u001b[31m"', "\U0001f600 \x1b[31m"),
        (f'"{"x" * MAX_TEXT}"', "x" * MAX_TEXT),
    ],
)
async def test_text_survives_whatever_it_holds(
    ana: Caller, agent: Agent, sent: str, kept: str
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await ana.post("/threads", content=f'{{"text": {sent}}}', headers=headers)
    assert answer.status_code == 202
    read = await ana.get(answer.headers["location"])
    assert read.json()["events"][0]["data"]["text"] == kept


async def test_a_thread_shows_its_status_its_wait_and_its_events(
    ana: Caller, store: MemoryStore
) -> None:
    await stored(store, said("hi"))
    read = (await ana.get("/threads/t")).json()
    at = (await store.load("t")).events[0].at
    assert at is not None
    assert read["events"].pop()["at"] == at.isoformat().replace("+00:00", "Z")
    assert read == {
        "id": "t",
        "status": "running",
        "version": 1,
        "owner": "ana",
        "wait": None,
        "events": [],
        "next": None,
    }


async def test_a_long_thread_is_read_page_by_page(
    ana: Caller, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGE", 3)
    await stored(store, *(said(str(number)) for number in range(7)))
    pages: list[list[int]] = []
    after: int | None = 0
    while after is not None:
        page: dict[str, Any] = (await ana.get("/threads/t", params={"after": after})).json()
        pages.append([event["seq"] for event in page["events"]])
        after = page["next"]
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]
    nothing_new = (await ana.get("/threads/t", params={"after": 7})).json()
    assert (nothing_new["events"], nothing_new["next"]) == ([], None)


async def test_threads_are_listed_last_changed_first(
    ana: Caller, store: MemoryStore, clock: Any
) -> None:
    waiting = Event("paused", {"kind": "question", "text": "?", "audience": ["ana"]})
    for thread_id, events in (("old", [said()]), ("asks", [said(), waiting]), ("new", [said()])):
        clock.tick(1)
        await stored(store, *events, thread_id=thread_id)
    listed = (await ana.get("/threads")).json()
    assert [(each["id"], each["status"]) for each in listed] == [
        ("new", "running"),
        ("asks", "waiting:question"),
        ("old", "running"),
    ]
    only_waiting = (await ana.get("/threads", params={"waiting": True})).json()
    assert [each["id"] for each in only_waiting] == ["asks"]
    assert len((await ana.get("/threads", params={"limit": 1})).json()) == 1


async def test_cancel_ends_a_thread_once(bob: Caller, store: MemoryStore, runner: Asleep) -> None:
    await stored(store, said())
    first = await bob.post("/threads/t/cancel", json={"reason": "enough"})
    second = await bob.post("/threads/t/cancel")
    assert (first.status_code, first.json()) == (202, {"id": "t", "seq": 2})
    assert (second.status_code, second.json()["detail"]) == (409, "the thread is cancelled already")
    last = (await store.load("t")).events[-1]
    assert (last.type, last.actor, last.data) == ("cancelled", "bob", {"reason": "enough"})
    assert runner.woken == ["t"]


async def test_the_health_of_store_and_runner_needs_no_token(api: FastAPI) -> None:
    async with caller(api) as anybody:
        answer = await anybody.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

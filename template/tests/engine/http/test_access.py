"""Who may see and do what through the API and its pages."""

import asyncio
import logging
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from fastapi import FastAPI

from agent.engine.log.thread import Thread
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, Town, World, list_types, make_message, make_pause, store_thread
from .access import (
    LISTS,
    OF_A_THREAD,
    OF_NO_THREAD,
    begin_anas,
    build_town,
    list_routes,
    send,
)
from .conftest import TOKENS, Caller, Follow, begin, caller, following_of, reused_api_of


@pytest.fixture
def api(store: MemoryStore, world: World, runner: Asleep) -> FastAPI:
    return reused_api_of(build_town(store, world), runner)


@pytest.fixture
async def bob(api: FastAPI) -> AsyncIterator[Caller]:
    async with caller(api, "bob") as client:
        await client.post("/login", data={"token": TOKENS["bob"]})
        yield client


@pytest.fixture
async def ana(api: FastAPI) -> AsyncIterator[Caller]:
    async with caller(api, "ana") as client:
        await client.post("/login", data={"token": TOKENS["ana"]})
        yield client


def test_every_route_is_known_here(api: FastAPI) -> None:
    assert list_routes(api) == {*OF_A_THREAD, *LISTS, *OF_NO_THREAD}


@pytest.mark.parametrize(("method", "path"), OF_A_THREAD)
async def test_a_thread_of_others_does_not_exist(
    method: str, path: str, bob: Caller, store: MemoryStore
) -> None:
    thread = await begin_anas(store)
    answer = await send(bob, method, path, OF_A_THREAD[method, path])
    missing = await send(
        bob, method, path.replace("{thread_id}", "none"), OF_A_THREAD[method, path]
    )
    assert (answer.status_code, missing.status_code) == (404, 404)
    assert unescape(answer.text).replace("'t'", "'none'") == unescape(missing.text)
    assert "secret" not in answer.text
    assert await store.load("t") == thread


@pytest.mark.parametrize(("method", "path"), LISTS)
async def test_a_list_has_what_its_reader_may_read(
    method: str, path: str, ana: Caller, bob: Caller, store: MemoryStore
) -> None:
    await begin_anas(store)
    assert len((await ana.request(method, path)).json()) == 1
    assert (await bob.request(method, path)).json() == []


async def test_who_started_it_took_part_or_is_asked_may_read_it(
    ana: Caller, bob: Caller, store: MemoryStore
) -> None:
    thread = await store_thread(store, make_message("hi", "carol"))
    assert (await ana.get("/threads/t")).status_code == 404
    thread = await store.append(thread, make_pause("question", "ana"))
    assert (await ana.get("/threads/t")).status_code == 200
    assert (await bob.get("/threads/t")).status_code == 404
    await store.append(thread, make_message("let me in", "bob"))
    assert (await bob.get("/threads/t")).status_code == 200


async def test_anyone_in_an_audience_is_any_reader(
    bob: Caller, ana: Caller, store: MemoryStore
) -> None:
    await store_thread(store, make_message("hi", "ana"), make_pause("question", "anyone"))
    said = {"verdict": "answer", "text": "me"}
    assert (await bob.post("/threads/t/waits/2", json=said)).status_code == 404
    assert (await ana.post("/threads/t/waits/2", json=said)).status_code == 202


async def open_town(
    store: MemoryStore, world: World, runner: Asleep, who: str, **how: Any
) -> Caller:
    return caller(reused_api_of(build_town(store, world, **how), runner), who)


@pytest.mark.parametrize(
    "how",
    [
        {"directory": Town(admins=("bob",))},
        {"readers": lambda _: ["bob"]},
        {"readers": lambda _: ["support"], "directory": Town(teams={"support": ("bob",)})},
        {"readers": lambda _: ["anyone"]},
    ],
)
async def test_administrators_and_those_whom_the_owner_adds_may_read_it(
    how: dict[str, Any], store: MemoryStore, world: World, runner: Asleep
) -> None:
    async with await open_town(store, world, runner, "bob", **how) as bob:
        await begin_anas(store)
        assert (await bob.get("/threads/t")).status_code == 200
        assert len((await bob.get("/threads")).json()) == 1
        assert (await begin(bob, path="/threads/t/messages")).status_code == 202


def break_down(_: Thread) -> list[str]:
    raise ValueError("no such database")


def hang(_: Thread) -> list[str]:
    import time

    time.sleep(2)
    return ["bob"]


@pytest.mark.parametrize("readers", [break_down, hang])
async def test_a_policy_that_fails_adds_nobody_and_stops_nothing(
    readers: Any, store: MemoryStore, world: World, runner: Asleep,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("agent.engine.people.access.POLICY_S", 0.05)
    async with await open_town(store, world, runner, "bob", readers=readers) as bob:
        await begin_anas(store)
        assert (await bob.get("/threads/t")).status_code == 404
    async with await open_town(store, world, runner, "ana", readers=readers) as ana:
        assert (await ana.get("/threads/t")).status_code == 200
    assert "`readers` of the agent 'test' failed" in caplog.text


MAY = ("write", "cancel")


@pytest.mark.parametrize("allowed", [(), ("write",), ("cancel",), MAY])
async def test_what_readers_may_do_can_be_narrowed(
    allowed: tuple[str, ...], store: MemoryStore, world: World, runner: Asleep
) -> None:
    def may(person: str, act: str, _: Thread) -> bool:
        return person == "ana" and act in allowed

    async with await open_town(store, world, runner, "ana", may=may) as ana:
        thread = await begin_anas(store)
        said = await begin(ana, path="/threads/t/messages")
        assert said.status_code == (202 if "write" in allowed else 409)
        ended = await ana.post("/threads/t/cancel")
        assert ended.status_code == (202 if "cancel" in allowed else 409)
        if not allowed:
            assert ended.json() == {"detail": "ana may not cancel this thread"}
            assert await store.load("t") == thread
            approved = {"verdict": "approve", "digest": thread.event(3).data["digest"]}
            assert (await ana.post("/threads/t/waits/3", json=approved)).status_code == 202


async def test_a_may_that_fails_allows_nothing(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    def may(*_: object) -> bool:
        raise ValueError("no such database")

    async with await open_town(store, world, runner, "ana", may=may) as ana:
        await begin_anas(store)
        assert (await begin(ana, path="/threads/t/messages")).status_code == 409
        assert list_types(await store.load("t")) == ["message", "step", "paused"]


async def test_whoever_may_not_write_cannot_go_on_with_a_conversation(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    allowed = True
    async with await open_town(store, world, runner, "ana", may=lambda *_: allowed) as ana:
        assert (await begin(ana, key="1", conversation="c")).status_code == 202
        allowed = False
        assert (await begin(ana, key="2", conversation="c")).status_code == 409
        assert (await begin(ana, key="3", conversation="other")).status_code == 202


async def test_a_thread_that_nobody_started_is_read_by_whoever_is_responsible(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    for responsible, status in ((("bob",), 200), (("ana",), 404), (("anyone",), 200)):
        async with await open_town(store, world, runner, "bob", responsible=responsible) as bob:
            name = responsible[0]
            await store_thread(store, make_message("tick", "cron:daily"), thread_id=name)
            assert (await bob.get(f"/threads/{name}")).status_code == status


async def test_a_stream_ends_with_the_right_to_read(
    store: MemoryStore, world: World, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = ["ana"]
    api = reused_api_of(build_town(store, world, readers=lambda _: readers), runner)
    follow: Follow = following_of(api, monkeypatch)
    thread = await store_thread(store, make_message("hi", "carol"))
    async with follow("t") as (follower, request):
        assert (await follower.next())["id"] == 1
        thread = await store.append(thread, make_message("more", "carol"))
        assert (await follower.next())["id"] == 2
        readers.clear()
        await store.append(thread, make_message("secret", "carol"))
        await asyncio.wait_for(request, 2)
        rest = [follower._chunks.get_nowait() for _ in range(follower._chunks.qsize())]
        assert "secret" not in "".join(rest)


async def test_only_administrators_delete_threads(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    root = Town(admins=("bob",))
    async with await open_town(store, world, runner, "ana", directory=root) as ana:
        await begin(ana, key="1", conversation="c")
        (row,) = await store.threads()
        path = f"/threads/{row.id}"
        assert (await ana.delete(path)).status_code == 403
    async with await open_town(store, world, runner, "bob", directory=root) as bob:
        assert (await bob.delete(path)).json() == {"detail": "the thread runs; cancel it first"}
        assert (await bob.post(f"{path}/cancel")).status_code == 202
        assert (await bob.delete(path)).status_code == 204
        assert [(await bob.request(how, path)).status_code for how in ("GET", "DELETE")] == [
            410,
            410,
        ]
    async with await open_town(store, world, runner, "ana", directory=root) as ana:
        assert (await begin(ana, key="1", conversation="c")).status_code == 410
        again = await begin(ana, key="2", conversation="c")
        assert again.status_code == 202
        assert again.json()["id"] != row.id
        assert (await begin(ana, key="2", conversation="c")).json() == again.json()


async def test_the_log_says_who_deleted_a_thread(
    store: MemoryStore, world: World, runner: Asleep, caplog: pytest.LogCaptureFixture
) -> None:
    """The log of the thread, which would say it, is gone."""
    caplog.set_level(logging.INFO)
    root = Town(admins=("bob",))
    async with await open_town(store, world, runner, "bob", directory=root) as bob:
        await begin(bob)
        (row,) = await store.threads()
        await bob.delete(f"/threads/{row.id}")
        assert "deleted" not in caplog.text  # it runs
        await bob.post(f"/threads/{row.id}/cancel")
        await bob.delete(f"/threads/{row.id}")
    assert f"thread {row.id} was deleted by bob" in caplog.messages


async def test_only_administrators_learn_that_a_thread_was_deleted(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    await store.forget(await store_thread(store, make_message()))
    for admins, status in (((), 404), (("bob",), 410)):
        directory = Town(admins=admins)
        async with await open_town(store, world, runner, "bob", directory=directory) as bob:
            assert (await bob.get("/threads/t")).status_code == status


async def test_whoever_may_not_write_may_not_rate(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    def may(person: str, act: str, thread: Thread) -> bool:
        return person == thread.owner

    changes = {"may": may, "readers": lambda _: ["bob"]}
    async with await open_town(store, world, runner, "bob", **changes) as bob:
        thread = await begin_anas(store)
        rated = await bob.post("/threads/t/steps/2/rating", json={"rating": "bad", "text": "hi"})
        assert rated.status_code == 409
        assert await store.load("t") == thread

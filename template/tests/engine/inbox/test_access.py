"""Who may see and do what on the pages of the inbox."""

import asyncio
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from fastapi import FastAPI

from agent.engine import inbox
from agent.engine.http import stream
from agent.engine.log.events import make_event
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, Town, World, make_message, make_pause, store_thread
from ..http.access import (
    LISTS,
    OF_A_THREAD,
    OF_NO_THREAD,
    begin_anas,
    build_town,
    list_routes,
    send,
)
from ..http.conftest import TOKENS, Caller, caller, following_of, reused_api_of

PAGES: dict[tuple[str, str], dict[str, Any] | None] = {
    ("GET", "/inbox/{thread_id}"): None,
    ("POST", "/inbox/{thread_id}"): {"do": "cancel"},
    ("POST", "/inbox/{thread_id}/ratings"): {"step": "2", "rating": "good"},
    ("GET", "/inbox/{thread_id}/events/{seq}"): None,
    ("GET", "/inbox/{thread_id}/stream"): None,
}
"""Each is of one thread. The home is a list, and its form starts a thread."""


@pytest.fixture
def api(store: MemoryStore, world: World, runner: Asleep) -> FastAPI:
    town = build_town(store, world, Town(admins=("root",)))
    return reused_api_of(town, runner, inbox.serve)


@pytest.fixture
async def bob(api: FastAPI) -> AsyncIterator[Caller]:
    async with caller(api) as client:
        await client.post("/login", data={"token": TOKENS["bob"]})
        yield client


def test_every_route_is_known_here(api: FastAPI) -> None:
    known = {*PAGES, ("GET", "/"), ("POST", "/")}
    assert list_routes(api) == {*OF_A_THREAD, *LISTS, *OF_NO_THREAD} | known


@pytest.mark.parametrize(("method", "path"), PAGES)
async def test_a_thread_of_others_does_not_exist(
    method: str, path: str, bob: Caller, store: MemoryStore
) -> None:
    thread = await begin_anas(store)
    answer = await send(bob, method, path, PAGES[method, path])
    missing = await send(bob, method, path.replace("{thread_id}", "none"), PAGES[method, path])
    assert (answer.status_code, missing.status_code) == (404, 404)
    assert unescape(answer.text).replace("'t'", "'none'") == unescape(missing.text)
    assert "secret" not in answer.text
    assert await store.load("t") == thread


async def test_the_home_has_what_its_reader_may_read(bob: Caller, store: MemoryStore) -> None:
    await begin_anas(store)
    assert "secret" not in (await bob.get("/")).text
    await store_thread(store, make_message("the plan of bob", "bob"), thread_id="b")
    assert "the plan of bob" in (await bob.get("/")).text


async def test_threads_are_filtered_by_status_and_by_what_was_said_first(
    bob: Caller, store: MemoryStore
) -> None:
    ended = make_event("finished", message="bye")
    await store_thread(store, make_message("deploy it", "bob"), ended, thread_id="d")
    await store_thread(store, make_message("stop it", "bob"), thread_id="s")

    async def list_for(**query: str) -> list[bool]:
        text = (await bob.get("/", params=query)).text
        return [said in text for said in ("deploy it", "stop it")]

    assert await list_for() == [True, True]
    assert await list_for(show="finished") == [True, False]
    assert await list_for(show="stalled") == [False, True]
    assert await list_for(show="mine") == [False, False]
    assert await list_for(text="DEPLOY") == [True, False]
    assert await list_for(text="deploy", show="stalled") == [False, False]
    assert (await bob.get("/", params={"show": "nothing"})).status_code == 422


async def test_a_thread_that_cannot_go_on_says_so_on_its_page(
    bob: Caller, store: MemoryStore
) -> None:
    thread = await store_thread(store, make_message("hi", "bob"))
    assert "The agent is working." in (await bob.get("/inbox/t")).text
    await store.claim("me", 30, "t")
    await store.release("me", thread, await store.now(), 1, "the model <b>is away</b>")
    shown = (await bob.get("/inbox/t")).text
    assert "The agent cannot go on now." in shown
    assert "the model &lt;b&gt;is away&lt;/b&gt;" in shown
    assert "The agent is working." not in shown
    assert "problem" in (await bob.get("/")).text


async def test_what_stopped_many_threads_is_listed_once(bob: Caller, store: MemoryStore) -> None:
    for number in range(3):
        wait = make_pause("limit", "bob", cause="no key")
        await store_thread(store, make_message("hi", "bob"), wait, thread_id=f"t{number}")
    shown = (await bob.get("/")).text
    assert shown.count("limit?") == 1
    assert "and 2 more threads" in shown


async def test_a_stream_ends_with_the_session(
    api: FastAPI, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "REST_S", 0.01)
    thread = await store_thread(store, make_message("hi", "bob"), make_pause("question", "bob"))
    follow = following_of(api, monkeypatch)
    async with caller(api) as client:
        await client.post("/login", data={"token": TOKENS["bob"]})
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        csrf = (await client.get("/")).text.partition('name="csrf" value="')[2].partition('"')[0]
        path = "/inbox/{}/stream"
        async with follow("t", path=path, cookie=cookie) as (follower, request):
            await follower.next()
            await follower.next()
            await client.post("/logout", data={"csrf": csrf})
            await store.append(thread, make_message("secret", "bob"))
            await asyncio.wait_for(request, 2)
            rest = [follower._chunks.get_nowait() for _ in range(follower._chunks.qsize())]
            assert "secret" not in "".join(rest)

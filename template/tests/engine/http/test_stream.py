"""Following a thread: nothing is lost or doubled, and nobody who left is served on."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from agent.errors import Unavailable
from agent.stores.memory import MemoryStore
from agent.thread import Thread
from agent.triggers.http import routes, sessions

from ...domain import said, stored
from .conftest import TOKENS, Caller, bearer, caller


class Follower:
    """Reads a stream on the bare ASGI interface; httpx2's shows nothing before the end."""

    def __init__(self) -> None:
        self.status = 0
        self.gone = asyncio.Event()
        self._chunks: asyncio.Queue[str] = asyncio.Queue()
        self._text = ""

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self._chunks.put_nowait(message.get("body", b"").decode("ascii"))

    async def next(self) -> dict[str, Any]:
        """Return the next event, its `id` with it, or the next comment."""
        while "\n\n" not in self._text:
            self._text += await asyncio.wait_for(self._chunks.get(), 5)
        block, _, self._text = self._text.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        return {"id": int(fields["id"]), **json.loads(fields["data"])} if "id" in fields else fields

    def nothing_more(self) -> bool:
        return self._chunks.empty() and not self._text.strip()


Follow = Callable[..., AbstractAsyncContextManager[tuple[Follower, asyncio.Task[None]]]]


@pytest.fixture
def follow(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """`async with follow("t") as (follower, request)`: ana reads the stream of a thread."""
    monkeypatch.setattr(routes, "POLL_S", 0.01)

    @asynccontextmanager
    async def following(
        thread_id: str, query: str = "", path: str = "/threads/{}/events", **headers: str
    ) -> AsyncIterator[tuple[Follower, asyncio.Task[None]]]:
        path = path.format(thread_id)
        named = {**bearer("ana"), **{k.replace("_", "-"): v for k, v in headers.items()}}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in named.items()],
        }
        follower = Follower()
        request = asyncio.ensure_future(api(scope, follower.receive, follower.send))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.wait_for, request, 5)
            stack.callback(follower.gone.set)
            yield follower, request

    return following


async def test_what_happened_comes_first_then_what_happens(
    store: MemoryStore, follow: Follow
) -> None:
    thread = await stored(store, said("one"), said("two"))
    async with follow("t") as (follower, _):
        told = [await follower.next() for _ in range(2)]
        await store.append(thread, said("three"))
        told.append(await follower.next())
    assert [(each["id"], each["seq"], each["data"]["text"]) for each in told] == [
        (1, 1, "one"),
        (2, 2, "two"),
        (3, 3, "three"),
    ]


async def test_last_event_id_loses_and_doubles_nothing(store: MemoryStore, follow: Follow) -> None:
    thread = await stored(store, said("0"))
    seen: list[int] = []
    for number in range(1, 6):
        last = {"Last_Event_ID": str(seen[-1])} if seen else {}
        async with follow("t", **last) as (follower, _):
            seen.append((await follower.next())["id"])
            thread = await store.append(thread, said(str(number)), said("more"))
            seen.append((await follower.next())["id"])
    assert seen == list(range(1, 11))


async def test_after_skips_what_a_reader_of_the_thread_knows(
    store: MemoryStore, follow: Follow
) -> None:
    await stored(store, said("one"), said("two"))
    async with follow("t", "after=1") as (follower, _):
        assert (await follower.next())["id"] == 2


async def test_the_stream_of_a_resting_thread_stays_open_and_quiet(
    store: MemoryStore, follow: Follow
) -> None:
    await stored(store, said("one"))
    async with follow("t") as (follower, request):
        await follower.next()
        await asyncio.sleep(0.05)
        assert not request.done()
        assert follower.nothing_more()


async def test_a_resting_thread_costs_no_more_than_a_look_at_the_list(
    store: MemoryStore, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = 0
    load = store.load

    async def counted(thread_id: str) -> Thread:
        nonlocal loads
        loads += 1
        return await load(thread_id)

    monkeypatch.setattr(store, "load", counted)
    await stored(store, said("one"))
    async with follow("t") as (follower, _):
        await follower.next()
        await asyncio.sleep(0.1)
    assert loads == 1


async def test_a_quiet_stream_is_kept_open_by_pings(
    store: MemoryStore, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.01)
    await stored(store, said("one"))
    async with follow("t") as (follower, _):
        assert (await follower.next())["id"] == 1
        assert await follower.next() == {"": "ping"}


async def test_a_thread_below_a_hundred_busier_ones_is_followed_too(
    store: MemoryStore, follow: Follow
) -> None:
    clock = iter(range(10_000))
    quiet = MemoryStore(lambda: float(next(clock)))
    store.threads = quiet.threads  # type: ignore[method-assign]  # a list it never stands in
    for number in range(100):
        await stored(quiet, said(), thread_id=f"busy {number}")
    thread = await stored(store, said("one"))
    async with follow("t") as (follower, _):
        await follower.next()
        await store.append(thread, said("two"))
        assert (await follower.next())["id"] == 2


async def test_who_leaves_is_not_served_on(store: MemoryStore, follow: Follow) -> None:
    await stored(store, said("one"))
    async with follow("t") as (follower, request):
        await follower.next()
        follower.gone.set()
        await asyncio.wait_for(request, 5)


async def test_a_server_that_closes_ends_its_streams(
    api: FastAPI, store: MemoryStore, follow: Follow
) -> None:
    await stored(store, said("one"))
    async with follow("t") as (follower, request):
        await follower.next()
        api.state.service.closing = True
        await asyncio.wait_for(request, 5)


async def test_a_stream_outlives_a_store_that_is_away(
    store: MemoryStore, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def away(**_: object) -> list[object]:
        asked.set()
        raise Unavailable("the disk is gone")

    thread = await stored(store, said("one"))
    async with follow("t") as (follower, _):
        await follower.next()
        with monkeypatch.context() as patch:
            patch.setattr(store, "threads", away)
            await asyncio.wait_for(asked.wait(), 5)
        await store.append(thread, said("two"))
        assert (await follower.next())["id"] == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 404), ({"Last_Event_ID": "x"}, 400), ({"Authorization": "Bearer x"}, 401)],
)
async def test_no_stream_begins_with_an_error_in_it(
    store: MemoryStore, follow: Follow, headers: dict[str, str], status: int
) -> None:
    await stored(store, said())
    async with follow("t" if headers else "none", **headers) as (follower, request):
        await asyncio.wait_for(request, 5)
        assert follower.status == status


async def test_the_stream_says_what_the_thread_says(
    ana: Caller, store: MemoryStore, follow: Follow
) -> None:
    await stored(store, said("one\r\n\ndata: two\u2028"))
    (listed,) = (await ana.get("/threads/t")).json()["events"]
    async with follow("t") as (follower, _):
        assert await follower.next() == {"id": 1, **listed}


async def test_a_page_follows_the_same_stream_by_the_session_of_its_reader(
    api: FastAPI, store: MemoryStore, follow: Follow
) -> None:
    thread = await stored(store, said("one"))
    async with caller(api) as browser:
        await browser.post("/login", data={"token": TOKENS["ana"]})
        cookie = f"{sessions.COOKIE}={browser.cookies[sessions.COOKIE]}"
    page = {"path": "/inbox/{}/stream", "Authorization": "", "Cookie": cookie}
    async with follow("t", "after=1", **page) as (follower, _):
        await store.append(thread, said("two"))
        assert (await follower.next())["data"]["text"] == "two"
        await store.append(await store.load("t"), said("three"))
        assert (await follower.next())["id"] == 3

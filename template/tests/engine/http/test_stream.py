"""Following a thread: nothing is lost or doubled, and nobody who left is served on."""

import asyncio
from functools import partial

import pytest
from fastapi import FastAPI

from agent.engine.http import stream
from agent.engine.log.errors import Unavailable
from agent.engine.log.thread import Thread
from agent.engine.people.access import list_readers
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, Says, Town, World, build_ports, make_message, make_pause, store_thread
from .conftest import Caller, Follow, following_of, reused_api_of


async def test_what_happened_comes_first_then_what_happens(
    store: MemoryStore, follow: Follow
) -> None:
    thread = await store_thread(store, make_message("one"), make_message("two"))
    async with follow("t") as (follower, _):
        told = [await follower.next() for _ in range(2)]
        await store.append(thread, make_message("three"))
        told.append(await follower.next())
    assert [(each["id"], each["seq"], each["data"]["text"]) for each in told] == [
        (1, 1, "one"),
        (2, 2, "two"),
        (3, 3, "three"),
    ]


async def test_last_event_id_loses_and_doubles_nothing(store: MemoryStore, follow: Follow) -> None:
    thread = await store_thread(store, make_message("0"))
    seen: list[int] = []
    for number in range(1, 6):
        last = {"Last_Event_ID": str(seen[-1])} if seen else {}
        async with follow("t", **last) as (follower, _):
            seen.append((await follower.next())["id"])
            thread = await store.append(thread, make_message(str(number)), make_message("more"))
            seen.append((await follower.next())["id"])
    assert seen == list(range(1, 11))


async def test_after_skips_what_a_reader_of_the_thread_knows(
    store: MemoryStore, follow: Follow
) -> None:
    await store_thread(store, make_message("one"), make_message("two"))
    async with follow("t", "after=1") as (follower, _):
        assert (await follower.next())["id"] == 2


async def test_the_stream_of_a_resting_thread_stays_open_and_quiet(
    store: MemoryStore, follow: Follow
) -> None:
    await store_thread(store, make_message("one"))
    async with follow("t") as (follower, request):
        await follower.next()
        await asyncio.sleep(0.05)
        assert not request.done()
        assert follower.nothing_more()


async def test_a_resting_thread_costs_nothing(
    store: MemoryStore, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = 0
    load = store.load

    async def counted(thread_id: str) -> Thread:
        nonlocal loads
        loads += 1
        return await load(thread_id)

    monkeypatch.setattr(store, "load", counted)
    await store_thread(store, make_message("one"))
    async with follow("t") as (follower, _):
        await follower.next()
        await asyncio.sleep(0.05)
        before = loads
        await asyncio.sleep(0.1)
        assert loads == before


async def test_a_quiet_stream_is_kept_open_by_pings(
    store: MemoryStore, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.01)
    await store_thread(store, make_message("one"))
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
        await store_thread(quiet, make_message(), thread_id=f"busy {number}")
    thread = await store_thread(store, make_message("one"))
    async with follow("t") as (follower, _):
        await follower.next()
        await store.append(thread, make_message("two"))
        assert (await follower.next())["id"] == 2


async def test_who_leaves_is_not_served_on(store: MemoryStore, follow: Follow) -> None:
    await store_thread(store, make_message("one"))
    async with follow("t") as (follower, request):
        await follower.next()
        follower.gone.set()
        await asyncio.wait_for(request, 2)


async def test_a_server_that_closes_ends_its_streams(
    api: FastAPI, store: MemoryStore, follow: Follow
) -> None:
    await store_thread(store, make_message("one"))
    async with follow("t") as (follower, request):
        await follower.next()
        api.state.service.closing.set()
        await asyncio.wait_for(request, 2)


async def test_a_stream_outlives_a_store_that_is_away(
    store: MemoryStore, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def away(_: Thread) -> Thread:
        asked.set()
        raise Unavailable("the disk is gone")

    thread = await store_thread(store, make_message("one"))
    with monkeypatch.context() as patch:
        patch.setattr(store, "grown", away)
        async with follow("t") as (follower, _):
            await follower.next()
            await asyncio.wait_for(asked.wait(), 5)
            patch.undo()
            await store.append(thread, make_message("two"))
            assert (await follower.next())["id"] == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 404), ({"Last_Event_ID": "x"}, 400), ({"Authorization": "Bearer x"}, 401)],
)
async def test_no_stream_begins_with_an_error_in_it(
    store: MemoryStore, follow: Follow, headers: dict[str, str], status: int
) -> None:
    await store_thread(store, make_message())
    async with follow("t" if headers else "none", **headers) as (follower, request):
        await asyncio.wait_for(request, 2)
        assert follower.status == status


async def test_the_stream_says_what_the_thread_says(
    ana: Caller, store: MemoryStore, follow: Follow
) -> None:
    await store_thread(store, make_message("one\r\n\ndata: two\u2028"))
    (listed,) = (await ana.get("/threads/t")).json()["events"]
    async with follow("t") as (follower, _):
        assert await follower.next() == {"id": 1, **listed}


async def test_a_stream_says_what_keeps_a_thread_from_going_on(
    store: MemoryStore, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.engine.http.stream.LOOK_S", 0.01)
    thread = await store_thread(store, make_message("one"))
    async with follow("t") as (follower, _):
        await follower.next()
        await store.claim("me", 30, "t")
        await store.release("me", thread, await store.now(), 1, "the model is away")
        said = await follower.next()
        assert (said["event"], said["data"]) == ("problem", '{"problem": "the model is away"}')
        await store.append(thread, make_message("two"))
        assert (await follower.next())["id"] == 2
        assert (await follower.next())["data"] == '{"problem": ""}'


async def test_a_client_that_leaves_is_no_longer_a_follower(
    store: MemoryStore, follow: Follow
) -> None:
    await store_thread(store, make_message("one"), make_pause("question"))
    async with follow("t") as (follower, _):
        await follower.next()
        await follower.next()
        await asyncio.sleep(0.05)
        assert len(store._changes._followers) == 1
    await asyncio.sleep(0.05)
    assert not store._changes._followers


async def test_a_stream_ends_while_the_thread_rests_once_its_reader_may_not_read_it(
    store: MemoryStore, world: World, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "REST_S", 0.01)
    readers = ["ana"]
    ports = build_ports(store, Says(), world, directory=Town(), readers=lambda _: readers)
    store.list_readers = partial(list_readers, ports)
    follow: Follow = following_of(reused_api_of(ports, runner), monkeypatch)
    await store_thread(store, make_message("hi", "bob"), make_pause("question", "bob"))
    async with follow("t") as (follower, request):
        await follower.next()
        readers.clear()
        await asyncio.wait_for(request, 2)

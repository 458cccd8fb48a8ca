"""The inbox inside another application."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from starlette.applications import Starlette

from agent.engine import inbox
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, Town, World, list_types, make_message, make_pause, store_thread
from ..http.access import begin_anas, build_town, send
from ..http.conftest import Caller
from ..http.hosts import KINDS, SIGN_IN, check_end_of_stream, find_csrf, host_of, visitor
from .test_access import PAGES


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, ports: Ports, runner: Asleep) -> Starlette:
    return host_of(ports, runner, inbox.serve, kind=request.param)


@pytest.fixture
async def ana(host: Starlette) -> AsyncIterator[Caller]:
    async with visitor(host, "ana") as client:
        yield client


async def test_a_person_of_the_application_starts_a_thread_and_decides(
    ana: Caller, store: MemoryStore, runner: Asleep
) -> None:
    home = (await ana.get("/")).text
    started = await ana.post("/", data={"csrf": find_csrf(home), "key": "k", "text": "Do it"})
    assert started.status_code == 303
    path = started.headers["location"].removeprefix("/agent")
    (row,) = await store.threads()
    assert path == f"/inbox/{row.id}"
    assert runner.woken == [row.id]
    call = {"intent": "charge", "amount": 500}
    thread = await store.append(await store.load(row.id), make_pause("approval", "ana", call=call))
    shown = (await ana.get(path)).text
    fields = {"csrf": find_csrf(shown), "wait": "2", "digest": thread.event(2).data["digest"]}
    answer = await ana.post(path, data={**fields, "do": "approve"})
    assert answer.headers["location"] == f"/agent{path}#now"
    last = (await store.load(row.id)).events[-1]
    assert (last.type, last.actor, last.data["verdict"]) == ("resumed", "ana", "approve")


async def test_nothing_is_done_without_the_word_of_the_browser(
    ana: Caller, store: MemoryStore
) -> None:
    await store_thread(store, make_message("hi", "ana"), make_pause("question", "ana"))
    for path in ("/", "/inbox/t"):
        answer = await ana.post(path, data={"do": "message", "text": "x", "key": "k"})
        assert answer.status_code == 403
    assert list_types(await store.load("t")) == ["message", "paused"]
    assert len(await store.threads()) == 1


async def test_every_address_has_the_prefix(ana: Caller, store: MemoryStore) -> None:
    await store_thread(store, make_message("hi", "ana"), make_pause("question", "ana"))
    for path in ("/", "/inbox/t", "/inbox/t/events/1"):
        shown = (await ana.get(path)).text
        links = re.findall(r' (?:href|src|action|data-stream)="(/[^"]*)"', shown)
        assert links
        assert [link for link in links if not link.startswith("/agent/")] == []


async def test_a_stranger_is_led_to_the_sign_in_of_the_application(host: Starlette) -> None:
    async with visitor(host) as stranger:
        for path in ("/", "/inbox/t"):
            led = (await stranger.get(path)).headers["location"]
            assert led == f"{SIGN_IN}?next=%2Fagent{path.replace('/', '%2F')}"
        stream = await stranger.get("/inbox/t/stream", headers={"Accept": "text/event-stream"})
        assert stream.status_code == 401


@pytest.mark.parametrize(("method", "path"), PAGES)
async def test_a_thread_of_others_does_not_exist(
    method: str, path: str, store: MemoryStore, world: World, runner: Asleep
) -> None:
    host = host_of(build_town(store, world, Town()), runner, inbox.serve)
    thread = await begin_anas(store)
    body, none = PAGES[method, path], path.replace("{thread_id}", "none")
    async with visitor(host, "bob") as bob:
        answer, missing = await send(bob, method, path, body), await send(bob, method, none, body)
    assert (answer.status_code, missing.status_code) == (404, 404)
    assert unescape(answer.text).replace("'t'", "'none'") == unescape(missing.text)
    assert await store.load("t") == thread


@pytest.mark.parametrize("becomes", ["bob", None])
async def test_a_page_s_stream_ends_when_its_reader_is_not_signed_in_any_more(
    becomes: str | None, host: Starlette, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await check_end_of_stream("/agent/inbox/{}/stream", becomes, host, store, monkeypatch)

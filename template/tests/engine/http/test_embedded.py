"""The agent inside another application: who gets in, what other sites cannot do, its addresses."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from html import unescape
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.engine import embed, main
from agent.engine.http.pages import FORMS
from agent.engine.http.problems import BROKEN
from agent.engine.http.service import Service
from agent.engine.log.errors import Misconfigured
from agent.engine.log.events import CallJson, compute_digest
from agent.engine.loop.ports import Ports
from agent.engine.people.identity import AnyName
from agent.engine.runners.app import App, ModelOf, Served
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Asleep,
    Says,
    Town,
    World,
    build_ports,
    list_types,
    make_message,
    make_pause,
    make_step,
    store_thread,
)
from .access import LISTS, OF_A_THREAD, OF_NO_THREAD, begin_anas, build_town, list_routes, send
from .conftest import TOKENS, Caller, bearer, begin, until
from .hosts import KINDS, ORIGIN, SIGN_IN, check_end_of_stream, find_csrf, host_of, visitor, who

CALL: CallJson = {"intent": "charge", "amount": 500}
APPROVE = {"do": "approve", "digest": compute_digest(CALL)}
PAGE = "/waits/t/3"
ROOT = Path(__file__).parents[3]
OF_TOKENS = {("GET", "/login"), ("POST", "/login"), ("POST", "/logout")}


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, ports: Ports, runner: Asleep) -> Starlette:
    return host_of(ports, runner, kind=request.param)


@pytest.fixture
async def ana(host: Starlette) -> AsyncIterator[Caller]:
    async with visitor(host, "ana") as client:
        yield client


def get_service(host: Starlette) -> Service:
    """Return the service of the API that was mounted last."""
    found: Service = host.routes[-1].app._api.state.service  # type: ignore[attr-defined]
    return found


async def ask_ana(store: MemoryStore) -> None:
    wait = make_pause("approval", "ana", call=CALL)
    await store_thread(store, make_message("Charge them"), make_step(**CALL), wait)


# -- whoever is signed in there --------------------------------------------------------------


async def test_a_person_of_the_application_answers_on_a_page(
    ana: Caller, store: MemoryStore, runner: Asleep
) -> None:
    await ask_ana(store)
    shown = (await ana.get(PAGE)).text
    assert ">ana</" in shown
    assert "Sign out" not in shown
    answer = await ana.post(PAGE, data={"csrf": find_csrf(shown), **APPROVE})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/agent{PAGE}")
    last = (await store.load("t")).events[-1]
    assert (last.type, last.actor, last.data["verdict"]) == ("resumed", "ana", "approve")
    assert runner.woken == ["t"]


async def test_a_page_of_the_application_calls_the_api(ana: Caller, store: MemoryStore) -> None:
    answer = await begin(ana)
    assert answer.status_code == 202
    (row,) = (await ana.get("/threads")).json()
    assert answer.headers["location"] == f"/agent/threads/{row['id']}"
    assert (await store.load(row["id"])).owner == "ana"
    assert (await ana.post(f"/threads/{row['id']}/cancel")).status_code == 202


async def test_the_actor_is_given_the_request_as_the_application_knows_it(
    ports: Ports, runner: Asleep
) -> None:
    seen: list[Request] = []
    host = host_of(ports, runner, actor=lambda request: seen.append(request) or "ana")  # type: ignore[func-returns-value]
    async with visitor(host) as ana:
        assert (await ana.get("/threads?limit=7")).status_code == 200
        assert (await ana.get("/")).status_code == 200
    assert [(one.app, one.url.path) for one in seen] == [
        (host, "/agent/threads"),
        (host, "/agent/"),
    ]


@pytest.mark.parametrize("path", ["/threads", "/"])
async def test_the_actor_may_be_sync_or_async(path: str, ports: Ports, runner: Asleep) -> None:
    async def find(request: Request) -> str | None:
        await asyncio.sleep(0)
        return who(request)

    for actor in (who, find, lambda request: find(request)):
        host = host_of(ports, runner, actor=actor)
        for name, status in (("ana", 200), (None, 401 if path == "/threads" else 303)):
            async with visitor(host, name) as client:
                assert (await client.get(path)).status_code == status


async def test_a_sync_actor_does_not_hold_up_the_others(ports: Ports, runner: Asleep) -> None:
    loop = asyncio.get_running_loop()

    def slow(request: Request) -> str | None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)
        return "ana"

    async with visitor(host_of(ports, runner, actor=slow)) as ana:
        assert (await ana.get("/threads")).status_code == 200


# -- whoever is not --------------------------------------------------------------------------


async def test_a_stranger_calls_nothing_of_the_api(host: Starlette, store: MemoryStore) -> None:
    await ask_ana(store)
    async with visitor(host) as stranger:
        for method, path in {*OF_A_THREAD, *LISTS, ("POST", "/threads")}:
            if path.startswith("/waits/"):
                continue
            answer = await send(stranger, method, path, OF_A_THREAD.get((method, path)))
            assert (answer.status_code, answer.json()) == (401, {"detail": "sign in first"})
    assert list_types(await store.load("t")) == ["message", "step", "paused"]


async def test_a_stranger_is_led_to_the_sign_in_of_the_application(host: Starlette) -> None:
    async with visitor(host) as stranger:
        answer = await stranger.get("/waits/t/3?x=%C3%A9")
        assert answer.status_code == 303
        where = urlsplit(answer.headers["location"])
        assert where.path == SIGN_IN
        assert parse_qs(where.query) == {"next": ["/agent/waits/t/3?x=%C3%A9"]}
        assert (await stranger.get("/healthz")).status_code == 200


async def test_a_form_of_whoever_is_not_signed_in_any_more_says_that_it_is_lost(
    host: Starlette, ana: Caller, store: MemoryStore
) -> None:
    await ask_ana(store)
    csrf = find_csrf((await ana.get(PAGE)).text)
    host.state.people.clear()
    answer = await ana.post(PAGE, data={"csrf": csrf, **APPROVE})
    assert answer.status_code == 401
    assert "nothing was done" in answer.text
    assert list_types(await store.load("t"))[-1] == "paused"


async def test_without_an_address_to_sign_in_a_stranger_reads_a_page(
    ports: Ports, runner: Asleep
) -> None:
    async with visitor(host_of(ports, runner, sign_in_url=None)) as stranger:
        answer = await stranger.get("/")
        assert answer.status_code == 401
        assert "Sign in to the application first" in answer.text


@pytest.mark.parametrize(
    ("url", "led"),
    [
        ("https://sso.example/in?app=1", "https://sso.example/in?app=1&next=%2Fshop%2Fagent%2F"),
        ("/login", "/shop/login?next=%2Fshop%2Fagent%2F"),
    ],
)
async def test_the_address_to_sign_in_is_a_path_of_the_application_or_a_url(
    url: str, led: str, ports: Ports, runner: Asleep
) -> None:
    host = host_of(ports, runner, sign_in_url=url)
    async with visitor(host, path="/shop/agent", root_path="/shop") as stranger:
        assert (await stranger.get("/")).headers["location"] == led


async def test_tokens_and_sessions_of_ours_do_not_count(
    host: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKENS", f"ana:{TOKENS['ana']}")
    async with visitor(host) as stranger:
        assert (await stranger.get("/threads", headers=bearer("ana"))).status_code == 401
        for method, path in OF_TOKENS:
            answer = await stranger.request(method, path, data={"token": TOKENS["ana"]})
            assert answer.status_code == 404
        described = (await stranger.get("/openapi.json")).json()
    assert "securitySchemes" not in described["components"]
    for operation in described["paths"]["/threads"].values():
        assert {"401", "403"} <= operation["responses"].keys()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "not a name"),
        (" ana", "not a name"),
        ("ana\n", "not a name"),
        ("a" * 256, "not a name"),
        ("anyone", "a reserved name"),
        ("owner", "a reserved name"),
        ("agent", "a reserved name"),
        ("system", "a reserved name"),
        ("hook:builds", "a reserved name"),
        ("slack:U1", "a channel or trigger"),
        ("support", "a team"),
        (7, "of the type int"),
    ],
)
async def test_a_name_that_is_no_person_s_is_refused_and_the_log_says_why(
    name: Any, why: str, store: MemoryStore, world: World, runner: Asleep,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    class Club(AnyName):
        def find_members(self, name: str) -> tuple[str, ...]:
            return ("ana", "bob") if name == "support" else (name,)

    ports = build_ports(store, Says(), world, directory=Club())
    async with visitor(host_of(ports, runner, actor=lambda _: name)) as somebody:
        for answer in (await begin(somebody), await somebody.get("/")):
            assert answer.status_code == 403
            assert "cannot be used here" in answer.text
    assert await store.threads() == []
    assert why in caplog.text


async def test_a_failing_actor_refuses_the_request_and_only_the_log_says_why(
    ports: Ports, runner: Asleep, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: Request) -> str:
        raise ValueError("password=hunter2")

    async with visitor(host_of(ports, runner, actor=fail), "ana") as ana:
        called, opened = await begin(ana), await ana.get("/")
    assert (called.status_code, called.json()) == (500, {"detail": BROKEN})
    assert (opened.status_code, BROKEN in opened.text) == (500, True)
    assert opened.headers["content-type"].startswith("text/html")
    assert "hunter2" not in called.text + opened.text
    assert "hunter2" in caplog.text
    assert await store.threads() == []


@pytest.mark.parametrize("status", [307, 401, 403, 429])
async def test_what_the_actor_refuses_is_refused_as_it_says(
    status: int, ports: Ports, runner: Asleep
) -> None:
    headers = {"Location": "/elsewhere?a=b", "WWW-Authenticate": 'Basic realm="shop"'}

    def refuse(_: Request) -> str:
        raise HTTPException(status, "not on a Sunday", headers)

    async with visitor(host_of(ports, runner, actor=refuse)) as ana:
        for answer in (await begin(ana), await ana.get("/")):
            assert answer.status_code == status
            assert headers.items() <= {name: answer.headers[name] for name in headers}.items()
            assert status == 307 or "not on a Sunday" in answer.text


# -- other sites -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://in.front.of.a.proxy"}, 202),
        ({"Origin": ORIGIN}, 202),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": ORIGIN}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": f"{ORIGIN}.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),  # a cookie, and no word of where it comes from
    ],
)
async def test_another_site_changes_nothing_by_the_api(
    headers: dict[str, str], status: int, host: Starlette, store: MemoryStore
) -> None:
    await ask_ana(store)
    async with visitor(host, "ana") as browser:
        del browser.headers["origin"]
        assert (await browser.get("/threads/t", headers=headers)).status_code == 200
        answer = await browser.post("/threads/t/cancel", headers=headers)
        assert answer.status_code == status
        deleted = await browser.delete("/threads/t", headers=headers)
        assert deleted.status_code == (204 if status == 202 else 403)
    if status == 403:
        assert list_types(await store.load("t"))[-1] == "paused"
        why = "another site" if headers else "send the header Origin"
        assert why in answer.json()["detail"]


async def test_a_program_that_signs_in_without_a_cookie_need_not_say_where_it_comes_from(
    ports: Ports, runner: Asleep
) -> None:
    def by_header(request: Request) -> str | None:
        return request.headers.get("x-user")

    async with visitor(host_of(ports, runner, actor=by_header)) as program:
        del program.headers["origin"]
        program.headers["x-user"] = "crm"
        assert (await begin(program)).status_code == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": ORIGIN}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_another_site_cannot_send_a_form(
    headers: dict[str, str], status: int, ana: Caller, store: MemoryStore
) -> None:
    await ask_ana(store)
    csrf = find_csrf((await ana.get(PAGE)).text)
    answer = await ana.post(PAGE, data={"csrf": csrf, **APPROVE}, headers=headers)
    assert answer.status_code == status
    assert (list_types(await store.load("t"))[-1] == "resumed") == (status == 303)


async def test_a_form_carries_a_word_for_one_person_in_one_browser(
    host: Starlette, ana: Caller, store: MemoryStore
) -> None:
    await ask_ana(store)
    csrf = find_csrf((await ana.get(PAGE)).text)
    assert find_csrf((await ana.get(PAGE)).text) == csrf
    async with visitor(host, "ana") as elsewhere, visitor(host, "bob") as bob:
        bob.cookies.update(ana.cookies)
        bob.cookies["sid"] = "bob"
        await begin(bob, path="/threads", conversation="c")
        row = next(row for row in (await bob.get("/threads")).json() if row["id"] != "t")
        words = ["", "x", "\xe9", find_csrf((await elsewhere.get(PAGE)).text)]
        for word in words:
            answer = await ana.post(PAGE, data={"csrf": word, **APPROVE})
            assert (answer.status_code, "send it again" in answer.text) == (403, True)
        refused = await bob.post(f"/waits/{row['id']}/1", data={"csrf": csrf, "do": "reject"})
        assert (refused.status_code, "send it again" in refused.text) == (403, True)
        ana.cookies.delete(FORMS)
        assert (await ana.post(PAGE, data={"csrf": csrf, **APPROVE})).status_code == 403
    assert list_types(await store.load("t"))[-1] == "paused"


async def test_the_secret_of_the_forms_stays_with_the_browser_and_the_agent(
    ana: Caller, store: MemoryStore
) -> None:
    await ask_ana(store)
    answer = await ana.get(PAGE)
    attributes = {one.strip() for one in answer.headers["set-cookie"].lower().split(";")[1:]}
    assert attributes == {"httponly", "path=/agent", "samesite=lax"}
    assert ana.cookies[FORMS] not in answer.text
    assert "set-cookie" not in (await ana.get(PAGE)).headers
    ana.cookies.delete(FORMS)
    assert "; Secure" in (await ana.get(f"https://shop/agent{PAGE}")).headers["set-cookie"]
    for forged in ("", "x", "a b" * 20):
        sent = {"Cookie": f"sid=ana; {FORMS}={forged}"}
        ana.cookies.clear()
        assert FORMS in (await ana.get(PAGE, headers=sent)).headers["set-cookie"]


async def test_a_page_runs_nothing_but_our_own_files(ana: Caller) -> None:
    for path in ("/", "/static/pages.css", "/waits/none/1"):
        headers = (await ana.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


# -- who may see what ------------------------------------------------------------------------


@cache
def _reused_host() -> Starlette:
    return host_of(build_ports(MemoryStore(), Says(), World(":memory:")), Asleep())


@pytest.fixture
def town(store: MemoryStore, world: World, runner: Asleep) -> Starlette:
    """Return an application with the routes of an earlier test, as it takes long to make them."""
    get_service(_reused_host()).app = App(build_town(store, world, Town()), runner)
    return _reused_host()


def test_every_route_is_known_here(town: Starlette) -> None:
    api = town.routes[-1].app._api  # type: ignore[attr-defined]
    assert list_routes(api) == {*OF_A_THREAD, *LISTS, *OF_NO_THREAD} - OF_TOKENS


@pytest.mark.parametrize(("method", "path"), OF_A_THREAD)
async def test_a_thread_of_others_does_not_exist(
    method: str, path: str, town: Starlette, store: MemoryStore
) -> None:
    thread = await begin_anas(store)
    body, none = OF_A_THREAD[method, path], path.replace("{thread_id}", "none")
    async with visitor(town, "bob") as bob:
        answer, missing = await send(bob, method, path, body), await send(bob, method, none, body)
    assert (answer.status_code, missing.status_code) == (404, 404)
    assert unescape(answer.text).replace("'t'", "'none'") == unescape(missing.text)
    assert "secret" not in answer.text
    assert await store.load("t") == thread


@pytest.mark.parametrize(("method", "path"), LISTS)
async def test_a_list_has_what_its_reader_may_read(
    method: str, path: str, town: Starlette, store: MemoryStore
) -> None:
    await begin_anas(store)
    async with visitor(town, "ana") as ana, visitor(town, "bob") as bob:
        assert len((await ana.request(method, path)).json()) == 1
        assert (await bob.request(method, path)).json() == []


@pytest.mark.parametrize("becomes", ["bob", None])
async def test_a_stream_ends_when_the_request_is_not_the_person_s_any_more(
    becomes: str | None, host: Starlette, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await check_end_of_stream("/agent/threads/{}/events", becomes, host, store, monkeypatch)


# -- its addresses ---------------------------------------------------------------------------


class Proxied:
    """Knows the path that a proxy removed, but a request has not."""

    def __init__(self, host: ASGIApp, root: str) -> None:
        self._host, self._root = host, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._host({**scope, "root_path": self._root}, receive, send)


@pytest.mark.parametrize(
    ("prefix", "root", "removed"),
    [
        ("/agent", "", False),
        ("/tools/agent", "", False),
        ("/agent", "/shop", False),
        ("/tools/agent", "/shop/eu", True),
    ],
)
async def test_every_address_has_the_prefix_and_what_is_before_it(
    prefix: str, root: str, removed: bool, ports: Ports, runner: Asleep, store: MemoryStore
) -> None:
    async def take(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    router = APIRouter(include_in_schema=False)
    router.post("/hooks/big")(take)
    served = Served(router=router, bodies={"/hooks/big": 2_000_000})
    host: Any = host_of(ports, runner, lambda _: served, prefix=prefix)
    await ask_ana(store)
    whole = root + prefix
    how = {} if removed else {"root_path": root}
    at, host = (prefix, Proxied(host, root)) if removed else (whole, host)
    async with visitor(host, "ana", at, **how) as ana, visitor(host, None, at, **how) as stranger:
        answer = await ana.get(PAGE)
        assert f"path={whole};" in answer.headers["set-cookie"].lower()
        ana.cookies.set(FORMS, ana.cookies[FORMS])  # as if the path were still there
        shown = answer.text + (await ana.get("/docs")).text + (await ana.get("/")).text
        links = re.findall(r' (?:href|src|action)="(/[^"]*)"', shown)
        assert {link.removeprefix(whole) for link in links} >= {"/", "/static/pages.css", "/docs"}
        assert [link for link in links if not link.startswith(f"{whole}/")] == []
        sent = {"csrf": find_csrf(answer.text), **APPROVE}
        assert (await ana.post(PAGE, data=sent)).headers["location"] == whole + PAGE
        assert (await begin(ana)).headers["location"].startswith(f"{whole}/threads/")
        assert (await ana.get("/static/pages.css")).status_code == 200
        assert (await ana.get("/openapi.json")).json()["servers"] == [{"url": whole}]
        led = (await stranger.get(f"http://shop{at}")).headers["location"]
        assert led == f"{whole}/"
        big = await stranger.post("/hooks/big", content=b"x" * 1_500_000)
        assert big.json() == {"size": 1_500_000}
        assert (await stranger.post("/hooks/big", content=b"x" * 2_000_001)).status_code == 413


@pytest.mark.parametrize("prefix", ["agent", "/", "", "/a/", "//a", "/a b", "/{a}", "/a/../b"])
def test_a_prefix_that_is_no_path_is_refused(prefix: str, ports: Ports, runner: Asleep) -> None:
    with pytest.raises(Misconfigured, match=r"prefix=.* is not a path such as /agent"):
        host_of(ports, runner, prefix=prefix)


@pytest.mark.parametrize("url", ["login", "", "//evil.example", "javascript:alert(1)"])
def test_an_address_to_sign_in_that_is_none_is_refused(
    url: str, ports: Ports, runner: Asleep
) -> None:
    with pytest.raises(Misconfigured, match="sign_in_url="):
        host_of(ports, runner, sign_in_url=url)


# -- the application around it ---------------------------------------------------------------


class Remembers:
    """A middleware that has a state of its own, and sees what is left of it."""

    seen: list[dict[str, Any]]

    def __init__(self, app: ASGIApp, seen: list[dict[str, Any]]) -> None:
        self._app, self._seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"] = {"session": "the database"}
        await self._app(scope, receive, send)
        if scope["type"] == "http":
            self._seen.append({"app": scope["app"], "state": scope["state"]})


async def answer_value_error(_: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("the application's own", 418)


async def test_the_application_stays_as_it_is(ports: Ports, runner: Asleep) -> None:
    def fail(request: Request) -> PlainTextResponse:
        raise ValueError

    seen: list[dict[str, Any]] = []
    host = Starlette(
        routes=[
            Route("/healthz", lambda _: PlainTextResponse("mine")),
            Route("/docs", lambda _: PlainTextResponse("mine")),
            Route("/fails", fail),
        ],
        middleware=[Middleware(Remembers, seen=seen)],
        exception_handlers={ValueError: answer_value_error},
    )
    host_of(ports, runner, host=host)
    async with visitor(host, "ana", "") as ana:
        assert (await ana.get("/healthz")).text == "mine"
        assert (await ana.get("/docs")).text == "mine"
        assert (await ana.get("/fails")).status_code == 418
        assert "default-src" in (await ana.get("/agent/docs")).headers["content-security-policy"]
        assert (await ana.get("/agent/")).status_code == 200
        assert (await ana.get("/agent/nothing")).json() == {"detail": "Not Found"}
        assert (await ana.get("/agents")).text == "Not Found"
    kept = {"app": host, "state": {"session": "the database"}}
    assert seen == [kept] * 7


def test_the_schema_of_the_application_does_not_have_the_agent_s_routes(
    ports: Ports, runner: Asleep
) -> None:
    host = host_of(ports, runner)
    assert isinstance(host, FastAPI)
    assert host.openapi()["paths"] == {}


class Works(Asleep):
    """A runner that says when it starts and ends, and fails if it is told to."""

    def __init__(self, happened: list[str], error: Exception | None = None) -> None:
        super().__init__()
        self.happened, self.error = happened, error

    async def work(self, concurrency: int = 1) -> None:
        self.happened.append("the runner starts")
        if self.error:
            raise self.error
        try:
            await asyncio.Event().wait()
        finally:
            self.happened.append("the runner ends")


@asynccontextmanager
async def up(host: Starlette) -> AsyncIterator[Any]:
    """Start the application and stop it, as a server does."""
    async with host.router.lifespan_context(host) as state:
        for _ in range(5):
            await asyncio.sleep(0)
        yield state


@pytest.mark.parametrize("kind", KINDS)
async def test_the_runner_works_while_the_application_is_up(kind: str, ports: Ports) -> None:
    happened: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, str]]:
        happened.append("the application starts")
        yield {"database": "open"}
        happened.append("the application ends")

    host = KINDS[kind](lifespan=lifespan)
    host_of(ports, Works(happened), host=host)
    both = ["the application starts", "the runner starts"]
    for _ in range(2):  # it may start again
        happened.clear()
        async with up(host) as state:
            assert (happened, state) == (both, {"database": "open"})
        assert happened[2:] == ["the runner ends", "the application ends"]


async def test_what_the_application_launches_wakes_the_runner_of_the_mounted_agent(
    ports: Ports, runner: Asleep
) -> None:
    host = host_of(ports, runner)
    async with host.router.lifespan_context(host):
        thread = await embed.launch("", "hello", actor="ana")
    assert runner.woken == [thread.id]


def test_the_agent_works_again_in_another_event_loop(world: World) -> None:
    class Fresh:
        def build(self, _: ModelOf) -> App:
            ends = {"intent": "done", "message": "Bye"}
            ports = build_ports(MemoryStore(), Says(ends, ends), world)
            return App(ports, LocalRunner(ports, poll_s=0.01))

    async def run_once(host: Starlette, key: str) -> None:
        async with up(host), visitor(host, "ana") as ana:
            path = f"/threads/{(await begin(ana, key=key)).json()['id']}"
            await until(ana, path, lambda thread: thread["status"] == "finished")

    host = host_of(build_ports(MemoryStore(), Says(), world), Asleep(), application=Fresh())
    for key in ("first", "second"):  # as in tests of the application
        asyncio.run(run_once(host, key))


async def test_another_process_may_run_the_threads(ports: Ports) -> None:
    happened: list[str] = []

    async def tick() -> None:
        happened.append("the trigger starts")

    def trigger(_: App) -> Served:
        return Served(work=tick)

    host = host_of(ports, Works(happened), trigger, run=False)
    async with up(host), visitor(host, "ana") as ana:
        assert happened == ["the trigger starts"]
        assert (await begin(ana)).status_code == 202


async def test_a_runner_that_fails_does_not_end_the_application(
    ports: Ports, caplog: pytest.LogCaptureFixture
) -> None:
    host = host_of(ports, Works([], Misconfigured("the database is from tomorrow")))
    host.add_route("/healthz", lambda _: PlainTextResponse("mine"))
    async with up(host), visitor(host, "ana", "") as ana:
        assert (await ana.get("/healthz")).text == "mine"
        answer = await ana.get("/agent/healthz")
        assert answer.status_code == 503
        assert "from tomorrow" in answer.json()["detail"]
    assert "the agent cannot go on: the database is from tomorrow" in caplog.text


async def test_streams_end_when_the_server_is_told_to_stop(host: Starlette) -> None:
    """It waits for them, and ends the lifespan only then."""
    told: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        told.append(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        async with up(host):
            closing = get_service(host).closing
            assert not closing.is_set()
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(closing.wait(), 2)
        assert told == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.server
def test_an_open_stream_does_not_hold_up_the_server_of_the_application() -> None:
    program = [sys.executable, "-m", "tests.engine.http.hosts"]
    with subprocess.Popen(program, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        said = ""
        try:
            while not (found := re.search(r"running on (http://\S+)", said)):
                said += (line := server.stderr.readline())
                assert line, said
            cookies = {"sid": "ana"}
            with httpx2.Client(base_url=f"{found[1]}/agent", cookies=cookies, timeout=10) as ana:
                key = {"Idempotency-Key": "k", "Origin": found[1]}
                thread = ana.post("/threads", json={"text": "hi"}, headers=key).json()["id"]
                with ana.stream("GET", f"/threads/{thread}/events") as stream:
                    lines = stream.iter_lines()
                    next(lines)
                    server.send_signal(signal.SIGTERM)
                    assert list(lines)[-1] == ""  # it ended as it should, not in the middle
            assert server.wait(15) in (0, -signal.SIGTERM)  # uvicorn raises it again at the end
        finally:
            server.kill()
        assert "Traceback" not in said + server.stderr.read()


async def test_a_signal_without_a_handler_still_ends_the_process(host: Starlette) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        async with up(host):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


# -- how it is written -----------------------------------------------------------------------


def test_the_models_are_those_of_the_settings(
    ports: Ports, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Asks:
        def build(self, model_of: ModelOf) -> App:
            asked.append(model_of("test"))
            return App(ports, Asleep())

    asked: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODEL", raising=False)
    how: dict[str, Any] = {"application": Asks()}
    with pytest.raises(Misconfigured, match="MODEL is not set"):
        host_of(ports, Asleep(), **how)
    monkeypatch.setenv("MODEL_TEST", "scripted:a")
    host_of(ports, Asleep(), **how)
    host_of(ports, Asleep(), run=False, **how)
    assert asked == ["scripted:a", ""]


async def test_the_example_of_the_page_runs(
    ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/http.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n([^`]*embedded import mount[^`]*)```", page)
    assert len([line for line in example.splitlines() if line]) <= 15
    monkeypatch.setattr(main, "build", lambda model_of: App(ports, runner))
    written: dict[str, Any] = {}
    exec(compile(example, "shop.py", "exec"), written)
    async with visitor(written["app"]) as browser:
        led = urlsplit((await browser.get("/")).headers["location"])
        assert led.path == "/login"
        back = await browser.get(f"{ORIGIN}{led.path}?{led.query}")
        assert back.headers["location"] == "/agent/"
        assert "ana" in (await browser.get("/")).text
        assert (await begin(browser)).status_code == 202

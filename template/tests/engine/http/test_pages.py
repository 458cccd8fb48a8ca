"""Who gets in by a browser, what other sites cannot do, and errors that people can read."""

import hmac
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response

from agent.engine.http import login, pages, server, sessions
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.http.tries import Tries
from agent.engine.log.errors import Conflict, Misconfigured, ThreadNotFound, Unavailable
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import App
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import Asleep
from .conftest import TOKENS, Caller, api_of, caller

HOSTILE = "</p><script>alert(1)</script>\" onload='x' \x1b[31m \u202e {{ 7 * 7 }}"
SHOWN = (
    "&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#34; onload=&#39;x&#39; "
    r"\x1b[31m \u202e {{ 7 * 7 }}"
)


@pytest.fixture
def api(ports: Ports, runner: Asleep) -> FastAPI:
    """An API of its own, as these tests add routes."""
    return api_of(ports, runner)


@pytest.fixture
async def browser(api: FastAPI) -> AsyncIterator[Caller]:
    _add_pages(api)
    async with caller(api) as client:
        yield client


def _add_pages(api: FastAPI) -> None:
    """Add a page that fails as it is told to, and one that takes a form."""
    router = APIRouter(route_class=pages.PageRoute)
    failures = {
        "gone": ThreadNotFound(HOSTILE),
        "overtaken": Conflict(HOSTILE),
        "away": Unavailable(HOSTILE),
    }

    @router.get("/fails/{how}")
    async def fails(how: str, times: int) -> Response:
        raise failures[how]

    @router.get("/mine")
    async def mine(request: Request, name: sessions.Person) -> Response:
        return pages.render_page(request, "problem.html", title=name, detail=HOSTILE)

    @router.post("/mine")
    async def take(name: sessions.Person, fields: sessions.Sent) -> dict[str, str]:
        return {"name": name, "text": fields["text"]}

    api.include_router(router)


async def signed_in(browser: Caller, name: str = "ana", **more: Any) -> str:
    """Sign in and return what forms have to carry."""
    answer = await browser.post("/login", data={"token": TOKENS[name], **more})
    assert answer.status_code == 303
    shown = await browser.get("/mine")
    return shown.text.partition('name="csrf" value="')[2].partition('"')[0]


async def test_a_token_opens_a_session_that_no_script_can_read(browser: Caller) -> None:
    answer = await browser.post("/login", data={"token": f" {TOKENS['ana']} ", "next": "/mine?x=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/mine?x=1")
    attributes = {one.strip() for one in answer.headers["set-cookie"].lower().split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=lax", f"max-age={login.SESSION_S}"}
    assert TOKENS["ana"] not in str(answer.headers)
    assert "<h1>ana</h1>" in (await browser.get("/mine")).text


async def test_over_https_the_cookie_stays_there(api: FastAPI) -> None:
    async with caller(api) as browser:
        sent = {"token": TOKENS["ana"]}
        answer = await browser.post("https://agent/login", data=sent)
    assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("token", ["", "x" * 20, TOKENS["ana"].upper(), "\xe9" * 20])
async def test_nobody_else_gets_in(browser: Caller, token: str) -> None:
    answer = await browser.post("/login", data={"token": token})
    assert answer.status_code == 401
    assert "Unknown token." in answer.text
    assert "set-cookie" not in answer.headers
    assert not token or token not in answer.text


@pytest.mark.parametrize(
    "foreign",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "evil.example",
        "javascript:alert(1)",
        "",
        "/a\r\nSet-Cookie: x=1",
    ],
)
async def test_signing_in_leads_nowhere_else(browser: Caller, foreign: str) -> None:
    answer = await browser.post("/login", data={"token": TOKENS["ana"], "next": foreign})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_whoever_is_not_signed_in_is_asked_to_and_told_what_was_not_sent(
    browser: Caller, method: str
) -> None:
    answer = await browser.request(method, "/mine?x=%C3%A9", data={"text": "hi"})
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert (where.path, parse_qs(where.query)["next"]) == ("/login", ["/mine?x=%C3%A9"])
    shown = (await browser.get(answer.headers["location"])).text
    assert ("the form was not sent" in shown) == (method == "POST")
    assert 'value="/mine?x=%C3%A9"' in shown


async def test_a_session_ends_with_its_token_and_goes_on_at_every_replica(
    browser: Caller, ports: Ports
) -> None:
    await signed_in(browser)
    cookie = {"Cookie": f"{login.COOKIE}={browser.cookies[login.COOKIE]}"}
    token, another = TOKENS["ana"], "c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f"
    for tokens, status in [
        (f"ana:{token},bob:{another}", 200),
        (f"ana:{another},ana:{token}", 200),
        (f"ana:{another}", 303),
        (f"bob:{another}", 303),
    ]:
        replica = create_app(App(ports, Asleep()), Tokens.parse(tokens))
        _add_pages(replica)
        async with caller(replica) as other:
            assert (await other.get("/mine", headers=cookie)).status_code == status


async def test_a_session_ends_by_itself(browser: Caller, clock: Clock) -> None:
    await signed_in(browser)
    clock.tick(login.SESSION_S - 1)
    assert (await browser.get("/mine")).status_code == 200
    clock.tick(2)
    assert (await browser.get("/mine")).status_code == 303


async def test_what_a_store_and_a_browser_keep_leads_to_no_token(
    browser: Caller, store: MemoryStore
) -> None:
    csrf = await signed_in(browser)
    secret = browser.cookies[login.COOKIE]
    (kept,) = store._sessions.values()
    token = TOKENS["ana"].encode()
    hashes = {sha256(token).hexdigest(), hmac.new(token, b"form", sha256).hexdigest()}
    assert not {kept.id, kept.proof, secret, csrf} & hashes
    assert secret not in (kept.id, kept.proof)
    for stolen in (kept.id, kept.proof):
        forged = {"Cookie": f"{login.COOKIE}={stolen}"}
        browser.cookies.clear()
        assert (await browser.get("/mine", headers=forged)).status_code == 303


async def test_after_ten_wrong_tokens_an_address_has_to_wait(
    browser: Caller, api: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(api.state.service.sign_in, "tries", Tries(lambda: now))
    for _ in range(10):
        assert (await browser.post("/login", data={"token": "no"})).status_code == 401
    answer = await browser.post("/login", data={"token": TOKENS["ana"]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert "Too many wrong tokens" in answer.text
    other = httpx2.ASGITransport(api, client=("192.0.2.7", 1))
    async with Caller(transport=other, base_url="http://agent") as elsewhere:
        assert (await elsewhere.post("/login", data={"token": TOKENS["ana"]})).status_code == 303
    now = 61.0
    assert (await browser.post("/login", data={"token": TOKENS["ana"]})).status_code == 303


def test_so_many_addresses_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.engine.http.tries.ADDRESSES", 3)
    tries = Tries(lambda: 0.0)
    for address in "abcde":
        for _ in range(10):
            tries.count(address)
    assert [tries.find_pause_s(address) > 0 for address in "abcde"] == [False, False, *[True] * 3]


async def test_a_long_form_is_not_read_to_sign_in(browser: Caller) -> None:
    answer = await browser.post("/login", data={"token": "x" * 10_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("place", [0, 10, -10])
async def test_a_forged_cookie_opens_nothing(browser: Caller, place: int) -> None:
    await signed_in(browser)
    letters = [*browser.cookies[login.COOKIE]]
    letters[place] = "B" if letters[place] == "A" else "A"
    browser.cookies.clear()
    forged = {"Cookie": f"{login.COOKIE}={''.join(letters)}"}
    assert (await browser.get("/mine", headers=forged)).status_code == 303


async def test_signing_out_takes_a_form_and_ends_it_wherever_the_cookie_is(
    browser: Caller,
) -> None:
    csrf = await signed_in(browser)
    copied = {"Cookie": f"{login.COOKIE}={browser.cookies[login.COOKIE]}"}
    assert (await browser.get("/logout")).status_code == 405
    assert (await browser.post("/logout", data={"csrf": csrf})).headers["location"] == "/login"
    assert (await browser.get("/mine")).status_code == 303
    browser.cookies.clear()
    assert (await browser.get("/mine", headers=copied)).status_code == 303


async def test_a_form_is_taken_with_the_word_of_its_session(browser: Caller) -> None:
    csrf = await signed_in(browser)
    fields = {"csrf": csrf, "text": "a\0b \ud800 \r\nc"}
    body = "&".join(f"{name}={_quoted(value)}" for name, value in fields.items())
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = await browser.post("/mine", content=body, headers=kind)
    assert answer.json() == {"name": "ana", "text": "a\ufffdb \ufffd\ufffd\ufffd \nc"}


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://in.front.of.a.proxy"}, 200),
        ({"Origin": "http://agent"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://agent"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://agent.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
async def test_another_site_cannot_send_a_form(
    browser: Caller, headers: dict[str, str], status: int
) -> None:
    data = {"csrf": await signed_in(browser), "text": "hi"}
    assert (await browser.post("/mine", data=data, headers=headers)).status_code == status
    if status == 403:  # nor sign somebody in as somebody else
        foreign = await browser.post("/login", data={"token": TOKENS["bob"]}, headers=headers)
        assert (foreign.status_code, "set-cookie" in foreign.headers) == (403, False)


@pytest.mark.parametrize(("csrf", "status"), [("", 403), ("x", 403), ("\xe9", 403), ("bob's", 403)])
async def test_a_form_without_the_word_of_the_session_does_nothing(
    browser: Caller, csrf: str, status: int
) -> None:
    another = await signed_in(browser, "bob")
    await signed_in(browser, "ana")
    answer = await browser.post("/mine", data={"csrf": another if csrf == "bob's" else csrf})
    assert answer.status_code == status
    assert "send it again" in answer.text


async def test_a_form_of_too_many_fields_is_refused(browser: Caller) -> None:
    fields = {f"field{number}": "" for number in range(pages.MAX_FIELDS)}
    answer = await browser.post("/mine", data={"csrf": await signed_in(browser), **fields})
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("/fails/gone?times=1", 404, SHOWN),
        ("/fails/overtaken?times=1", 409, SHOWN),
        ("/fails/away?times=1", 503, SHOWN),
        ("/fails/gone?times=x", 422, "not complete"),
    ],
)
async def test_what_goes_wrong_is_a_page_and_nothing_in_it_is_obeyed(
    browser: Caller, path: str, status: int, shown: str
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == status
    assert shown in answer.text
    assert "<script>alert" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize("path", ["/login", "/mine", "/fails/gone?times=1", "/static/pages.css"])
async def test_a_page_runs_nothing_but_our_own_files(browser: Caller, path: str) -> None:
    headers = (await browser.get(path)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(("style-src", "script-src", "connect-src", "img-src"), "'self'"),
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    cached = "no-cache" if path.startswith("/static") else "no-store"
    assert headers["cache-control"] == cached


async def test_the_style_sheet_is_sent_once(browser: Caller) -> None:
    first = await browser.get("/static/pages.css")
    again = await browser.get("/static/pages.css", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert (await browser.get("/static/../pages.py")).status_code == 404


async def test_pages_are_no_part_of_the_api(browser: Caller, api: FastAPI) -> None:
    paths = (await browser.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.startswith(("/login", "/logout", "/static"))]


@pytest.mark.parametrize("path", ["/threads/", "/login/", "/docs/", "/waits/"])
async def test_nobody_is_led_to_the_host_that_a_caller_names(api: FastAPI, path: str) -> None:
    async with caller(api, "ana") as client:
        answer = await client.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "evil.example" not in str(answer.headers)


async def test_behind_a_path_every_address_has_it(ports: Ports, runner: Asleep) -> None:
    api = api_of(ports, runner)
    _add_pages(api)
    under = httpx2.ASGITransport(api, root_path="/agents/one")
    async with Caller(transport=under, base_url="http://agent") as browser:
        asked = await browser.get("/agents/one/mine?x=1")
        where = urlsplit(asked.headers["location"])
        assert (where.path, where.query) == ("/agents/one/login", "next=%2Fmine%3Fx%3D1")
        shown = (await browser.get(asked.headers["location"])).text
        for name in ("href", "src", "action"):
            parts = shown.split(f' {name}="')[1:]
            assert all(part.startswith("/agents/one/") for part in parts if part[0] == "/")
        fields = {"token": TOKENS["ana"], "next": "/mine?x=1"}
        signed = await browser.post("/agents/one/login", data=fields)
        assert signed.headers["location"] == "/agents/one/mine?x=1"
        assert "path=/agents/one;" in signed.headers["set-cookie"].lower()
        assert (await browser.get("/agents/one/mine?x=1")).status_code == 200
        assert (await browser.get("/agents/one/static/pages.css")).status_code == 200
        headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {TOKENS['ana']}"}
        started = await browser.post("/agents/one/threads", json={"text": "hi"}, headers=headers)
        assert started.headers["location"].startswith("/agents/one/threads/")
        long = await browser.post("/agents/one/login", data={"token": "x" * 10_000})
        assert long.status_code == 413


@pytest.mark.parametrize("root", ["agent", "/a b", "//evil.example", "/a/../b?", "/a#b"])
def test_a_root_that_is_no_path_is_refused(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOT_PATH", root)
    with pytest.raises(Misconfigured, match="ROOT_PATH"):
        server._read_root()


def test_a_root_needs_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOT_PATH", "/agents/one/")
    assert server._read_root() == "/agents/one"

"""Every error is `{"detail": …}` with the status that says whose fault it is."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI

from agent import record
from agent.errors import Unavailable
from agent.stores.memory import MemoryStore
from agent.triggers.http.bodies import MAX_TEXT
from agent.triggers.http.problems import MAX_BODY

from .conftest import TOKENS, Caller, begin, caller

GUARDED = [
    ("GET", "/threads"),
    ("POST", "/threads"),
    ("GET", "/threads/t"),
    ("GET", "/threads/t/events"),
    ("POST", "/threads/t/messages"),
    ("POST", "/threads/t/waits/1"),
    ("POST", "/threads/t/cancel"),
    ("GET", "/waits"),
]


def detail(answer: Any) -> str:
    """Return the one field of a problem."""
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["detail"]
    return str(answer.json()["detail"])


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer x", f"Basic {TOKENS['ana']}"])
@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_no_route_without_a_token(
    api: FastAPI, method: str, path: str, given: str | None
) -> None:
    headers = {"Authorization": given} if given else {}
    async with caller(api) as nobody:
        answer = await nobody.request(method, path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "token" in detail(answer)


def test_no_route_is_left_out_above(api: FastAPI) -> None:
    paths = api.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    asked = {(method, path.format(thread_id="t", wait=1)) for method, path in routes}
    assert asked == {*GUARDED, ("GET", "/healthz")}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe\xfd", 400),
        (b"[" * 100_000, 400),
        (b'{"text": ' + b"9" * 10_000 + b"}", 400),
        (b'{"text": ' + b"[" * 500 + b"]" * 500 + b"}", 422),
        (b'{"text": ""}', 422),
        (b'{"text": 1}', 422),
        (b'{"text": null}', 422),
        (b'{"text": "a", "actor": "system"}', 422),
        (b'{"text": "a", "\\ud800": 1}', 422),
        (b'{"text": "a", "conversation": ""}', 422),
        (b'{"text": "%s"}' % (b"x" * (MAX_TEXT + 1)), 422),
        (b'{"text": "a", %s}' % b",".join(b'"%d": 1' % number for number in range(1000)), 422),
        (b"[]", 422),
        (b"null", 422),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_in_words(
    ana: Caller, store: MemoryStore, body: bytes, status: int
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await ana.post("/threads", content=body, headers=headers)
    assert answer.status_code == status
    assert len(detail(answer)) < 1100
    assert await store.threads() == []


async def test_json_has_to_say_that_it_is_json(ana: Caller) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "text/plain"}
    answer = await ana.post("/threads", content=b'{"text": "a"}', headers=headers)
    assert answer.status_code == 422


async def test_a_body_that_says_it_is_too_long_is_not_read(ana: Caller) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    headers = {"Idempotency-Key": "k", "Content-Length": str(MAX_BODY + 1)}
    answer = await ana.post("/threads", content=never(), headers=headers)
    assert answer.status_code == 413
    assert str(MAX_BODY) in detail(answer)


async def test_a_body_that_turns_out_too_long_is_not_read_on(ana: Caller) -> None:
    read = 0

    async def long() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield b"x" * 100_000

    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await ana.post("/threads", content=long(), headers=headers)
    assert answer.status_code == 413
    assert str(MAX_BODY) in detail(answer)
    assert read * 100_000 <= MAX_BODY + 100_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/threads/none", 404),
        ("POST", "/threads/none/messages", 404),
        ("POST", "/threads/none/cancel", 404),
        ("POST", "/threads/none/waits/0", 422),
        ("GET", "/threads?limit=0", 422),
        ("GET", "/threads/none?after=-1", 422),
        ("GET", "/threads?waitng=true", 422),
        ("DELETE", "/threads/none", 405),
        ("GET", "/threads/none/cancel", 405),
    ],
)
async def test_what_is_not_there_says_so(ana: Caller, method: str, path: str, status: int) -> None:
    body = {"text": "a"} if path.endswith("messages") else None
    answer = await ana.request(method, path, headers={"Idempotency-Key": "k"}, json=body)
    assert answer.status_code == status
    assert detail(answer)


async def test_405_names_every_method_of_the_path(ana: Caller) -> None:
    for path, methods in (("/threads", "POST, GET"), ("/threads/t/cancel", "POST")):
        assert (await ana.delete(path)).headers["allow"] == methods
    assert set((await ana.post("/docs")).headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_the_longest_text_fits_into_a_body() -> None:
    assert 12 * MAX_TEXT + 10_000 < MAX_BODY  # "\\ud83d\\ude00" is one character


async def test_an_unknown_thread_is_named(ana: Caller) -> None:
    answer = await ana.get("/threads/no%00ne")
    assert answer.status_code == 404
    assert "there is no thread" in detail(answer)


@pytest.mark.parametrize("asked_for", [None, 7.2])
async def test_a_store_that_is_away_is_503_and_says_when_to_come_back(
    ana: Caller, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, asked_for: float | None
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise Unavailable("the disk is gone", asked_for)

    monkeypatch.setattr(record, "PATIENCE_S", 0.0)
    for method in ("load", "append", "threads"):
        monkeypatch.setattr(store, method, away)
    for answer in (
        await begin(ana),
        await ana.get("/threads/t"),
        await ana.get("/threads/t/events"),
        await ana.get("/waits"),
        await ana.get("/healthz"),
    ):
        assert (answer.status_code, detail(answer)) == (503, "the disk is gone")
        assert answer.headers["retry-after"] == ("8" if asked_for else "1")


async def test_a_bug_tells_nothing_to_the_caller(
    ana: Caller, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("password=hunter2")

    monkeypatch.setattr(store, "load", broken)
    answer = await ana.get("/threads/t")
    assert answer.status_code == 500
    assert "hunter2" not in json.dumps(answer.json())
    assert detail(answer)

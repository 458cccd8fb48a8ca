"""`/mcp` beside the API: the official client over HTTP, and what it does not let in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette

from agent.engine.http.embedded import mount
from agent.engine.loop.ports import Ports
from agent.engine.mcp import endpoint
from agent.engine.runners.app import App, ModelOf

from ..domain import Asleep
from ..http.conftest import TOKENS, api_of, bearer

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def api(ports: Ports, runner: Asleep) -> FastAPI:
    return api_of(ports, runner, endpoint.serve)


@asynccontextmanager
async def up(host: Any, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with host.router.lifespan_context(host):
        transport = httpx2.ASGITransport(host, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://agent", headers=headers
        ) as client:
            yield client


@asynccontextmanager
async def driven(
    caller: httpx2.AsyncClient, mode: str, path: str = "/mcp"
) -> AsyncIterator[Client]:
    url = f"http://agent{path}"
    async with Client(streamable_http_client(url, http_client=caller), mode=mode) as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_token_of_a_request_says_who_calls(api: FastAPI, ports: Ports, mode: str) -> None:
    async with up(api, **bearer("bob")) as caller, driven(caller, mode) as client:
        found = await client.call_tool("start", {"text": "do it", "key": "k"})
        thread = found.structured_content["thread"]
        assert (await client.call_tool("wait_for", {"thread": thread, "seconds": 0.1})).content
    assert (await ports.store.load(thread)).owner == "bob"


@pytest.mark.parametrize("token", ["", "wrong", TOKENS["ana"][:-1]])
async def test_nothing_is_read_of_whom_nobody_knows(api: FastAPI, token: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with up(api) as caller:
        for content in (body(), b"x" * 100):
            answer = await caller.post("/mcp", content=content, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_body_has_the_bounds_of_the_api(api: FastAPI) -> None:
    async with up(api, **bearer("ana")) as caller:
        answer = await caller.post("/mcp", content=b"x" * 1_000_001)
        assert answer.status_code == 413

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b"x" * 10_000

        answer = await caller.post("/mcp", content=endless())
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("agent", "", 200),
        ("localhost:8000", "http://localhost:8000", 200),
        ("agent.example", "https://agent.example", 200),
        ("agent.example", "https://evil.example", 403),
        ("evil.example", "http://evil.example", 403),
        ("evil.example", "http://localhost:8000", 403),
        ("agent.example", "null", 403),
        ("agent.example", "http://[", 403),
    ],
)
async def test_a_page_of_another_site_is_refused(
    api: FastAPI, monkeypatch: pytest.MonkeyPatch, host: str, origin: str, status: int
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://agent.example")
    headers = ACCEPT | {"Host": host} | ({"Origin": origin} if origin else {})
    async with up(api, **bearer("ana")) as caller:
        assert (await caller.post("/mcp", json=LIST, headers=headers)).status_code == status


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_there_are_no_sessions_and_no_streams(api: FastAPI, method: str) -> None:
    async with up(api, **bearer("ana")) as caller:
        assert (await caller.request(method, "/mcp", headers=ACCEPT)).status_code == 405
        answer = await caller.post("/mcp", json=LIST, headers=ACCEPT)
        assert answer.status_code == 200
        assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"[[[[", b'{"jsonrpc": "2.0"}', b"\xff", b'"' + b"[" * 10_000]
)
async def test_a_body_that_is_no_request_is_refused(api: FastAPI, body: bytes) -> None:
    headers = ACCEPT | {"Content-Type": "application/json"}
    async with up(api, **bearer("ana")) as caller:
        for more in ({}, {"MCP-Protocol-Version": "2026-07-28"}, {"MCP-Protocol-Version": "x"}):
            answer = await caller.post("/mcp", content=body, headers=headers | more)
            assert 400 <= answer.status_code < 500


class Plugged:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def build(self, model_of: ModelOf) -> App:
        return App(self._ports, Asleep(), [endpoint.serve])


async def test_inside_another_application_its_sign_in_says_who_calls(ports: Ports) -> None:
    host = Starlette()
    mount(host, "/agent", lambda request: request.headers.get("x-user"), application=Plugged(ports))
    async with up(host) as caller:
        path = "/agent/mcp"
        assert (await caller.post(path, json=LIST, headers=ACCEPT)).status_code == 401
        from_elsewhere = ACCEPT | {"X-User": "ana", "Origin": "https://evil.example"}
        assert (await caller.post(path, json=LIST, headers=from_elsewhere)).status_code == 403
        caller.headers["X-User"] = "ana"
        async with driven(caller, "auto", path) as client:
            found = await client.call_tool("start", {"text": "do it", "key": "k"})
    assert (await ports.store.load(found.structured_content["thread"])).owner == "ana"

"""Callers of the API, each with a token, and a runner that only remembers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from agent.engine.http import stream
from agent.engine.http.login import TokenSignIn
from agent.engine.http.server import create_app
from agent.engine.http.service import Service
from agent.engine.http.tokens import Tokens
from agent.engine.loop.ports import Ports, Runner
from agent.engine.runners.app import App, Trigger
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, Says, World, build_ports

TOKENS = {"ana": "a0b1c2d3e4f5a6b7c8d90e1f2a3b4c5d", "bob": "b0c1d2e3f4a5b6c7d8e90f1a2b3c4d5e"}

Caller = httpx2.AsyncClient


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


def api_of(ports: Ports, runner: Runner, *triggers: Trigger) -> FastAPI:
    tokens = ",".join(f"{name}:{token}" for name, token in TOKENS.items())
    return create_app(App(ports, runner, triggers), Tokens.parse(tokens))


@cache
def _routes(*triggers: Trigger) -> FastAPI:
    return api_of(build_ports(MemoryStore(), Says(), World(":memory:")), Asleep(), *triggers)


def reused_api_of(ports: Ports, runner: Runner, *triggers: Trigger) -> FastAPI:
    """Return an API with the routes of an earlier test, as it takes long to make them.

    There is one at a time for the same triggers.
    """
    api = _routes(*triggers)
    service = Service(App(ports, runner, triggers), TokenSignIn(api.state.service.sign_in.tokens))
    service.thread_page = api.state.service.thread_page
    api.state.service = service
    return api


def caller(api: FastAPI, name: str | None = None) -> Caller:
    transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
    headers = bearer(name) if name else {}
    return Caller(transport=transport, base_url="http://agent", headers=headers)


@pytest.fixture
def api(ports: Ports, runner: Asleep) -> FastAPI:
    return reused_api_of(ports, runner)


@pytest.fixture
async def ana(api: FastAPI) -> AsyncIterator[Caller]:
    async with caller(api, "ana") as client:
        yield client


@pytest.fixture
async def bob(api: FastAPI) -> AsyncIterator[Caller]:
    async with caller(api, "bob") as client:
        yield client


async def begin(
    who: Caller, text: str = "hello", key: str = "k", path: str = "/threads", **more: Any
) -> httpx2.Response:
    return await who.post(path, json={"text": text, **more}, headers={"Idempotency-Key": key})


async def until(who: Caller, path: str, true: Callable[[Any], object]) -> Any:
    """Read `path` again and again until what it says is `true`."""
    for _ in range(500):
        read = (await who.get(path)).json()
        if true(read):
            return read
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} never came to it: {read}")


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


def following_of(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """`async with follow("t") as (follower, request)`: ana reads the stream of a thread."""
    monkeypatch.setattr(stream, "RETRY_S", 0.01)

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


@pytest.fixture
def follow(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Follow:
    return following_of(api, monkeypatch)

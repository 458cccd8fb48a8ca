"""Callers of the API, each with a token, and a runner that only remembers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from agent.ports import Agent, Runner
from agent.stores.memory import MemoryStore
from agent.thread import Thread
from agent.triggers import App
from agent.triggers.http.server import create_app
from agent.triggers.http.service import Tokens

from ...domain import Says, World, agent_of

TOKENS = {"ana": "a0b1c2d3e4f5a6b7c8d9", "bob": "b0c1d2e3f4a5b6c7d8e9"}

Caller = httpx2.AsyncClient


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


def api_of(agent: Agent, runner: Runner) -> FastAPI:
    tokens = ",".join(f"{name}:{token}" for name, token in TOKENS.items())
    return create_app(App(agent, runner), Tokens.parse(tokens))


def caller(api: FastAPI, name: str | None = None) -> Caller:
    transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
    headers = bearer(name) if name else {}
    return Caller(transport=transport, base_url="http://agent", headers=headers)


class Asleep:
    """A runner that never runs anything and remembers whom it should have looked at."""

    elsewhere = False

    def __init__(self) -> None:
        self.woken: list[str] = []

    def wake(self, thread_id: str) -> None:
        self.woken.append(thread_id)

    async def finish(self, thread_id: str) -> Thread:
        raise NotImplementedError

    async def work(self, concurrency: int = 1) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def runner() -> Asleep:
    return Asleep()


@pytest.fixture
def agent(store: MemoryStore, world: World) -> Agent:
    return agent_of(store, Says(), world)


@pytest.fixture
def api(agent: Agent, runner: Asleep) -> FastAPI:
    return api_of(agent, runner)


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

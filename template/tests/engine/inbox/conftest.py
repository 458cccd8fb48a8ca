"""The API with the inbox, and a runner that only remembers."""

import pytest
from fastapi import FastAPI

from agent.engine import inbox
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..domain import Says, World, ports_of
from ..http.conftest import Asleep, Follow, following_of, reused_api_of


@pytest.fixture
def runner() -> Asleep:
    return Asleep()


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    return ports_of(store, Says(), world)


@pytest.fixture
def api(ports: Ports, runner: Asleep) -> FastAPI:
    return reused_api_of(ports, runner, inbox.serve)


@pytest.fixture
def follow(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Follow:
    return following_of(api, monkeypatch)

"""The API with the inbox, and a runner that only remembers."""

import pytest
from fastapi import FastAPI

from agent.engine import inbox
from agent.engine.loop.ports import Ports

from ..domain import Asleep
from ..http.conftest import Follow, following_of, reused_api_of


@pytest.fixture
def api(ports: Ports, runner: Asleep) -> FastAPI:
    return reused_api_of(ports, runner, inbox.serve)


@pytest.fixture
def follow(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Follow:
    return following_of(api, monkeypatch)

"""A workspace in Slack, and an office that people in it talk to."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.engine.people.poll import PollChannel
from agent.engine.people.routing import Routing
from agent.engine.slack.channel import SlackChannel
from agent.engine.slack.client import Slack
from agent.engine.stores.memory import MemoryStore

from ..domain import Says, World, build_ports
from .office import SECRET, Office, Open
from .server import TOKEN, SlackServer

PEOPLE = """
[ana]
cli = "ana"
slack = "U1"

[bob]
cli = "bob"
slack = "U2"
"""


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "people.toml").write_text(PEOPLE)
    monkeypatch.setenv("PEOPLE_FILE", str(tmp_path / "people.toml"))
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", SECRET)
    monkeypatch.delenv("SLACK_APP_TOKEN", raising=False)


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlackServer]:
    server = SlackServer()
    async with server.running():
        monkeypatch.setenv("SLACK_API_URL", server.url)
        yield server


@pytest.fixture
def open_office(slack: SlackServer, store: MemoryStore, world: World) -> Open:
    """`open_office(*replies)` scripts the model's replies; `decide=` replaces the agent's own."""

    def open_one(*replies: Any, **changes: Any) -> Office:
        routing = Routing({"slack": SlackChannel(Slack(TOKEN, slack.url)), "poll": PollChannel()})
        return Office(slack, build_ports(store, Says(*replies), world, notifier=routing, **changes))

    return open_one

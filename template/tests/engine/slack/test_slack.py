"""Which settings turn Slack on, and what the log says about it."""

import logging
import subprocess
import sys

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.slack import serve
from agent.engine.stores.memory import MemoryStore

from ..domain import Says, World, build_ports
from .office import SECRET
from .server import APP_TOKEN


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"SLACK_SIGNING_SECRET": ""}, "neither SLACK_SIGNING_SECRET"),
        ({"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN is not"),
        ({"SLACK_APP_TOKEN": "xoxb-1"}, "starts with xapp-"),
        ({"SLACK_APP_TOKEN": "xapp-"}, "starts with xapp-"),
        ({"SLACK_SIGNING_SECRET": "<your signing secret>"}, "SECRET is a placeholder"),
    ],
)
def test_an_incomplete_setup_names_what_is_missing(
    changed: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch, app: App
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=problem):
        serve(app)


def test_without_settings_slack_is_off_and_the_log_says_how_to_turn_it_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, app: App
) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.delenv(name)
    assert serve(app) is None
    both = "SLACK_BOT_TOKEN and either SLACK_SIGNING_SECRET or SLACK_APP_TOKEN"
    assert caplog.messages == [f"Slack is off. To turn it on, set {both} (see docs/slack.md)."]


@pytest.mark.parametrize(
    ("secret", "app_token", "said"),
    [
        (SECRET, "", ["Slack connects by HTTP at /slack/events"]),
        ("", APP_TOKEN, ["Slack connects by socket mode"]),
        (
            SECRET,
            APP_TOKEN,
            ["Slack connects by HTTP at /slack/events", "Slack connects by socket mode"],
        ),
    ],
)
def test_the_log_says_how_slack_connects(
    secret: str,
    app_token: str,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    app: App,
) -> None:
    monkeypatch.setenv("SLACK_SIGNING_SECRET", secret)
    monkeypatch.setenv("SLACK_APP_TOKEN", app_token)
    caplog.set_level(logging.INFO, "agent")
    assert serve(app)
    assert caplog.messages == said


@pytest.fixture
def app(store: MemoryStore, world: World) -> App:
    ports = build_ports(store, Says(), world)
    return App(ports, LocalRunner(ports))


def test_the_command_line_does_not_import_slack() -> None:
    code = (
        "import sys; import agent.engine.slack, agent.engine.slack.channel;"
        "print({'slack_sdk', 'slack_bolt', 'aiohttp', 'fastapi'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"

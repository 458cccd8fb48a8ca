"""`agent serve` in its own process, connected to Slack. Run as a program, this is that server."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer

from agent.engine.http import mount
from agent.engine.llms.scripted import ScriptedLLM
from agent.engine.people.poll import PollChannel
from agent.engine.people.routing import Routing
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.slack import serve
from agent.engine.slack.channel import SlackChannel
from agent.engine.stores.sqlite import SqliteStore

from ..domain import World, build_ports
from .office import SECRET, TOKENS, build_event, build_press, sign
from .server import APP_TOKEN, TOKEN, SlackServer

ROOT = Path(__file__).parents[3]
SCRIPT = ({"intent": "charge", "amount": 500}, {"intent": "done", "message": "bye"})

pytestmark = pytest.mark.server


def build(model_of: ModelOf) -> App:
    folder = Path(os.environ["FOLDER"])
    slack = SlackChannel.from_env()
    assert slack
    routing = Routing({"slack": slack, "poll": PollChannel()})
    store, world = SqliteStore(folder / "threads.db"), World(folder / "world.db")
    ports = build_ports(store, ScriptedLLM.of(*SCRIPT), world, notifier=routing)
    return App(ports, LocalRunner(ports, lease_s=1, poll_s=0.1), (serve,))


class Serving:
    """One `agent serve`, and how Slack reaches it."""

    def __init__(self, process: Process, slack: SlackServer) -> None:
        self.process = process
        self.said = ""
        self._slack = slack
        self._url = ""

    async def listens(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.said += line.decode()
            if found := re.search(r"running on (http://\S+)", self.said):
                self._url = found[1]
                return
        raise AssertionError(f"it never listened:\n{self.said}")

    async def by_http(self, payload: dict[str, Any]) -> None:
        body, headers = sign(payload)
        async with httpx2.AsyncClient(base_url=self._url) as client:
            answer = await client.post("/slack/events", content=body, headers=headers)
        assert answer.status_code == 200

    async def by_socket(self, payload: dict[str, Any]) -> None:
        socket = await self._slack.sockets.get()
        kind = {"type": "interactive", "envelope_id": "e", "payload": payload}
        await socket.send_str(json.dumps(kind))
        assert (await self._slack.received.get())["envelope_id"] == "e"
        self._slack.sockets.put_nowait(socket)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    server = SlackServer()
    async with server.running():
        yield server


async def start_agent(slack: SlackServer, folder: Path) -> Serving:
    settings = {
        "FOLDER": str(folder),
        "API_TOKENS": TOKENS,
        "PEOPLE_FILE": str(folder / "none.toml"),
        "SLACK_API_URL": slack.url,
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": SECRET,
        "SLACK_APP_TOKEN": APP_TOKEN,
    }
    command = (sys.executable, "-W", "error", "-m", "tests.engine.slack.test_server")
    process = await asyncio.create_subprocess_exec(
        *command,
        "--port",
        "0",
        "--model",
        "scripted",
        cwd=ROOT,
        env=os.environ | settings,
        stderr=PIPE,
    )
    serving = Serving(process, slack)
    await serving.listens()
    return serving


async def until(true: Callable[[], Any]) -> Any:
    for _ in range(1000):
        if found := true():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to it")


@pytest.mark.parametrize("way", ["by_http", "by_socket"])
async def test_an_approval_requested_before_a_kill_is_given_after_it(
    way: str, slack: SlackServer, tmp_path: Path
) -> None:
    first = await start_agent(slack, tmp_path)
    message = slack.says("C1", "<@UBOT> charge", "U1")
    await getattr(first, way)(build_event(message, "C1", "app_mention"))
    (shown,) = await until(lambda: slack.ours("C1"))
    first.process.kill()
    await first.process.communicate()
    while not slack.sockets.empty():
        slack.sockets.get_nowait()
    second = await start_agent(slack, tmp_path)
    try:
        await getattr(second, way)(build_press("U1", "Approve and run", shown))
        await until(lambda: "Approved by <@U1>" in str(shown["blocks"]))
        await until(lambda: [each["text"] for each in slack.ours("C1")][1:] == ["bye"])
    finally:
        second.process.send_signal(signal.SIGTERM)
        _, rest = await second.process.communicate()
    assert World(tmp_path / "world.db").effects("charge") == ["500"]
    assert "Traceback" not in second.said + rest.decode()
    assert second.process.returncode == 0


if __name__ == "__main__":
    cli = typer.Typer()
    mount(cli, build)
    cli()

"""`agent mcp serve`: a process of its own that the official client starts, without a network."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[3]
MAIN = "from agent.engine import mcp; from agent.engine.cli import build_commands; "
MAIN += "from tests.engine.mcp.test_stdio import build; build_commands(build, mcp.mount)()"


def build(model_of: object) -> object:
    """Plug an agent together that has one answer."""
    from agent.engine import Agent, Finish, parts
    from agent.engine.build import Application
    from agent.engine.log.errors import Misconfigured
    from agent.engine.runners.local import LocalRunner
    from agent.engine.stores.sqlite import SqliteStore

    from ..domain import Done

    class Broken:
        elsewhere = False

        async def work(self) -> None:
            raise Misconfigured("the database is from tomorrow")

    parts.runner = LocalRunner  # whichever was chosen
    agent = Agent(steps=Done, decide=lambda step, _: Finish(step.message), prompts="A test.")
    application = Application(agents={"test": agent}, store=SqliteStore.from_env)
    app = application.build(model_of)  # type: ignore[arg-type]
    return replace(app, runner=Broken()) if "BROKEN" in os.environ else app  # type: ignore[arg-type]


def make_parameters(folder: Path) -> StdioServerParameters:
    script = {"step": {"intent": "done", "message": "It is done."}}
    (folder / "script.jsonl").write_text(json.dumps(script), "utf-8")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "MODEL": f"scripted:{folder / 'script.jsonl'}",
        "SQLITE_PATH": str(folder / "threads.db"),
        "AGENT_USER": "ana",
    }
    words = ["-c", MAIN, "mcp", "serve"]
    return StdioServerParameters(command=sys.executable, args=words, env=environment, cwd=folder)


async def test_a_task_runs_in_the_process_that_the_client_started(tmp_path: Path) -> None:
    async with Client(make_parameters(tmp_path)) as client:
        found = await client.call_tool("start", {"text": "do it", "key": "k"})
        thread = found.structured_content["thread"]
        ended = (await client.call_tool("wait_for", {"thread": thread})).structured_content
        assert (ended["status"], ended["result"]) == ("finished", "It is done.")
    with sqlite3.connect(tmp_path / "threads.db") as db:
        ((actor,),) = db.execute("SELECT actor FROM events WHERE type = 'message'").fetchall()
    db.close()
    assert actor == "cli:ana"
    async with Client(make_parameters(tmp_path), mode="legacy") as client:  # the next day
        again = await client.call_tool("start", {"text": "do it", "key": "k"})
        assert again.structured_content["thread"] == thread
        assert again.structured_content["status"] == "finished"


async def start(folder: Path, **more: str) -> asyncio.subprocess.Process:
    given = make_parameters(folder)
    return await asyncio.create_subprocess_exec(
        given.command,
        *given.args,
        cwd=folder,
        env=dict(os.environ) | (given.env or {}) | more,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_signal_ends_it_although_its_stdin_is_open(tmp_path: Path) -> None:
    server = await start(tmp_path)
    assert server.stdin
    assert server.stdout
    server.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    await server.stdout.readline()
    server.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(server.wait(), 15) == 0


async def test_a_runner_that_fails_ends_it(tmp_path: Path) -> None:
    server = await start(tmp_path, BROKEN="yes")
    assert server.stderr
    said = await asyncio.wait_for(server.stderr.read(), 15)
    assert b"the agent cannot go on: the database is from tomorrow" in said
    assert await server.wait() == 1

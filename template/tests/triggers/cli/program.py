"""The command line as a program of its own, for tests with real terminals and signals.

The domain of the tests, a real database, and a model that says what SAYS holds: a JSON list.
"""

import asyncio
import json
import os
import time
from typing import Any

from agent.runners.local import LocalRunner
from agent.stores.sqlite import SqliteStore
from agent.triggers import App
from agent.triggers.cli import command_line

from ...domain import Says, World, agent_of


def build(model: str) -> App:
    replies: list[Any] = json.loads(os.environ.get("SAYS", "[]"))
    agent = agent_of(SqliteStore.from_env(), Says(*map(_slow, replies)), World("world.db"))
    return App(agent, LocalRunner(agent, lease_s=0.5, poll_s=0.05))


def _slow(reply: Any) -> Any:
    async def thinking() -> Any:
        await asyncio.sleep(600)

    async def stuck() -> Any:
        await asyncio.to_thread(time.sleep, 600)

    return {"never": thinking, "stuck": stuck}.get(str(reply), reply)


if __name__ == "__main__":
    command_line(build)

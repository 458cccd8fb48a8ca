"""The loop of a repository that was made here: its own agent, store, runner and model adapter."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from agent.engine import Agent, Finish, Limits, Run, Step
from agent.engine.build import Application
from agent.engine.loop.api import launch
from harness import SYSTEM, URL, One, hello, look, measure


class Look(Step):
    """Look at a place."""

    intent: Literal["look"]
    at: str


class Done(Step):
    """End."""

    intent: Literal["done"]
    message: str


async def see(step: Look, _: Any) -> str:
    return await look(step.at)


def decide(step: Look | Done, _: Any) -> Run | Finish:
    return Run(see, effect="read") if isinstance(step, Look) else Finish(step.message)


LIMITS = Limits(steps=10**9, tokens=10**9, context=10**9)
AGENT = Agent(prompts=SYSTEM, steps=Look | Done, decide=decide, limits=LIMITS)


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[One]:
    os.environ |= {"SQLITE_PATH": path, "OPENAI_BASE_URL": URL}
    app = Application({"looker": AGENT}).build(lambda _: "openai:local")

    async def one(name: str, steps: int) -> None:
        text = hello(name, steps)
        await launch(app.ports, name, text, actor="ana", delivery="1", source="cli")
        await app.runner.finish(name)

    yield one


measure(opened)

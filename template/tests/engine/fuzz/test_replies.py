"""Whatever a model replies, the loop goes on: a step that can be read, or one that is invalid."""

import asyncio
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from agent.engine.llms.output import JsonSteps
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Finish, Run
from agent.engine.loop.steps import Step
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Charge,
    Done,
    Put,
    Says,
    World,
    advance,
    build_ports,
    make_message,
    store_thread,
)
from ..examples import given
from .checking import check_stored
from .mutation import mutate, mutate_json, read_samples

CORPUS = Path(__file__).parent / "corpus"


class Tree(BaseModel):
    leaves: list[str]
    trees: list["Tree"]


class Grow(Step):
    """Values within values, as deep as a model likes."""

    intent: Literal["grow"]
    tree: Tree
    sizes: dict[str, float]


STEPS = JsonSteps(Charge | Put | Grow | Done)


def decide(step: Any, thread: Thread) -> Action:
    if isinstance(step, Done):
        return Finish(step.message)
    return Run(lambda step, call: step.model_dump(), effect="read")


def check_reply(reply: bytes) -> None:
    """Check that a thread goes on after a reply, and that all of it can be stored."""
    said = Says(reply.decode("utf-8", "surrogateescape"), *["{}"] * 5)
    ports = build_ports(MemoryStore(), said, World(":memory:"), decide=decide, steps=STEPS)

    async def live() -> Thread:
        return await advance(ports, await store_thread(ports.store, make_message()))

    thread = asyncio.run(live())
    assert thread.events[1].type in ("step", "invalid_step")
    check_stored(thread)


@given(mutate(read_samples(CORPUS, "reply*")))
def test_a_thread_goes_on_after_any_reply(reply: bytes) -> None:
    check_reply(reply)


@given(mutate_json(read_samples(CORPUS, "reply*.json")))
def test_a_thread_goes_on_after_any_step(reply: bytes) -> None:
    check_reply(reply)

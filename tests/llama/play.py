"""Let a rendered agent think with the server of `OPENAI_BASE_URL`, in the agent's own environment.

`PYTHONPATH=. OPENAI_BASE_URL=… python …/play.py REPLIES` plays threads in the whole loop until the
model was asked so often, and prints what came of it as one JSON object. The steps are those of
the core's own tests, and others with all that a schema may hold.
"""

import asyncio
import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.engine import Action, Finish, Limits, Run
from agent.engine.llms.openai import OpenaiLLM
from agent.engine.log.errors import Refused
from agent.engine.log.events import Event
from agent.engine.loop.api import launch, resume
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore
from tests.engine.domain import World, advance, build_ports
from tests.engine.llms.contract import STEPS, Serve

LIMITS = Limits(steps=8, errors=3, tokens=10**9)
YES = {
    "approval": "approve",
    "in_doubt": "happened",
    "limit": "continue",
    "question": "answer",
    "timer": "done",
}


def kitchen(step: Any, _: Any) -> Action:
    match step:
        case Serve():
            return Finish(step.message)
    return Run(lambda *_: "ok", effect="read")


async def played(ports: Ports) -> tuple[Event, ...]:
    """Play one thread, a person saying yes to everything, but not for ever."""
    thread = await launch(ports, "t", "go", actor="ana", delivery="1", source="user")
    for _ in range(4):
        thread = await advance(ports, thread)
        if not (wait := thread.state.wait):
            break
        said = {"text": "yes", "digest": wait.data.get("digest", "")}
        with suppress(Refused):  # a nap of no seconds is over already
            await resume(ports, "t", wait.seq, YES[wait.kind], actor="ana", **said)
        thread = await ports.store.load("t")
    return thread.events


async def main(replies: int) -> None:
    llm = OpenaiLLM.from_env("tiny")
    kitchens = {"steps": STEPS, "decide": kitchen}
    events: list[Event] = []
    while sum(event.type in ("step", "invalid_step") for event in events) < replies:
        world = World(Path(tempfile.mkdtemp()) / "world.db")
        for changes in ({}, kitchens):
            events += await played(build_ports(MemoryStore(), llm, world, limits=LIMITS, **changes))
    tokens = [event.data["tokens"] for event in events if "tokens" in event.data]
    result = {
        "replies": len(tokens),
        "steps": [event.data["call"]["intent"] for event in events if event.type == "step"],
        "errors": [event.data["error"] for event in events if event.type == "invalid_step"],
        "input": sum(each["input"] for each in tokens),
        "cached": sum(each["cached"] for each in tokens),
        "hits": sum(each["cached"] > 0 for each in tokens),
    }
    print(json.dumps(result))


asyncio.run(main(int(sys.argv[1])))

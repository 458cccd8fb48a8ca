"""A backup that is restored: threads under load, the people who answer them, and the world outside.

The world goes on after the copy was taken, and the copy does not know it.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

from agent.engine.cli.restored import hold
from agent.engine.context.window import Prompt
from agent.engine.loop.api import launch, resume
from agent.engine.loop.ports import Ports, Reply
from agent.engine.loop.store import Store
from agent.engine.runners.local import LocalRunner

from .domain import Says, World, build_ports

DONE = {"intent": "done", "message": "bye"}
SCRIPTS: dict[str, tuple[dict[str, Any], ...]] = {
    "put": ({"intent": "put", "value": "x"}, DONE),
    "charge": ({"intent": "charge", "amount": 5}, DONE),
    "approve": ({"intent": "charge", "amount": 500}, DONE),
    "ask": ({"intent": "ask_person", "question": "where?"}, {"intent": "put", "value": "y"}, DONE),
}
"""What the model says in a thread, by the first word of its id."""


class Scripted:
    """A model that knows from the prompt alone what comes next, as one that is restarted."""

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        script = SCRIPTS[prompt.thread_id.partition("-")[0]]
        return await Says(script[prompt.decisions])(prompt, schema)


def make_ports(store: Store, world: World) -> Ports:
    return build_ports(store, Scripted(), world)


async def live(ports: Ports, world: World, *names: str) -> None:
    """Start threads and let people answer, until each has ended."""
    for name in names:
        await launch(ports, name, "go", actor="ana", delivery=name, source="user")
    await go_on(ports, world)


async def go_on(ports: Ports, world: World) -> None:
    """Run all threads to their ends, with people who answer at once."""
    runner = LocalRunner(ports, lease_s=0.1, poll_s=0.01)  # leases of a copy have to expire
    working = asyncio.create_task(runner.work())
    try:
        await asyncio.gather(*(_answer(ports, each, world) for each in await ports.store.ids()))
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def restore(ports: Ports) -> dict[str, int]:
    """Do what `agent restored` does; return the open wait of each thread that had one before."""
    waits = {}
    for thread_id in await ports.store.ids():
        if wait := (await ports.store.load(thread_id)).state.wait:
            waits[thread_id] = wait.seq
        await hold(ports, thread_id)
    return waits


async def _answer(ports: Ports, thread_id: str, world: World) -> None:
    thread = await ports.store.load(thread_id)
    while not thread.state.ended:
        if wait := thread.state.wait:
            charged = count_effects(world)[thread_id]
            verdict = {
                "approval": "approve",
                "question": "answer",
                "in_doubt": "happened" if charged else "retry",
                "limit": "stop" if charged else "continue",
            }[wait.kind]
            said = {"text": "there", "digest": wait.data.get("digest", "")}
            thread = await resume(ports, thread_id, wait.seq, verdict, actor="ana", **said)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                thread = await ports.store.grown(thread)


def count_effects(world: World) -> Counter[str]:
    """Return how many effects each thread had; a key begins with the thread's id."""
    with world._db() as db:
        return Counter(key.partition(".")[0] for (key,) in db.execute("SELECT key FROM effects"))

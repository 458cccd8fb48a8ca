"""Two agents in one store, of which one delegates to the other."""

import asyncio
from dataclasses import replace
from typing import Any, Literal

from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import ThreadNotFound
from agent.engine.log.thread import Thread
from agent.engine.loop import api
from agent.engine.loop.actions import Action, Ask, Delegate, Finish
from agent.engine.loop.advance import advance
from agent.engine.loop.clock import keep_time
from agent.engine.loop.delegate import list_children
from agent.engine.loop.ports import Channel, Ports
from agent.engine.loop.steps import Step
from agent.engine.loop.store import Store
from agent.engine.people.identity import AnyName

from .domain import Direct, Done, Says, World, build_agent, make_message, store_thread


class Hand(Step):
    """Give a task to another agent."""

    intent: Literal["hand"]
    to: str
    task: str = "do it"
    approvers: tuple[str, ...] = ()
    timeout_s: float | None = None


class Question(Step):
    intent: Literal["question"]
    audience: tuple[str, ...] = ("anyone",)


def decide(step: Any, thread: Thread) -> Action:
    match step:
        case Hand():
            return Delegate(step.to, step.task, approvers=step.approvers, timeout_s=step.timeout_s)
        case Question():
            return Ask("Which?", audience=step.audience)
    return Finish(step.message)


HAND = {"intent": "hand", "to": "child"}
ASK = {"intent": "question"}
DONE = {"intent": "done", "message": "the child's result"}
END = {"intent": "done", "message": "all done"}


STEPS = JsonSteps(Hand | Question | Done)


class Family:
    """A parent and a child with a script each, in one store."""

    def __init__(self, store: Store, world: World, channel: Channel) -> None:
        self.store, self._world = store, world
        self.models: dict[str, Says] = {}
        self.ports = Ports(store, Direct(channel), {}, AnyName())

    def add(self, name: str, *replies: Any, **changes: Any) -> None:
        self.models[name] = Says(*replies)
        agent = build_agent(
            self.models[name], self._world, name=name, steps=STEPS, decide=decide, **changes
        )
        self.ports = replace(self.ports, agents={**self.ports.agents, name: agent})

    async def start(self) -> Thread:
        await self._first()
        return await self.settle()

    async def settle(self) -> Thread:
        """Run every thread until there is nothing to do, and return the parent."""
        await self.settle_all()
        return await self.store.load("t")

    async def settle_all(self) -> None:
        """Run every thread until there is nothing to do."""
        versions: list[int] = []
        while versions != (versions := [each.state.version for each in await self.threads()]):
            for thread in await self.threads():
                await advance(self.ports, await keep_time(self.ports, thread))

    async def threads(self) -> list[Thread]:
        return [await self.store.load(name) for name in await self.store.ids()]

    def thread(self) -> Thread:
        """Store the first message for the parent, unless it is there, and return the thread."""
        return asyncio.run(self._first())

    async def _first(self) -> Thread:
        try:
            return await self.store.load("t")
        except ThreadNotFound:
            return await store_thread(self.store, make_message("please", agent="parent"))

    async def child(self, parent: str = "t") -> Thread:
        """Return the youngest child of a thread."""
        return await self.store.load(list_children(await self.store.load(parent))[-1])

    async def said(self, text: str, actor: str = "ana", to: str = "t") -> Thread:
        sender = {"actor": actor, "delivery": text, "source": "user"}
        return await api.append_message(self.ports, to, text, **sender)

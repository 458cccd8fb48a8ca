"""Real logs: what the core writes when people, machines, tools, runners and deaths meet.

A play is drawn by hypothesis: some moves, and more moves that happen *while* a model thinks, a
tool runs or a channel sends. Among them is a second runner that takes the thread over.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from agent.engine import Call
from agent.engine.context.window import Prompt, Prompts
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import Refused, ToolError, Unavailable
from agent.engine.log.events import Event
from agent.engine.log.state import VERDICTS, Limits
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Ask, Finish, Run, Wait
from agent.engine.loop.api import cancel, launch, resume
from agent.engine.loop.clock import keep_time
from agent.engine.loop.ports import BoundAgent, Ports, Reply, Sent
from agent.engine.people.identity import AnyName
from agent.engine.stores.memory import MemoryStore

from .domain import (
    STEPS,
    SUMMARIES,
    AskPerson,
    Charge,
    Direct,
    Done,
    Look,
    Put,
    Says,
    Sleep,
    advance,
)
from .examples import st

LIMITS = Limits(steps=6, errors=2, tokens=200)
OUTCOMES: list[Exception | str] = ["ok", ToolError("no"), ValueError("who knows"), ToolError()]
REPLIES: list[Any] = [
    {"intent": "look", "at": "x"},
    {"intent": "put", "value": "v"},
    {"intent": "charge", "amount": 5},
    {"intent": "charge", "amount": 500},
    {"intent": "ask_person", "question": "which?"},
    {"intent": "sleep", "seconds": 60},
    {"intent": "unhandled"},
    {"intent": "no such step"},
    {"intent": "summarize", "summary": "in short: " + "blah " * 20},
    {"intent": "done", "message": "bye"},
    Unavailable("429"),
]
MOVES: list[tuple[Any, ...]] = [
    *[("run",)] * 4,
    *[("say", actor) for actor in ("ana", "bob", "hook:github")],
    *[("answer well", which) for which in range(3)] * 2,
    ("answer", "approve", "bob"),
    ("cancel",),
    ("tick",),
    ("die", 1),
    ("die", 2),
    ("die", 3),
]


class Killed(BaseException):
    """The process is gone: nothing after this line happens."""


class MortalStore(MemoryStore):
    """Kills whoever appends next but `dies_in`, one time before the append and one after it."""

    dies_in = 0

    async def append(self, thread: Thread, *events: Event) -> Thread:
        assert len(thread.events) < 300, "it goes on and on and on"
        self.dies_in -= 1
        if self.dies_in == 0 and len(thread.events) % 2:
            raise Killed
        grown = await super().append(thread, *events)
        if self.dies_in == 0:
            raise Killed
        return grown


@dataclass
class Play:
    moves: list[tuple[Any, ...]]
    meanwhile: list[tuple[Any, ...] | None]
    """Popped once whenever the model, a tool or a channel is at work."""
    replies: list[Any]
    outcomes: list[Exception | str]
    context: int
    """Tokens of a prompt; a longer one is compacted."""
    time: float = 1_800_000_000.0
    messages: int = 0
    runs: int = 0
    """How many runners are at it right now."""
    llm: Says = field(default_factory=Says)
    effects: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MortalStore(lambda: self.time)
        agent = BoundAgent(
            name="test",
            model="says:this",
            llm=self.think,
            steps=STEPS,
            summaries=SUMMARIES,
            bind_shape=JsonSteps,
            decide=self.decide,
            prompts=Prompts("You are a test.", "What next?", "In short?"),
            prefetch=lambda thread: {"facts": "x"},
            limits=replace(LIMITS, context=self.context),
        )
        self.ports = Ports(self.store, Direct(self), {"test": agent}, AnyName())

    async def think(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        await self.interrupt()
        self.llm.replies.append(self.replies.pop(0) if self.replies else REPLIES[-2])
        return await self.llm(prompt, schema)

    async def send(self, thread: Thread, event: Event) -> Sent:
        await self.interrupt()
        return Sent(receipt={"play": event.seq} if event.type == "paused" else {})

    def decide(self, step: Any, thread: Thread) -> Any:
        match step:
            case Look():
                return Run(self.tool("look"), effect="read")
            case Put():
                return Run(self.tool("put"), effect="idempotent")
            case Charge(amount=amount):
                approvers = ("owner",) if amount > 100 else ()
                return Run(self.tool("charge"), approvers=approvers, expires_s=3600)
            case AskPerson():
                return Ask(step.question, audience=("owner",), expires_s=3600)
            case Sleep():
                return Wait("a nap", step.seconds)
            case Done():
                return Finish(step.message)
        return None

    def tool(self, name: str) -> Callable[[Any, Call], Any]:
        async def run(step: Any, call: Call) -> str:
            self.effects.append((name, call.key))
            await self.interrupt()
            outcome = self.outcomes.pop(0) if self.outcomes else "ok"
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return run

    async def interrupt(self) -> None:
        if self.meanwhile and (move := self.meanwhile.pop(0)):
            await self.move(move)

    async def move(self, move: tuple[Any, ...]) -> None:
        match move:
            case ("run",) if self.runs < 3:
                await self.run()
            case ("say", actor):
                await self.say(actor)
            case ("answer", verdict, actor):
                await self.answer(verdict, actor)
            case ("answer well", which):
                wait = (await self.store.load("t")).state.wait
                if wait:
                    verdicts = sorted(VERDICTS[wait.kind])
                    await self.answer(verdicts[which % len(verdicts)], "ana")
            case ("cancel",):
                with suppress(Refused):
                    await cancel(self.ports, "t", actor="ana", reason="enough")
            case ("tick",):
                self.time += 7200
                await keep_time(self.ports, await self.store.load("t"))
            case ("die", after):
                self.store.dies_in = after

    async def say(self, actor: str) -> None:
        self.messages += 1
        text = f"message {self.messages} " + "blah " * 60
        delivery = str(self.messages)
        await launch(self.ports, "t", text, actor=actor, delivery=delivery, source="user")

    async def answer(self, verdict: str, actor: str) -> None:
        wait = (await self.store.load("t")).state.wait
        if wait is None:
            return
        digest = wait.data.get("digest", "")
        edited = {"intent": "charge", "amount": 400} if verdict == "edit" else None
        with suppress(Refused):
            await resume(
                self.ports, "t", wait.seq, verdict, actor=actor, digest=digest, call=edited
            )

    async def run(self) -> None:
        self.runs += 1
        with suppress(Killed, Unavailable):
            await advance(self.ports, await self.store.load("t"))
        self.runs -= 1

    async def play(self) -> Thread:
        await self.say("ana")
        for move in self.moves:
            with suppress(Killed):
                await self.move(move)
        return await self.store.load("t")


def plays() -> st.SearchStrategy[Play]:
    moves = st.sampled_from(MOVES)
    return st.builds(
        Play,
        moves=st.lists(moves, min_size=3, max_size=16).map(lambda drawn: [("run",), *drawn]),
        meanwhile=st.lists(st.sampled_from([*[None] * len(MOVES), *MOVES]), max_size=20),
        replies=st.lists(st.sampled_from(REPLIES), min_size=2, max_size=12),
        outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=8),
        context=st.sampled_from([200, 100_000]),
    )


def logs() -> st.SearchStrategy[Thread]:
    """Draw threads whose log the core wrote itself."""
    return plays().map(lambda play: asyncio.run(play.play()))

"""A small domain for the tests of the core, so that they stay green when the sample goes.

Its tools write into the *world*: a database of its own, in which every effect can be counted.
"""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from agent.engine.context.window import Prompt, Prompts
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import ToolError, Unavailable
from agent.engine.log.events import CallJson, Event, compute_digest, make_event
from agent.engine.log.state import Limits
from agent.engine.log.thread import Thread
from agent.engine.loop import advance as advance_
from agent.engine.loop.actions import Action, Ask, Call, Finish, Run, Wait
from agent.engine.loop.ports import LLM, BoundAgent, Channel, Delivery, Ports, Reply, Sent
from agent.engine.loop.steps import Step, Summarize
from agent.engine.loop.store import Store
from agent.engine.people.identity import AnyName
from agent.engine.people.poll import PollChannel


class Look(Step):
    """Read something; looking twice does no harm."""

    intent: Literal["look"]
    at: str


class Put(Step):
    """Put a value somewhere; putting it twice with the same key is putting it once."""

    intent: Literal["put"]
    value: str


class Charge(Step):
    """Take money; doing it twice is a crime. More than 100 needs leave."""

    intent: Literal["charge"]
    amount: int


class AskPerson(Step):
    intent: Literal["ask_person"]
    question: str


class Sleep(Step):
    intent: Literal["sleep"]
    seconds: float


class Unhandled(Step):
    """The switch below forgot this one."""

    intent: Literal["unhandled"]


class Done(Step):
    intent: Literal["done"]
    message: str


STEPS = JsonSteps(Look | Put | Charge | AskPerson | Sleep | Unhandled | Done)
SUMMARIES = JsonSteps(Summarize)


class World:
    """Counts effects by key, in a file of its own."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        with self._db() as db:
            db.execute("CREATE TABLE IF NOT EXISTS effects (tool TEXT, key TEXT, value TEXT)")

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10)) as db, db:
            db.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing by it
            yield db

    def put(self, step: Put, call: Call) -> str:
        """Idempotent: the same key again is the same effect."""
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            if not db.execute("SELECT 1 FROM effects WHERE key = ?", (call.key,)).fetchone():
                db.execute("INSERT INTO effects VALUES ('put', ?, ?)", (call.key, step.value))
        return f"put {step.value}"

    def charge(self, step: Charge, call: Call) -> str:
        """Not idempotent: each call is another effect."""
        if step.amount < 0:
            raise ToolError("a negative amount")
        with self._db() as db:
            db.execute("INSERT INTO effects VALUES ('charge', ?, ?)", (call.key, str(step.amount)))
        return f"charged {step.amount}"

    def effects(self, tool: str) -> list[str]:
        with self._db() as db:
            rows = db.execute("SELECT value FROM effects WHERE tool = ? ORDER BY rowid", (tool,))
            return [value for (value,) in rows.fetchall()]


def make_decide(world: World) -> Any:
    """Return the switch of this domain, its effects going to `world`."""

    def decide(step: Any, thread: Thread) -> Action | None:
        match step:
            case Look(at=place):
                return Run(lambda step, call: f"saw {place}", effect="read")
            case Put():
                return Run(world.put, effect="idempotent")
            case Charge(amount=amount) if amount > 100:
                return Run(world.charge, approvers=("owner",), expires_s=3600)
            case Charge():
                return Run(world.charge)
            case AskPerson(question=question):
                return Ask(question)
            case Sleep(seconds=seconds):
                return Wait("a nap", seconds)
            case Done(message=message):
                return Finish(message)
        return None

    return decide


class Direct:
    """Notifies people by one channel, whoever they are."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def notify(self, thread: Thread, event: Event) -> Delivery:
        try:
            sent = await self.channel.send(thread, event)
        except Unavailable as problem:
            return Delivery(problem=problem)
        return Delivery(sent.receipt, {"test": [*sent.people]} if sent.people else {})


@dataclass(frozen=True)
class Town(AnyName):
    """Knows who is an administrator, and who is in which team."""

    admins: tuple[str, ...] = ()
    teams: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def find_teams(self, person: str) -> tuple[str, ...]:
        return tuple(name for name, members in self.teams.items() if person in members)

    def is_admin(self, person: str) -> bool:
        return person in self.admins


def build_ports(
    store: Store, llm: LLM, world: World, *, channel: Channel | None = None, **changes: Any
) -> Ports:
    """Plug an agent of this domain together, called `test`; `also` names others like it."""
    notifier = changes.pop("notifier", None) or Direct(channel or PollChannel())
    names = ("test", *changes.pop("also", ()))
    directory = changes.pop("directory", AnyName())
    agents = {name: build_agent(llm, world, **changes | {"name": name}) for name in names}
    return Ports(store, notifier, agents, directory)


def build_agent(llm: LLM, world: World, **changes: Any) -> BoundAgent:
    """Bind the agent of this domain to a model."""
    declared: dict[str, Any] = {
        "name": "test",
        "model": "says:this",
        "llm": llm,
        "steps": STEPS,
        "summaries": SUMMARIES,
        "bind_shape": JsonSteps,
        "decide": make_decide(world),
        "prompts": Prompts("You are a test.", "What next?", "In short?"),
        "limits": Limits(steps=20, errors=3, tokens=10_000),
    }
    return BoundAgent(**declared | changes)


def rebind(ports: Ports, **changes: Any) -> Ports:
    """Return the same ports with another agent of that name."""
    return replace(ports, agents={"test": replace(ports.default, **changes)})


async def advance(
    ports: Ports, thread: Thread, attempts: int = 0, stopping: asyncio.Event | None = None
) -> Thread:
    """Go on with a thread, and raise what keeps it from going on."""
    done = await advance_.advance(ports, thread, attempts, stopping)
    if done.problem:
        raise done.problem
    return done.thread


class Says:
    """A model that says what it was told to say, one after the other, and keeps its prompts.

    A dict is a call, a text is said as it is, an exception is raised, and a function is awaited
    while the model "thinks": what it returns is said.
    """

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.prompts: list[Prompt] = []

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        self.prompts.append(prompt)
        assert self.replies, "the model was asked once too often"
        reply = self.replies.pop(0)
        if callable(reply):
            reply = await reply()
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Reply):
            return reply
        text = reply if isinstance(reply, str) else json.dumps({"next_step": reply})
        return Reply(text, {"input": 10, "output": 5}, model="says")


class Shown:
    """A channel that remembers what it was given, and fails for what it is told to fail for.

    With `receipts` it wants to know when a wait is closed.
    """

    def __init__(
        self, fails: Callable[[Event], bool] = lambda _: False, receipts: bool = False
    ) -> None:
        self.fails = fails
        self.receipts = receipts
        self.tried: list[int] = []
        self.sent: list[Event] = []
        self.meanwhile: Callable[[Event], Awaitable[object]] | None = None

    async def send(self, thread: Thread, event: Event) -> Sent:
        self.tried.append(event.seq)
        if self.meanwhile:
            await self.meanwhile(event)
        if self.fails(event):
            raise Unavailable("the channel is away")
        self.sent.append(event)
        return Sent(receipt={"shown": event.seq} if self.receipts else {})


class Asleep:
    """A runner that never runs anything and remembers whom it should have looked at."""

    elsewhere = False

    def __init__(self) -> None:
        self.woken: list[str] = []

    def wake(self, thread_id: str) -> None:
        self.woken.append(thread_id)

    async def finish(self, thread_id: str) -> Thread:
        raise NotImplementedError

    async def work(self, concurrency: int = 1) -> None:
        await asyncio.Event().wait()


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_thread(*events: Event, thread_id: str = "t") -> Thread:
    """Return a thread to which these events happened."""
    numbered = (replace(each, seq=seq, at=NOON) for seq, each in enumerate(events, 1))
    return Thread(thread_id, tuple(numbered))


def make_message(text: str = "hello", actor: str = "ana", **data: Any) -> Event:
    """Say something; where it is the first message, people are notified in the channel `test`."""
    said = {"text": text, "source": "user", "reply_to": "test:", **data}
    return make_event("message", actor, **said)


def make_step(intent: str, **arguments: Any) -> Event:
    return make_event(
        "step", call={"intent": intent, **arguments}, tokens={"input": 10, "output": 5}
    )


def make_start(step: int) -> Event:
    return make_event("tool_started", step=step, idempotency_key="k")


def make_result(step: int, output: Any = "ok") -> Event:
    return make_event("tool_finished", "agent", f"result:{step}", step=step, output=output)


def make_failure(step: int, error: str = "broken", definite: bool = True) -> Event:
    key = f"result:{step}"
    return make_event("tool_failed", "agent", key, step=step, error=error, definite=definite)


def make_pause(kind: str, *audience: str, call: CallJson | None = None, **data: Any) -> Event:
    """Open a wait for `audience`, the owner `ana` if nobody is named."""
    about = {"call": call, "digest": compute_digest(call, data.get("standing"))} if call else {}
    named = list(audience or ("ana",))
    return make_event("paused", kind=kind, text=f"{kind}?", audience=named, **about, **data)


def make_answer(wait: int, verdict: str, actor: str = "ana", **data: Any) -> Event:
    return make_event("resumed", actor, f"answer:{wait}", wait=wait, verdict=verdict, **data)


def make_delivery(ref: int, **data: Any) -> Event:
    return make_event("delivered", "agent", f"delivered:{ref}", ref=ref, **data)


_CHARGE: CallJson = {"intent": "charge", "amount": 500}

EVERY_EVENT = (
    make_message("Hi"),
    make_event("message", "system", "prefetch", source="prefetch", facts={"tags": ["v1"]}),
    make_step("charge", amount=500),
    make_pause("approval", call=_CHARGE),
    make_delivery(4, reached={"slack": ["ana"]}),
    make_answer(4, "edit", "bob", call={**_CHARGE, "amount": 5}, text="less"),
    make_start(3),
    make_start(3),
    make_result(3, {"charged": 5}),
    make_event("tool_finished", "agent", "late:7", step=3, output="late", late=True),
    make_event("invalid_step", error="no intent", output="hm"),
    make_event("discarded", tokens={}),
    make_step("look", at="x"),
    make_start(13),
    make_failure(13, "broken", definite=False),
    make_event("compacted", upto=3, text="in short"),
    make_pause("limit"),
    make_message("go on", "bob"),
    make_event("delivered", "agent", "told:17", ref=17, error="no channel"),
    make_event("finished", message="done it"),
    make_event("forked", "ana", thread="origin", seq=20),
    make_event("cancelled", "ana", reason="enough"),
    make_event("from_tomorrow", what="who knows"),
)
"""A log, if not a likely one, in which everything happens."""


async def store_thread(store: Store, *events: Event, thread_id: str = "t") -> Thread:
    """Store a thread to which these events happened."""
    return await store.append(Thread(thread_id), *events)


def list_types(thread: Thread) -> list[str]:
    return [each.type for each in thread.events]

"""What the processes do that are killed, from their start to their end, natural or not."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from agent.engine.context.window import Prompts
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import Refused
from agent.engine.log.events import CallJson
from agent.engine.log.state import Limits
from agent.engine.log.thread import Thread
from agent.engine.loop import api, record
from agent.engine.loop.actions import Action, Delegate
from agent.engine.loop.clock import keep_time
from agent.engine.loop.delegate import list_children
from agent.engine.loop.ports import BoundAgent, Ports, Steps
from agent.engine.people.identity import AnyName
from agent.engine.runners import local
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import schema as sqlite_schema

from ..domain import STEPS, SUMMARIES, Direct, Look, World, advance, make_decide
from ..sweep import WatchedModel
from .moments import (
    Ledger,
    LedgerChannel,
    Moments,
    Script,
    SickStore,
    watch_statements,
    watched_tools,
)

T = TypeVar("T")

THREAD = api.name_thread("test", "", "one")
VERDICT = {"approval": "approve", "limit": "continue", "question": "answer"}
PROMPTS = Prompts("You are a test.", "What next?")

_decide = make_decide(World(":memory:"))


def _delegate(step: Any, thread: Thread) -> Any:
    """Have another agent look."""
    return Delegate("child", step.at) if isinstance(step, Look) else _decide(step, thread)


def _broken(step: Any, thread: Thread) -> Action:
    raise KeyError("a mistake in the owner's switch")


@dataclass(frozen=True)
class Case:
    calls: list[CallJson]
    """What the model says, one step after the other; the last one finishes."""
    steps: Steps = STEPS
    decide: Callable[[Any, Thread], Any] = _decide
    jobs: bool = False
    """Its tools wait for somebody who reports."""
    child: tuple[CallJson, ...] = ()
    """What the model of the agent `child` says."""
    cancels: bool = False
    """Whoever is asked cancels the first thread instead."""


LOOK: CallJson = {"intent": "look", "at": "the door"}
PUT: CallJson = {"intent": "put", "value": "a lamp"}
CHARGE: CallJson = {"intent": "charge", "amount": 7}
CHARGE_A_LOT: CallJson = {"intent": "charge", "amount": 500}
ASK: CallJson = {"intent": "ask_person", "question": "Which door?"}
DONE: CallJson = {"intent": "done", "message": "Done."}

SWEPT = {
    "approval": Case([LOOK, PUT, CHARGE_A_LOT, DONE]),
    "question": Case([ASK, CHARGE, PUT, PUT, DONE]),
    "job": Case([PUT, CHARGE, DONE], jobs=True),
}

FAMILIES = {
    "family": Case([LOOK, DONE], decide=_delegate, child=(PUT, ASK, DONE)),
    "cancelled family": Case([LOOK, DONE], decide=_delegate, child=(ASK, DONE), cancels=True),
}
"""One thread delegates to another."""

CASES = (
    SWEPT
    | FAMILIES
    | {
        "charge": Case([CHARGE, DONE]),
        "put": Case([PUT, DONE]),
        "leave": Case([PUT, CHARGE_A_LOT, DONE]),
        "done": Case([DONE]),
        "broken": Case([DONE], decide=_broken),
    }
)


@dataclass(frozen=True)
class Life:
    """Everything a process is told when it starts."""

    folder: Path
    case: str
    happens: Mapping[str | int, str] = field(default_factory=dict)
    """At which moment, by number or name, what happens: see `moments`."""
    later_s: float = 0.0
    """How far this process's clock is ahead of the real one."""
    lease_s: float = 15.0
    patience_s: float = record.PATIENCE_S
    """How long its facts wait for a store that is away."""
    grace_s: float = 0.5
    """How long a worker told to stop waits for its tools."""
    delivery: str = "first"
    """The name of the message it sends, where it sends one."""
    scripts: tuple[str, ...] = ()
    """Schema changes that its code knows more; then it passes each statement of SQL too."""
    log: str = "moments.log"
    calm: bool = False
    """It is alone, so that it may read the files at each moment: that ends its locks on them."""

    def listens(self, pid: int | None) -> Path:
        """The file that is there as soon as a worker can be told to stop."""
        return self.folder / f"listens.{pid}"

    def moments(self) -> Moments:
        return Moments(self.folder / self.log, self.happens, self.calm)

    def ports(self) -> Ports:
        case, moments = CASES[self.case], self.moments()
        world = Ledger(self.folder / "world.db")
        # Time that passes moves both clocks; a clock that is set back is the wall's alone.
        store = SickStore(
            self.folder,
            moments,
            lambda: time.time() + self.later_s,
            lambda: time.monotonic() + max(0.0, self.later_s),
        )
        agent = BoundAgent(
            name="test",
            model="watched",
            llm=WatchedModel(Script(case.calls), moments),
            steps=case.steps,
            decide=watched_tools(case.decide, world, moments, case.jobs),
            summaries=SUMMARIES,
            bind_shape=JsonSteps,
            prompts=PROMPTS,
            limits=Limits(steps=40, errors=3, tokens=10_000),
        )
        model = WatchedModel(Script([*case.child]), moments)
        decide = watched_tools(_decide, world, moments, jobs=False)
        agents = {"test": agent, "child": replace(agent, name="child", llm=model, decide=decide)}
        return Ports(store, Direct(LedgerChannel(world, moments)), agents, AnyName())

    def runner(self, ports: Ports) -> LocalRunner:
        return LocalRunner(ports, lease_s=self.lease_s, poll_s=0.05)


def a_life(live: Callable[[Ports, Life], Awaitable[T]]) -> Callable[[Life], T]:
    """Make the whole life of one process. It does not know whether it is the first: it does
    everything from the beginning, as a sender, a worker and a person would after a crash."""

    @wraps(live)
    def lived(life: Life) -> T:
        record.PATIENCE_S, local.GRACE_S = life.patience_s, life.grace_s
        if life.scripts:
            sqlite_schema.MIGRATIONS += life.scripts  # type: ignore[assignment]
            watch_statements(life.moments())

        async def living() -> T:
            ports = life.ports()
            result = await live(ports, life)
            await ports.store.close()  # type: ignore[attr-defined] # it is ours
            return result

        return asyncio.run(living())

    return lived


@a_life
async def whole(ports: Ports, life: Life) -> None:
    """Send the message, run the thread, answer what it asks, until it is over."""
    runner = life.runner(ports)
    await send(ports)
    while (thread := await _finish(runner, ports)).state.wait:
        if CASES[life.case].cancels:
            await api.cancel(ports, THREAD, actor="ana")
            await runner.finish(THREAD)
        else:
            await answer(ports, thread, Ledger(life.folder / "world.db"))
    for child in list_children(await ports.store.load(THREAD)):
        await runner.finish(child)


async def _finish(runner: LocalRunner, ports: Ports) -> Thread:
    """Run the thread and the child it waits for; return the one that somebody has to answer."""
    while True:
        thread = await runner.finish(THREAD)
        if not thread.state.child:
            return thread
        child = await runner.finish(thread.state.child)
        if child.state.wait:
            return child


@a_life
async def until_it_waits(ports: Ports, life: Life) -> None:
    """Send the message and run the thread, but answer nothing."""
    await send(ports)
    await life.runner(ports).finish(THREAD)


@a_life
async def without_lease(ports: Ports, life: Life) -> None:
    """Advance the thread, whoever else does."""
    await advance(ports, await ports.store.load(THREAD))


@a_life
async def worker(ports: Ports, life: Life) -> None:
    """Run whatever is due until SIGTERM."""
    work = asyncio.ensure_future(life.runner(ports).work())

    def stop() -> None:
        life.moments()("told to stop")
        work.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    life.listens(os.getpid()).touch()
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()


@a_life
async def sender(ports: Ports, life: Life) -> str:
    """Send a message, the database already open; return the thread it is in."""
    await ports.store.threads()
    return (await send(ports, delivery=life.delivery)).id


@a_life
async def reader(ports: Ports, life: Life) -> int:
    """Open the database; return how many threads are in it."""
    return len(await ports.store.threads())


@a_life
async def approver(ports: Ports, life: Life) -> str:
    """Approve the call that was last asked about; return what came of it."""
    thread = await ports.store.load(THREAD)
    asked = [event for event in thread.events if event.type == "paused"][-1]
    shown = asked.data["digest"]
    try:
        await api.resume(ports, THREAD, asked.seq, "approve", actor="ana", digest=shown)
    except Refused as error:
        return str(error)
    return "approved"


@a_life
async def expirer(ports: Ports, life: Life) -> str:
    """Close the wait if its time is over."""
    return (await keep_time(ports, await ports.store.load(THREAD))).state.status


async def send(ports: Ports, thread_id: str = THREAD, delivery: str = "first") -> Thread:
    return await api.launch(
        ports,
        thread_id,
        "Please go on.",
        actor="ana",
        delivery=delivery,
        source="test",
        reply_to="watched:",
    )


async def answer(ports: Ports, thread: Thread, world: Ledger) -> Thread:
    """Answer as a person would who can look at the world."""
    wait = thread.state.wait
    assert wait, "nothing is asked"
    verdict = VERDICT.get(wait.kind, "done")
    if wait.kind == "in_doubt":
        keys = [
            past.data["idempotency_key"] for past in thread.events if past.type == "tool_started"
        ]
        verdict = "happened" if any(key == keys[-1] for _, key in world.rows()) else "retry"
    digest = wait.data.get("digest", "")
    text = "the left one" if verdict == "answer" else ""
    return await api.resume(
        ports, thread.id, wait.seq, verdict, actor="ana", text=text, digest=digest
    )

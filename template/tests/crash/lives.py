"""What a process does between its start and its end, natural or not.

Each function here is the whole life of one process. None knows whether it is the first: it
does everything from the beginning, as a sender, a worker and a person would after a crash.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from agent import api, record
from agent.context import Prompts
from agent.errors import Refused
from agent.loop import advance
from agent.ports import Agent
from agent.runners import local
from agent.runners.local import LocalRunner
from agent.state import Limits
from agent.stores import sqlite_schema
from agent.thread import Thread

from .cases import CASES
from .moments import Ledger, Moments, WatchedChannel, WatchedModel, WatchedStore, watched_tools

T = TypeVar("T")

THREAD = api.thread_of("test", "", "one")
VERDICT = {"approval": "approve", "limit": "continue", "question": "answer"}
PROMPTS = Prompts("You are a test.", "What next?")


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
    digest: str = ""
    """That of the call it approves, where it is not the one that was asked about."""
    scripts: tuple[str, ...] = ()
    """Schema changes that its code knows more."""
    log: str = "moments.log"

    def moments(self) -> Moments:
        return Moments(self.folder / self.log, self.happens)

    def agent(self) -> Agent:
        case, moments = CASES[self.case], self.moments()
        world = Ledger(self.folder / "world.db")
        return Agent(
            store=WatchedStore(self.folder, moments, lambda: time.time() + self.later_s),
            llm=WatchedModel(case, moments),
            channels={"watched": WatchedChannel(world, moments)},
            steps=case.steps,
            decide=watched_tools(case, world, moments),
            prompts=PROMPTS,
            limits=Limits(steps=40, errors=3, tokens=10_000),
        )


def whole(life: Life) -> None:
    """Send the message, run the thread, answer what it asks, until it is over."""

    async def live(agent: Agent) -> None:
        runner = LocalRunner(agent, lease_s=life.lease_s, poll_s=0.05)
        await send(agent)
        while (thread := await runner.finish(THREAD)).state.wait:
            await answer(agent, thread, Ledger(life.folder / "world.db"))

    _live(life, live)


def until_it_waits(life: Life) -> None:
    """Send the message and run the thread, but answer nothing."""

    async def live(agent: Agent) -> None:
        await send(agent)
        await LocalRunner(agent, lease_s=life.lease_s, poll_s=0.05).finish(THREAD)

    _live(life, live)


def without_lease(life: Life) -> None:
    """Advance the thread, whoever else does."""

    async def live(agent: Agent) -> None:
        await advance(agent, await agent.store.load(THREAD))

    _live(life, live)


def worker(life: Life) -> None:
    """Run whatever is due until SIGTERM."""

    async def live(agent: Agent) -> None:
        work = asyncio.ensure_future(LocalRunner(agent, lease_s=life.lease_s, poll_s=0.05).work())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
        await asyncio.wait([work])
        if not work.cancelled():
            work.result()

    _live(life, live)


def sender(life: Life) -> str:
    """Send a message; return the thread it is in."""

    async def live(agent: Agent) -> str:
        return (await send(agent, delivery=life.delivery)).id

    return _live(life, live)


def reader(life: Life) -> int:
    """Open the database; return how many threads are in it."""

    async def live(agent: Agent) -> int:
        return len(await agent.store.threads())

    return _live(life, live)


def reader_and_sender(life: Life) -> None:
    """Send a message as a process that has the database open already."""

    async def live(agent: Agent) -> None:
        await agent.store.threads()
        await send(agent, delivery=life.delivery)

    _live(life, live)


def approver(life: Life) -> str:
    """Approve the call that was last asked about; return what came of it."""

    async def live(agent: Agent) -> str:
        thread = await agent.store.load(THREAD)
        asked = [event for event in thread.events if event.type == "paused"][-1]
        digest = life.digest or asked.data["digest"]
        try:
            await api.resume(agent, THREAD, asked.seq, "approve", actor="ana", digest=digest)
        except Refused as error:
            return str(error)
        return "approved"

    return _live(life, live)


def expirer(life: Life) -> str:
    """Close the wait if its time is over."""

    async def live(agent: Agent) -> str:
        thread = await api.expire(agent, await agent.store.load(THREAD))
        return thread.state.status

    return _live(life, live)


def migrator(life: Life) -> str:
    """Send a message with a code that knows `scripts` more; return what is in the thread then."""
    sqlite_schema.MIGRATIONS = (*sqlite_schema.MIGRATIONS, *life.scripts)  # type: ignore[assignment]

    async def live(agent: Agent) -> str:
        thread = await send(agent, delivery=life.delivery)
        return " ".join(event.type for event in thread.events)

    return _live(life, live)


def _live(life: Life, live: Callable[[Agent], Awaitable[T]]) -> T:
    """Live with the life's own patience, and close the store at a natural end."""
    record.PATIENCE_S = life.patience_s
    local.GRACE_S = life.grace_s

    async def living() -> T:
        agent = life.agent()
        result = await live(agent)
        await agent.store.close()  # type: ignore[attr-defined] # it is ours
        return result

    return asyncio.run(living())


async def send(agent: Agent, thread_id: str = THREAD, delivery: str = "first") -> Thread:
    return await api.launch(
        agent,
        thread_id,
        "Please go on.",
        actor="ana",
        delivery=delivery,
        source="test",
        reply_to="watched:",
    )


async def answer(agent: Agent, thread: Thread, world: Ledger) -> Thread:
    """Answer as a person would who can look at the world."""
    wait = thread.state.wait
    assert wait, "nothing is asked"
    verdict = VERDICT.get(wait.kind, "done")
    if wait.kind == "in_doubt":
        keys = [past.data["key"] for past in thread.events if past.type == "tool_started"]
        verdict = "happened" if world.happened(keys[-1]) else "retry"
    digest = wait.data.get("digest", "")
    text = "the left one" if verdict == "answer" else ""
    return await api.resume(
        agent, thread.id, wait.seq, verdict, actor="ana", text=text, digest=digest
    )

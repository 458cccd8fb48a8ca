"""Kill a scripted run at each of its moments, and check that nobody can tell afterwards.

A moment lies just before or just after an append, a lease, a question to the model, a tool or a
delivery. For each of them one process runs the scenario up to that moment and is killed there
by SIGKILL, unless no file has changed since the moment before: then nobody can tell the two
apart. Another process then does everything again from the beginning, as a sender, a worker
and a person would after a crash. Nobody repairs anything.

This module knows no agent: `tests/<agent>/test_kills.py` says what is run and what is counted.
"""

import asyncio
import hashlib
import inspect
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.engine.cli.script import Script
from agent.engine.context.window import Prompt
from agent.engine.log.errors import ThreadNotFound
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop import api
from agent.engine.loop.actions import Action, Call, Run
from agent.engine.loop.ports import LLM, Delivery, Ports, Reply
from agent.engine.loop.store import Claim
from agent.engine.people.identity import AnyName
from agent.engine.runners.app import ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore
from agent.engine.stores.sqlite.file import Connected
from agent.engine.stores.sqlite.writer import Writer

if not hasattr(os, "fork"):
    pytest.skip("needs fork and SIGKILL", allow_module_level=True)

ROOT = Path(__file__).parents[2]
THREAD = api.name_thread("test", "", "one")
LEASE_S = 15.0
PATIENCE_S = 60.0
AT_ONCE = 8

# Forked from a server that has imported everything: a real process in a few milliseconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "agent.app", __name__])


def plug(model_of: ModelOf) -> Ports:
    """Return what `app.py` plugs together."""
    from agent.app import application

    return application.build(model_of).ports


@dataclass(frozen=True)
class Scenario:
    """A run that can be started from the beginning, again and again, in a folder of its own.

    Its functions have names at the top of a module, because other processes import them.
    """

    script: Path
    """The task, what the model says and how people answer: `sample/<agent>/demo.jsonl`, or another
    file of that form in a folder named like the agent."""
    prepare: Callable[[], None]
    """Called first in every process: copy the files that the tools read into the working
    directory, and replace the services that a test must not call."""
    effects: Callable[[], object]
    """Count, in the working directory, what the tools did to the world. Return a value that
    can be compared, and that `repr` shows in full."""
    plug: Callable[[ModelOf], Ports] = plug


def sweep(scenario: Scenario, folder: Path) -> Any:
    """Kill the scenario at each moment; return its effects, which are the same every time.

    Fails where a person would see something else than without the kill: other steps or
    effects, another answer, none or several.
    """
    calm = _Life(scenario, folder / "calm")
    _live_together([calm])
    expected = calm.ending()
    lives = [_Life(scenario, folder / str(number), number) for number in calm.moments.distinct()]
    for first in range(0, len(lives), AT_ONCE):
        some = lives[first : first + AT_ONCE]
        _live_together(some, ends=-signal.SIGKILL)
        _live_together(some, later_s=LEASE_S + 1)
        for life in some:
            life.check(expected)
    return expected["effects"]


class Moments:
    """Every moment that a run has passed so far, in a file that all its processes share."""

    def __init__(self, log: Path, fatal: int = 0) -> None:
        self._log = log
        self._fatal = fatal
        self._calm = not fatal

    def passed(self) -> list[str]:
        return self._log.read_text("utf-8").splitlines() if self._log.exists() else []

    def distinct(self) -> list[int]:
        """Return the numbers of the moments of a run that nobody killed, one for each state of
        its files; each moment after a tool is among them."""
        names, states = self.passed(), self._states.read_text("utf-8").splitlines()
        before = ["", *states]
        return [
            number
            for number, (name, state) in enumerate(zip(names, states, strict=True), 1)
            if state != before[number - 1] or name.startswith("ran ")
        ]

    @property
    def _states(self) -> Path:
        return self._log.with_name(f"{self._log.name}-states")

    def __call__(self, name: str) -> None:
        if self._calm:
            state = hash_files(self._log.parent, self._log.name)
            with self._states.open("a", encoding="utf-8") as states:
                states.write(f"{state}\n")
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{name}\n")
        self.happens(name, self.passed())

    def happens(self, name: str, passed: list[str]) -> None:
        """Kill this process if this is its moment."""
        if len(passed) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, before: str, after: str) -> Iterator[None]:
        self(before)
        yield
        self(after)


def hash_files(folder: Path, apart: str) -> str:
    """Return a hash of all files below a folder, without those whose name begins with `apart`."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith(apart) and not file.name.endswith("-shm"):
            digest.update(f"{file}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Hasty(Connected):
    """Spares the disk: the kernel outlives us."""

    def get(self) -> sqlite3.Connection:
        db = super().get()
        db.execute("PRAGMA synchronous = OFF")
        return db


class WatchedStore(SqliteStore):
    """The real store, with a moment before and after whatever it writes."""

    def __init__(
        self,
        folder: Path,
        moment: Moments,
        clock: Callable[[], float],
        uptime: Callable[[], float],
        look: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(folder / "threads.db", clock, uptime)
        self.database.writer = Writer(Hasty(folder / "threads.db"))
        self._moment = moment
        self._look = look
        """Called before each start of a tool."""

    async def append(self, thread: Thread, *events: Event) -> Thread:
        names = " ".join(event.type for event in events)
        if "tool_started" in names:
            self._look()
        with self._moment.around(f"to append {names}", f"appended {names}"):
            return await super().append(thread, *events)

    async def claim(self, owner: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        if claim := await super().claim(owner, ttl_s, thread_id):
            self._moment("claimed")
        return claim

    async def release(
        self,
        owner: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        with self._moment.around("to release", "released"):
            await super().release(owner, thread, wake_at, attempts, problem)


@dataclass(frozen=True)
class WatchedModel:
    model: LLM
    moment: Moments

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        with self.moment.around("to ask the model", "the model answered"):
            return await self.model(prompt, schema)


@dataclass(frozen=True)
class WatchedNotifier:
    """Notifies people by a line in a file."""

    log: Path
    moment: Moments

    async def notify(self, thread: Thread, event: Event) -> Delivery:
        moment = self.moment.around(f"to notify of {event.type}", f"notified of {event.type}")
        with moment, self.log.open("a", encoding="utf-8") as log:
            log.write(f"{event.seq}\n")
        return Delivery({"watched": event.seq} if event.type == "paused" else {})


Decide = Callable[[Any, Thread], Action]


def watch_tools(decide: Decide, moment: Moments) -> Decide:
    """Return `decide`, its tools with a moment before and after they run."""

    def watched(step: Any, thread: Thread) -> Action:
        action = decide(step, thread)
        if not isinstance(action, Run):
            return action
        tool = action.tool

        async def run(step: Any, call: Call) -> Any:
            with moment.around(f"to run {step.intent}", f"ran {step.intent}"):
                output = await asyncio.to_thread(tool, step, call)
                return await output if inspect.isawaitable(output) else output

        return replace(action, tool=run)

    return watched


@dataclass(frozen=True)
class _Life:
    """A run of the scenario in its folder, and the processes that it takes."""

    scenario: Scenario
    folder: Path
    fatal: int = 0
    """The number of the moment at which a process is killed."""

    @property
    def moments(self) -> Moments:
        return Moments(self.folder / "moments", self.fatal)

    @property
    def notified(self) -> Path:
        return self.folder / "notified"

    def look(self) -> None:
        """Note the effects before a tool is started, for whoever is asked whether it ran."""
        self._before.write_text(repr(self.scenario.effects()), "utf-8")

    def settles(self) -> str:
        """Answer whether a tool ran, as a person would who can look at the world."""
        same = repr(self.scenario.effects()) == self._before.read_text("utf-8")
        return "retry" if same else "happened"

    @property
    def _before(self) -> Path:
        return self.folder / "before"

    def thread(self) -> Thread:
        """Load the thread, empty if nothing of it was stored."""

        async def load() -> Thread:
            store = SqliteStore(self.folder / "threads.db")
            try:
                return await store.load(THREAD)
            except ThreadNotFound:
                return Thread(THREAD)
            finally:
                await store.close()

        return asyncio.run(load())

    def ending(self) -> dict[str, object]:
        """Return what a person could see of the run, without what a crash may add to the log."""
        thread = self.thread()
        notified = self.notified.read_text("utf-8").split() if self.notified.exists() else []
        finished = [event for event in thread.events if event.type == "finished"]
        with chdir(self.folder):
            effects = self.scenario.effects()
        return {
            "status": thread.state.status,
            "steps": [event.data["call"] for event in thread.events if event.type == "step"],
            "errors": [event.data["error"] for event in thread.events if "error" in event.data],
            "answers": [event.data["message"] for event in finished],
            "answers delivered": [str(event.seq) in notified for event in finished],
            "effects": effects,
        }

    def check(self, expected: dict[str, object]) -> None:
        for name, found in self.ending().items():
            if found != expected[name]:
                self.fail(f"{name}: {found!r}\nwithout the kill: {expected[name]!r}")

    def fail(self, why: str) -> None:
        passed = self.moments.passed()
        moment = "".join(passed[self.fatal - 1 : self.fatal])
        how = f"killed at moment {self.fatal}, {moment!r}" if self.fatal else "not killed at all"
        log = [f"{e.seq:3} {e.type} {e.actor} {e.data}" for e in self.thread().events]
        story = [how, why, "-- the log", *log, "-- the last moments", *passed[-9:]]
        pytest.fail("\n".join(story), pytrace=False)


def _live_together(lives: list[_Life], later_s: float = 0.0, ends: int = 0) -> None:
    """Run each scenario from its beginning, in a process whose clock is ahead.

    Fails where a process does not end with the exit code `ends`.
    """
    processes = [FORKS.Process(target=_live, args=(life, later_s)) for life in lives]
    for process in processes:
        process.start()
    for life, process in zip(lives, processes, strict=True):
        process.join(PATIENCE_S)
        process.kill()
        process.join()
        if process.exitcode != ends:
            life.fail(f"a process ended with {process.exitcode}, see its traceback")


def _live(life: _Life, later_s: float) -> None:
    life.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(life.folder)
    os.environ.setdefault("PEOPLE_FILE", str(ROOT / "people.toml"))
    life.scenario.prepare()
    asyncio.run(_whole(life, lambda: time.time() + later_s))


async def _whole(life: _Life, clock: Callable[[], float]) -> None:
    """Send the message, run the thread and answer what it asks, until it is over."""
    script = Script.read(life.scenario.script)
    ports = _watched(life, script, clock)
    runner = LocalRunner(ports, lease_s=LEASE_S, poll_s=0.05)
    sender: dict[str, Any] = {"actor": script.actor, "delivery": "first", "source": "test"}
    await api.launch(ports, THREAD, script.task, agent=script.agent, **sender)
    while wait := (thread := await runner.finish(THREAD)).state.wait:
        actor, given = script.answer(thread, wait)
        verdict = life.settles() if wait.kind == "in_doubt" else given.verdict
        answer = {"text": given.text, "call": given.call, "digest": wait.data.get("digest", "")}
        await api.resume(ports, THREAD, wait.seq, verdict, actor=actor, **answer)
    await ports.store.close()  # type: ignore[attr-defined] # it is ours


def _watched(life: _Life, script: Script, clock: Callable[[], float]) -> Ports:
    moment = life.moments
    ports = life.scenario.plug(
        lambda name: f"scripted:{script.path}" if name == script.agent else ""
    )
    agents = {
        name: replace(
            agent,
            llm=WatchedModel(agent.llm, moment),
            decide=watch_tools(agent.decide, moment),
        )
        for name, agent in ports.agents.items()
    }
    store = WatchedStore(life.folder, moment, clock, clock, life.look)
    return Ports(store, WatchedNotifier(life.notified, moment), agents, AnyName())

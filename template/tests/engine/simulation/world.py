"""A whole world on one virtual event loop: runners, people, a model, tools, a store and time.

A seed says everything that happens. The same seed is the same log, byte for byte, in each process.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from random import Random
from typing import Any

from agent.engine.context.window import Prompts
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import AgentError
from agent.engine.log.thread import Thread
from agent.engine.loop.api import name_thread
from agent.engine.loop.ports import BoundAgent, Ports
from agent.engine.runners import local
from agent.engine.stores.memory import MemoryStore

from ..domain import STEPS, SUMMARIES, Direct
from .checker import Checker
from .ending import check_end
from .people import POLL_S, Person, Web
from .policy import JOBS, LIMITS, PEOPLE, TOOLS, Directory, make_decide
from .ports import IN_SHORT, Home, Model, Tools
from .process import Faults, Killed, Process
from .store import connect

EPOCH = 1_800_000_000.0
CHAOS_S = 90.0
"""How long everything may fail and people do as they like."""
CALM_S = 900.0
"""In what time every thread must then come to an end."""
LIFE_S = 60.0
"""About how long a runner lives until it is told to stop."""
OUTAGE_S = 25.0
SETS_S, JUMP_S = 30.0, 7200.0
"""How often somebody may set the clock, and how far at most."""
RUNNERS = ("one", "two")
THREADS = (("ana", "home:1"), ("bob", "poll:"), ("hook:github", "home:2"))
"""Who starts each thread, and where its people are notified."""


class World:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.faults = Faults.draw(self.chance)
        self.checker = Checker(reliable=self.faults.is_none(), clock=self._read_clock)
        self.model = Model(self.checker)
        self.store = MemoryStore(self._read_clock, _find_uptime)
        self.blocking = frozenset(name for name in TOOLS if self.chance.random() < 0.5)
        self.set_by = [0.0]
        """By how much the clock was wrong, the newest last."""
        some = THREADS[: self.chance.randrange(1, len(THREADS) + 1)]
        self.threads = [name_thread("test", "", str(number)) for number in range(len(some))]
        to_store = (self.plug, self.wake, self.threads)
        self.web = Web(self.chance, self.faults, self.checker, *to_store)
        self.people = [Person(name, self.web) for name in PEOPLE]
        self.calm = asyncio.Event()
        self._runners: dict[str, local.LocalRunner] = {}
        self._away_until = 0.0
        self._tasks = set[asyncio.Task[Any]]()
        """What people and other systems still do, and the runners."""
        self._processes: list[Process] = []
        """Kept to the end, with those of their tasks that hang for ever."""

    def plug(self, process: Process) -> Ports:
        """Return the ports of one process."""
        self._processes.append(process)
        store = connect(self.store, process, self.checker.see_call, self._is_away)
        tools = Tools(self.checker, process, self._start_job, self._disturb, self.blocking)

        async def prefetch(thread: Thread) -> dict[str, str]:
            await process.pause("to prefetch")
            return {"weather": "fine"}

        agent = BoundAgent(
            name="test",
            model="simulated",
            llm=lambda prompt, _: self.model.answer(process, prompt),
            steps=STEPS,
            summaries=SUMMARIES,
            bind_shape=JsonSteps,
            decide=make_decide(tools.find),
            prompts=Prompts("You are a test.", "What next?", IN_SHORT),
            prefetch=prefetch,
            limits=LIMITS,
            responsible=("heads",),
        )
        return Ports(store, Direct(Home(self.checker, process)), {"test": agent}, Directory())

    def wake(self, thread_id: str) -> None:
        for runner in self._runners.values():
            if self.chance.random() >= self.faults.hints:
                runner.wake(thread_id)

    def _read_clock(self) -> float:
        return EPOCH + _find_uptime() + self.set_by[-1]

    async def _set_clock(self) -> None:
        while not self.calm.is_set():
            await asyncio.sleep(self.chance.uniform(0, SETS_S))
            if self.chance.random() < self.faults.jump:
                self.checker.see_time()
                self.set_by.append(self.chance.uniform(-JUMP_S, JUMP_S))
                self.checker.note(f"the clock is set: it is wrong by {self.set_by[-1]:.0f} s")

    def _disturb(self, thread_id: str) -> None:
        self._start(self.chance.choice(self.people).disturb(thread_id))

    def _is_away(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self.chance.random() < self.faults.outage:
            self._away_until = now + self.chance.uniform(0, OUTAGE_S)
            self.checker.note(f"the store is away until {self._away_until:.2f}")
        return now < self._away_until

    def _start_job(self, key: str) -> None:
        for _ in range(1 + (self.chance.random() < self.faults.twice)):
            self._start(self.web.report(JOBS, key))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._see_end)

    def _see_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.checker.fail(f"{type(error).__name__}: {error}")

    async def live(self) -> str:
        """Live through chaos and calm; return the log of all threads."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, about: self.checker.fail(str(about)))
        for name in RUNNERS:
            self._start(self._keep_running(name))
        for thread_id, (who, reply_to) in zip(self.threads, THREADS, strict=False):
            text = f"Please go on, says {who}."
            self._start(self.web.send(who, thread_id, text, "first", reply_to=reply_to))
        for person in self.people:
            self._start(person.live(CHAOS_S))
        self._start(self._set_clock())
        story = asyncio.create_task(self._go_through())
        broken = asyncio.create_task(self.checker.broken.wait())
        await asyncio.wait({story, broken}, return_when=asyncio.FIRST_COMPLETED)
        if not self.checker.broken.is_set():
            story.result()
            check_end(self.checker)
        return self._write_logs()

    async def _go_through(self) -> None:
        await asyncio.sleep(CHAOS_S)
        self.checker.note("from now on nothing fails")
        self.faults.end()
        self._away_until, self.model.calm = 0.0, True
        self.set_by.append(max(self.set_by))  # nothing waits for a time that was shown before
        self.calm.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CALM_S):
                while not self._is_quiet():
                    await asyncio.sleep(5)
                    for thread_id in self.web.list_threads():
                        await self._answer(thread_id)
        await asyncio.sleep(60)  # for the last deliveries

    def _is_quiet(self) -> bool:
        ended = all(each.ended for each in self.checker.threads.values())
        return ended and len(self._tasks) == len(RUNNERS)

    async def _answer(self, thread_id: str) -> None:
        """Have somebody answer who is asked."""
        with suppress(AgentError):
            thread = await self.store.load(thread_id)
            wait = thread.state.wait
            if wait and (thread_id, wait.seq) in self.checker.released:
                return
            for person in self.people if wait else ():
                if wait and wait.admits(person.name):
                    person.seen.append((thread, wait))
                    await person.answer(thread, wait)
                    return

    async def _keep_running(self, name: str) -> None:
        for life in count(1):
            process = Process(f"{name}.{life}", self.chance, self.faults, self.checker.note)
            runner = local.LocalRunner(self.plug(process), concurrency=2, poll_s=POLL_S)
            self._runners[name] = runner
            stop_s = self.chance.uniform(0, 2 * LIFE_S) if self.faults.kill else None
            with suppress(TimeoutError, Killed):
                async with asyncio.timeout(stop_s):
                    await process.run(runner.work())
            del self._runners[name]
            if not self.calm.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.chance.uniform(0, LIFE_S / 2)):
                        await self.calm.wait()

    def _write_logs(self) -> str:
        events = [event for each in self.checker.threads.values() for event in each.log]
        return "".join(f"{json.dumps(asdict(event), default=str)}\n" for event in events)


def _find_uptime() -> float:
    """Return the seconds since the world began, by its own clock."""
    return asyncio.get_running_loop().time()

"""People: each writes, looks, thinks for a while and answers, some twice, some too late."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from agent.engine.log.errors import AgentError, Forgotten, Refused, ThreadNotFound, Unavailable
from agent.engine.log.state import OpenWait
from agent.engine.log.thread import Thread
from agent.engine.loop import api
from agent.engine.loop.deletion import forget
from agent.engine.loop.ports import Ports
from agent.engine.runners.local import LocalRunner

from .checker import Checker
from .policy import LARGE, MEDIUM, SMALL, VERDICTS
from .process import Faults, Killed, Process

T = TypeVar("T")

THINKS_S = 12.0
RUN_S, POLL_S = 60.0, 5.0
TRIES = 3
LONGEST = 25
"""Events of a thread that is copied; longer ones would only take longer."""


@dataclass
class Web:
    """What people and other systems reach the agent by; each request is a process of its own."""

    chance: Random
    faults: Faults
    checker: Checker
    plug: Callable[[Process], Ports]
    wake: Callable[[str], None]
    """Hint that a thread is due."""
    threads: list[str]
    """Those that every conversation begins with."""

    async def ask(self, who: str, request: Callable[[Ports], Coroutine[Any, Any, T]]) -> T:
        """Make a request. Raises Killed if no answer comes."""
        process = Process(f"a request of {who}", self.chance, self.faults, self.checker.note)
        return await process.run(request(self.plug(process)))

    def list_threads(self) -> list[str]:
        """Return the threads that people may know of; deleted ones are followed by new ones."""
        return [*dict.fromkeys([*self.threads, *self.checker.threads])]

    async def send(self, who: str, thread_id: str, text: str, delivery: str, **how: Any) -> None:
        """Send a message until it is stored, or until its sender gives up."""
        about: dict[str, Any] = {"actor": who, "delivery": delivery, "source": "user", **how}
        for _ in range(TRIES):
            try:
                launched = self.ask(who, lambda ports: api.launch(ports, thread_id, text, **about))
                thread = await launched
            except Forgotten:
                return
            except (Killed, Unavailable):
                await asyncio.sleep(self.chance.uniform(0, THINKS_S))
            else:
                self.checker.see_stored(thread.id, delivery)
                self.wake(thread.id)
                return

    async def report(self, who: str, key: str) -> None:
        """Report on a job until the report counts, or until its wait is closed."""
        for _ in range(2 + self.chance.randrange(2) * TRIES):
            await asyncio.sleep(self.chance.uniform(0, THINKS_S))
            with suppress(Killed, Unavailable):
                try:
                    await self.ask(who, lambda ports: api.report(ports, key, "built", actor=who))
                except (Refused, ThreadNotFound):
                    return


@dataclass
class Person:
    name: str
    web: Web
    seen: list[tuple[Thread, OpenWait]] = field(default_factory=list)
    """The waits they looked at, newest last."""
    _said: int = 0

    async def live(self, until_s: float) -> None:
        """Do something now and then."""
        clock, chance = asyncio.get_running_loop(), self.web.chance
        rare = [self.cancel, self.revoke, self.rate, self.run, self.forget, self.fork]
        acts = [*rare, *[self.say] * 2, *[self.look_and_answer] * 10]
        while clock.time() < until_s:
            await asyncio.sleep(chance.uniform(0, 2 * THINKS_S))
            act, thread_id = chance.choice(acts), chance.choice(self.web.list_threads())
            with suppress(AgentError, Killed):
                await act(thread_id)

    async def say(self, thread_id: str) -> None:
        self._said += 1
        delivery = f"{self.name}:{self._said}"
        await self.web.send(self.name, thread_id, f"Message {delivery}.", delivery)
        if self.web.chance.random() < self.web.faults.twice:
            await self.web.send(self.name, thread_id, f"Message {delivery}.", delivery)

    async def cancel(self, thread_id: str) -> None:
        if self.web.chance.random() < 0.5:
            await self._ask(lambda ports: api.cancel(ports, thread_id, actor=self.name))

    async def disturb(self, thread_id: str) -> None:
        """Do something to a thread whose tool runs."""
        act = self.web.chance.choice((self.say, self.end, self.fork))
        with suppress(AgentError, Killed):
            await act(thread_id)

    async def end(self, thread_id: str) -> None:
        await self._ask(lambda ports: api.cancel(ports, thread_id, actor=self.name))
        await self.forget(thread_id)

    async def fork(self, thread_id: str) -> None:
        """Copy a thread up to some event, and let the copy run."""
        thread = await self._ask(lambda ports: ports.store.load(thread_id))
        if thread.state.version > LONGEST:
            return
        self._said += 1
        about = {"actor": self.name, "delivery": f"{self.name}:{self._said}"}
        at = self.web.chance.randint(1, thread.state.version)
        self.web.checker.forks += 1
        copy = await self._insist(lambda ports: api.fork(ports, thread_id, at, **about))
        self.web.wake(copy.id)

    async def forget(self, thread_id: str) -> None:
        await self._ask(lambda ports: forget(ports, thread_id, actor=self.name))

    async def run(self, thread_id: str) -> None:
        """Run a thread in a terminal of one's own for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.web.chance.uniform(0, RUN_S)):
                await self._ask(lambda ports: LocalRunner(ports, poll_s=POLL_S).finish(thread_id))

    async def rate(self, thread_id: str) -> None:
        await self._ask(lambda ports: api.rate(ports, thread_id, 2, "good", actor=self.name))

    async def revoke(self, thread_id: str) -> None:
        thread = await self._ask(lambda ports: ports.store.load(thread_id))
        if thread.state.standing:
            given = thread.state.standing[-1].seq
            await self._ask(lambda ports: api.revoke(ports, thread_id, given, actor=self.name))

    async def look_and_answer(self, thread_id: str) -> None:
        """Look at a thread, think, and answer what was seen just now or some time ago."""
        chance = self.web.chance
        thread = await self._ask(lambda ports: ports.store.load(thread_id))
        if thread.state.wait:
            self.seen.append((thread, thread.state.wait))
        if not self.seen:
            return
        await asyncio.sleep(chance.uniform(0, THINKS_S))
        thread, wait = self.seen[-1] if chance.random() < 0.8 else chance.choice(self.seen)
        twice = 1 + (chance.random() < self.web.faults.twice)
        answers = [self.answer(thread, wait) for _ in range(twice)]
        await asyncio.gather(*answers, return_exceptions=True)

    async def answer(self, thread: Thread, wait: OpenWait) -> None:
        """Answer a wait, mostly with what it admits, and of the call that was shown with it."""
        chance, kind = self.web.chance, wait.kind
        kind = kind if chance.random() < 0.95 else chance.choice(sorted(VERDICTS))
        verdict = chance.choice([*sorted(VERDICTS[kind]), *VERDICTS[kind] & {"approve"}])
        shown = wait if chance.random() < 0.9 else chance.choice(self.seen)[1]
        answer: dict[str, Any] = {"verdict": verdict, "actor": self.name}
        answer["digest"] = shown.data.get("digest", "")
        if verdict == "edit":
            amount = chance.choice((SMALL, MEDIUM, LARGE))
            answer["call"] = {"intent": "charge", "amount": amount}
        elif verdict == "approve" and "standing" in wait.data and chance.random() < 0.5:
            answer["standing"] = True
        try:
            answered = await self._insist(
                lambda ports: api.resume(ports, thread.id, wait.seq, **answer)
            )
        except Refused:
            self.web.checker.see_refused(thread.id, wait.seq, **answer)
            raise
        self.web.checker.see_answered(answered, wait.seq, **answer)
        self.web.wake(thread.id)

    async def _insist(self, request: Callable[[Ports], Coroutine[Any, Any, T]]) -> T:
        """Send a request again if no answer comes."""
        for _ in range(TRIES):
            with suppress(Killed, Unavailable):
                return await self._ask(request)
            await asyncio.sleep(self.web.chance.uniform(0, THINKS_S))
        raise Killed(self.name)

    async def _ask(self, request: Callable[[Ports], Coroutine[Any, Any, T]]) -> T:
        return await self.web.ask(self.name, request)

"""One life of a program: at each call of a port it may be slow, frozen or killed."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any, Self, TypeVar

from agent.engine.log.errors import Unavailable

T = TypeVar("T")

YIELDS = 3
RELIABLE = 0.1
"""The share of worlds in which nothing fails, so that no runner may be taken for dead."""
FROZEN_S = 40.0
"""The longest that a process stands still; longer than a lease."""


class Killed(Exception):
    """The process is gone, and what it last did may have happened."""


@dataclass
class Faults:
    """How probable each fault is: at one call of a port, or where it says so."""

    slow: float = 0.0
    kill: float = 0.0
    freeze: float = 0.0
    unavailable: float = 0.0
    """Nothing was done."""
    lost: float = 0.0
    """It was done, and the answer is lost."""
    outage: float = 0.0
    """The store is away for seconds."""
    model: float = 0.0
    """The model is away, refuses, or answers with something invalid; at one question to it."""
    tool: float = 0.0
    """A tool fails; at one run."""
    channel: float = 0.0
    jump: float = 0.0
    """Somebody sets the clock, within some seconds."""
    disturb: float = 0.0
    """Somebody does something to a thread while its tool runs; at one run."""
    hints: float = 0.0
    """A runner is not woken."""
    twice: float = 0.0
    """A sender or a person does something a second time."""
    pace: float = 1.0
    """No fault: how long models and tools take, compared with what is usual."""

    @classmethod
    def draw(cls, chance: Random) -> Self:
        """Draw which faults a world has: some seeds have many of one kind and none of another."""
        pace = chance.choice((0.2, 1.0, 3.0))
        if chance.random() < RELIABLE:
            return cls(hints=chance.random(), twice=chance.random(), pace=pace)
        most = {"kill": 0.01, "freeze": 0.01, "unavailable": 0.06, "lost": 0.06, "outage": 0.004}
        drawn = (chance.choice((0.0, 0.3, 1.0)) * most.get(each.name, 0.3) for each in fields(cls))
        return replace(cls(*drawn), pace=pace)

    def is_none(self) -> bool:
        """Say whether no call of a port fails or is late."""
        return self == type(self)(hints=self.hints, twice=self.twice, pace=self.pace)

    def end(self) -> None:
        """Let nothing fail from now on."""
        for each in fields(self):
            setattr(self, each.name, 0.0)


@dataclass
class Process:
    name: str
    chance: Random
    faults: Faults
    note: Callable[[str], None] = lambda _: None
    """Called with what happens to it."""
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    _frozen_until: float = 0.0
    _hanging: list[asyncio.Future[None]] = field(default_factory=list)
    """What its calls wait for once it is dead."""

    async def pause(self, at: str, risk: float = 1.0) -> None:
        """Let others go first; may never return, and then only a cancellation ends it.

        `risk`: how much more probable than elsewhere it is that the process dies or stands still.
        """
        await self._stand_still()
        for _ in range(self.chance.randrange(YIELDS)):
            await asyncio.sleep(0)
        if self.happens("slow"):
            await asyncio.sleep(self.chance.choice((0.01, 0.5, 6.0)) * self.chance.random())
        if self.happens("kill", risk):
            self.kill(at)
        if self.happens("freeze", risk):
            frozen_s = self.chance.uniform(1, FROZEN_S)
            self.note(f"{self.name} stands still for {frozen_s:.0f} s, {at}")
            self._frozen_until = asyncio.get_running_loop().time() + frozen_s
        await self._stand_still()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a program to its end; if this is cancelled, so is the program, which may tidy up.

        Raises:
            Killed: nobody knows how far it came.
        """
        task, death = asyncio.create_task(work), asyncio.create_task(self.dead.wait())
        try:
            await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
            raise
        finally:
            death.cancel()
            if died := self.dead.is_set():
                task.cancel()
                task.add_done_callback(lambda gone: gone.cancelled() or gone.exception())
            self.dead.set()  # its threads end with it
        if died:
            raise Killed(self.name)
        return task.result()

    async def take(self, most_s: float) -> None:
        """Take a while, as something does that is not a call of a port."""
        await asyncio.sleep(self.chance.uniform(0, most_s * self.faults.pace))

    async def _stand_still(self) -> None:
        loop = asyncio.get_running_loop()
        if self._frozen_until > loop.time():
            await asyncio.sleep(self._frozen_until - loop.time())
        if self.dead.is_set():
            self._hanging.append(loop.create_future())
            await self._hanging[-1]

    def kill(self, at: str = "") -> None:
        """End it: none of its calls reaches a port any more."""
        self.note(f"{self.name} is killed, {at}")
        self.dead.set()

    def happens(self, fault: str, risk: float = 1.0) -> bool:
        """Say whether a fault happens now."""
        probability: float = getattr(self.faults, fault)
        return probability > 0 and self.chance.random() < probability * risk

    def may_fail(self, fault: str, what: str) -> None:
        """Raise Unavailable if this fault happens here."""
        if self.happens(fault):
            self.note(f"{self.name}: {what} fails ({fault})")
            raise Unavailable(f"{what} is away")

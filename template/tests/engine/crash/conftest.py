"""Real processes on a real database file, really killed; run with `pytest -m crash`.

`lives.py`     what they do: everything from the first message on, again each time
`moments.py`   ports that write down every moment they pass, and kill, stop or hold there
`Lab`          starts processes, waits for them, plays the person, reads the log

Effects are counted in the *world*, a database of its own that knows nothing of threads.
"""

import asyncio
import os
import signal
import subprocess
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.engine.log.errors import Refused
from agent.engine.log.thread import Thread
from agent.engine.loop.delegate import list_children
from agent.engine.loop.ports import Ports

from ..sweep import FORKS
from . import lives
from .lives import THREAD, Life
from .moments import PATIENCE_S, Ledger

T = TypeVar("T")

KILLED = -signal.SIGKILL


@dataclass
class Lab:
    """One run: its files, its processes, and what was seen of it."""

    folder: Path
    case: str
    running: list[BaseProcess] = field(default_factory=list)

    def start(self, life: Callable[..., Any], **told: Any) -> BaseProcess:
        """Start a process that lives `life`; `told` are the fields of its `Life`."""
        return self._start(None, life, **told)

    def _start(self, meet: Any, life: Callable[..., Any], **told: Any) -> BaseProcess:
        said = self.folder / f"said.{len(self.running)}"
        living = (said, meet, life, self.life(**told))
        process = FORKS.Process(target=_live, args=living, name=str(said))
        process.start()
        self.running.append(process)
        return process

    def said(self, process: BaseProcess) -> str:
        """Wait for the natural end of a process; return what its life returned."""
        assert self.ended(process) == 0, self.story()
        return Path(process.name).read_text("utf-8")

    def life(self, **told: Any) -> Life:
        return Life(self.folder, self.case, **told)

    def ended(self, process: BaseProcess, within_s: float = PATIENCE_S) -> int:
        """Wait for a process; return its exit code, negative if a signal ended it."""
        process.join(within_s)
        if process.exitcode is None:
            process.kill()
            pytest.fail(f"a process did not end within {within_s:g} s\n{self.story()}")
        return process.exitcode

    def lives(self, life: Callable[..., Any], **told: Any) -> int:
        return self.ended(self.start(life, **told))

    def goes_on(self, **told: Any) -> None:
        """Let a process run the thread until it waits, and end well."""
        assert self.lives(lives.until_it_waits, **told) == 0, self.story()

    def stalled(self, life: Callable[..., Any], moment: str, **told: Any) -> BaseProcess:
        """Start a process that stops at a moment; return it once it has."""
        process = self.start(life, happens={moment: "stop"}, **told)
        self.until(lambda: _state(process).startswith("T"), "a process that stops itself")
        return process

    def to_the_end(self, happens: dict[str | int, str], lives_at_most: int) -> None:
        """Live the whole life again and again, a minute later each time, until it ends well."""
        for number in range(lives_at_most):
            calm = lives_at_most == 1
            code = self.lives(lives.whole, happens=happens, later_s=60.0 * number, calm=calm)
            if code == 0:
                return
            if code != KILLED:
                pytest.fail(f"a process ended with {code}, see its traceback\n{self.story()}")
        pytest.fail(f"not at the end after {lives_at_most} lives\n{self.story()}")

    def together(self, *several: tuple[Callable[..., Any], dict[str, Any]]) -> list[str]:
        """Live several `(life, what it is told)` at the same moment; return what each said."""
        meet = FORKS.Barrier(len(several))
        processes = [self._start(meet, life, **told) for life, told in several]
        return [self.said(process) for process in processes]

    def until(self, true: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + within_s
        while not true():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within_s:g} s: {what}\n{self.story()}")
            time.sleep(0.005)

    def until_passed(self, *moments: str) -> None:
        """Wait until one of the moments has come."""
        self.until(lambda: {*moments} & {*self.passed()}, f"one of {moments}")

    def until_wait(self, kind: str) -> Thread:
        self.until(lambda: self.status() == f"waiting:{kind}", f"a wait of kind {kind!r}")
        return self.thread()

    def go_on(self) -> None:
        """Let all go on that are held."""
        (self.folder / "go").touch()

    def signal(self, process: BaseProcess, number: signal.Signals) -> None:
        assert process.pid
        os.kill(process.pid, number)

    def wake(self, stalled: BaseProcess) -> None:
        self.signal(stalled, signal.SIGCONT)

    def stop(self, worker: BaseProcess) -> None:
        """End a worker as a redeploy does."""
        self.until(self.life().listens(worker.pid).exists, "a worker that can be told to stop")
        self.signal(worker, signal.SIGTERM)
        assert self.ended(worker) == 0, self.story()

    @property
    def world(self) -> Ledger:
        return Ledger(self.folder / "world.db")

    def passed(self) -> list[str]:
        return self.life().moments().passed()

    def thread(self, thread_id: str = THREAD) -> Thread:
        return self.with_agent(lambda ports: ports.store.load(thread_id))

    def child(self) -> Thread:
        """Return the thread that the first one delegated to."""
        (child_id,) = list_children(self.thread())
        return self.thread(child_id)

    def status(self) -> str:
        return self.thread().state.status

    def types(self) -> list[str]:
        return [event.type for event in self.thread().events]

    def answer(self, later_s: float = 0.0) -> None:
        """Answer the open wait, as a person who looks at the world."""

        async def answer(ports: Ports) -> None:
            await lives.answer(ports, await ports.store.load(THREAD), self.world)

        self.with_agent(answer, later_s=later_s)

    def answer_all(self) -> bool:
        """Answer every open wait; return whether nothing is left to do in any thread."""

        async def answer(ports: Ports) -> bool:
            over = True
            for row in await ports.store.threads():
                thread = await ports.store.load(row.id)
                over = over and thread.state.status == "finished" and not thread.state.outbox
                if thread.state.wait:
                    with suppress(Refused):
                        await lives.answer(ports, thread, self.world)
            return over

        return self.with_agent(answer)

    def send(self, thread_id: str = THREAD, delivery: str = "first", later_s: float = 0.0) -> None:
        self.with_agent(lambda ports: lives.send(ports, thread_id, delivery), later_s)

    def with_agent(self, work: Callable[[Ports], Awaitable[T]], later_s: float = 0.0) -> T:
        """Do something in this process, which passes no moments."""

        async def working() -> T:
            ports = self.life(later_s=later_s, log="laboratory.log").ports()
            try:
                return await work(ports)
            finally:
                await ports.store.close()  # type: ignore[attr-defined] # not every store has it

        return asyncio.run(working())

    def story(self) -> str:
        """Tell everything that is known of this run."""
        try:
            log = [f"{e.seq:3} {e.type} {e.actor} {e.data}" for e in self.thread().events]
        except Exception:
            log = [traceback.format_exc()]
        effects = [f"{tool} {key}" for tool, key in self.world.rows()]
        parts = {"the log": log, "the world": effects, "the last moments": self.passed()[-12:]}
        return "\n".join(f"-- {name}\n" + "\n".join(lines) for name, lines in parts.items())

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.join()


Labs = Callable[[str], Lab]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Labs]:
    """Make a laboratory for a case; each has a folder of its own."""
    made: list[Lab] = []

    def make(case: str) -> Lab:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Lab(folder, case))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _live(said: Path, meet: Any, function: Callable[..., Any], life: Life) -> None:
    if meet:
        meet.wait(PATIENCE_S)
    said.write_text(str(function(life)), "utf-8")


def _state(process: BaseProcess) -> str:
    seen = subprocess.run(
        ["ps", "-o", "state=", "-p", str(process.pid)], capture_output=True, text=True, check=False
    )
    return seen.stdout.strip()

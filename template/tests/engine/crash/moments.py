"""Ports at whose moments more can happen than a kill.

A moment, as in `sweep.py`, has a name (`to append step`, `ran charge`) and a number, counted over
all processes of a run. What happens there is one word: the first time `kill` (SIGKILL), `stop`
(SIGSTOP), `hold` (wait until the laboratory says go on) or `hang` (wait for ever); every time
`poison` (SIGKILL).
"""

import json
import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.engine import Call
from agent.engine.context.window import Prompt
from agent.engine.log.errors import Unavailable
from agent.engine.log.events import CallJson, Event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Run, Wait
from agent.engine.loop.ports import Reply, Sent
from agent.engine.stores.sqlite.file import Connected
from agent.engine.stores.sqlite.writer import Job, Writer

from .. import sweep
from ..domain import World
from ..sweep import Hasty, WatchedStore

PATIENCE_S = 20.0


class Moments(sweep.Moments):
    def __init__(self, log: Path, happens: Mapping[str | int, str], calm: bool = False) -> None:
        super().__init__(log)
        self._happens = happens
        self._calm = calm

    def happens(self, name: str, passed: list[str]) -> None:
        first = passed.count(name) == 1
        match self._happens.get(len(passed), self._happens.get(name)):
            case "poison":
                os.kill(os.getpid(), signal.SIGKILL)
            case "kill" if first or len(passed) in self._happens:
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop" if first:
                os.kill(os.getpid(), signal.SIGSTOP)
            case "hold" if first:
                self._hold(name)
            case "hang" if first:
                threading.Event().wait()

    def _hold(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self._log.with_name("go").exists():
            assert time.monotonic() < deadline, f"held at {name!r} and nobody said go on"
            time.sleep(0.005)


def watch_statements(moment: Moments) -> None:
    """Pass a moment before every statement of SQL that this process runs from now on."""
    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*arguments, **options)
        db.set_trace_callback(lambda sql: moment(f"to execute {' '.join(sql.split())}"))
        return db

    sqlite3.connect = watched  # type: ignore[assignment]


class SickStore(WatchedStore):
    """A store whose disk falls ill while a file of that name exists."""

    def __init__(
        self,
        folder: Path,
        moment: Moments,
        clock: Callable[[], float],
        uptime: Callable[[], float],
    ) -> None:
        super().__init__(folder, moment, clock, uptime)
        self.database.writer = SickWriter(Hasty(folder / "threads.db"))

    async def load(self, thread_id: str) -> Thread:
        with self._failing("failed to load"):
            return await super().load(thread_id)

    async def append(self, thread: Thread, *events: Event) -> Thread:
        with self._failing(f"failed to append {' '.join(event.type for event in events)}"):
            return await super().append(thread, *events)

    async def release(
        self,
        holder: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        with self._failing("failed to release"):
            await super().release(holder, thread, wake_at, attempts, problem)

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except Unavailable:
            self._moment(name)
            raise


class SickWriter(Writer):
    def __init__(self, connected: Connected) -> None:
        super().__init__(connected)
        self._folder = connected.path.parent

    def commit(self, batch: Sequence[Job]) -> None:
        with suppress(sqlite3.Error, Unavailable):
            db = self._connected.get()
            busy_ms = 100 if (self._folder / "locked").exists() else 1000
            db.execute(f"PRAGMA busy_timeout = {busy_ms}")
            db.execute(f"PRAGMA query_only = {int((self._folder / 'read-only').exists())}")
        with _full_disk() if (self._folder / "full").exists() else nullcontext():
            super().commit(batch)


@contextmanager
def _full_disk() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Ledger(World):
    """A world in which the effect of any tool is one row."""

    def happen(self, tool: str, key: str, again: bool, moment: Moments) -> None:
        """Add an effect, where `again` even if one with this key is there."""
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            if again or not db.execute("SELECT 1 FROM effects WHERE key = ?", (key,)).fetchone():
                db.execute("INSERT INTO effects VALUES (?, ?, '')", (tool, key))
            moment(f"inside {tool}")
        moment(f"ran {tool}")

    def rows(self) -> list[tuple[str, str]]:
        """Return each effect: whose it is, and its key."""
        with self._db() as db:
            return db.execute("SELECT tool, key FROM effects ORDER BY rowid").fetchall()


def watched_tools(
    decide: Callable[[Any, Thread], Action], world: Ledger, moment: Moments, jobs: bool
) -> Callable[[Any, Thread], Action]:
    """Return `decide`, its tools replaced by effects in `world`; those of `jobs` wait for their
    results."""

    def watched(step: Any, thread: Thread) -> Action:
        moment(f"to decide {step.intent}")
        action = decide(step, thread)
        if not isinstance(action, Run):
            return action
        effect = action.effect

        def tool(step: Any, call: Call) -> str | Wait:
            moment(f"to run {step.intent}")
            if effect != "read":
                world.happen(step.intent, call.key, effect == "once", moment)
            return Wait("it goes on", kind="job") if jobs else f"{step.intent} is done"

        return replace(action, tool=tool)

    return watched


class Script:
    """Says the next of its calls, which one it sees in the prompt: it remembers nothing."""

    def __init__(self, calls: list[CallJson]) -> None:
        self._calls = calls

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        intents = {call["intent"] for call in self._calls}
        said = sum(block.partition(">")[0][1:] in intents for block in prompt.blocks)
        call = self._calls[min(said, len(self._calls) - 1)]
        return Reply(json.dumps({"next_step": call}), {"input": 1, "output": 1})


class LedgerChannel:
    """Notifies people by a row in the world."""

    def __init__(self, world: Ledger, moment: Moments) -> None:
        self._world = world
        self._moment = moment

    async def send(self, thread: Thread, event: Event) -> Sent:
        self._moment(f"to notify of {event.type}")
        self._world.happen("notify", f"{thread.id}:{event.seq}", False, self._moment)
        return Sent(receipt={"watched": event.seq} if event.type == "paused" else {})

"""What the processes of the distributed tests do, and the lab that starts and kills them.

They share a PostgreSQL, which is killed as well, and a world in SQLite in which every effect is
counted. Their own clocks are wrong by an hour, half of them early and half late.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from psycopg import AsyncConnection

from agent.engine import Call
from agent.engine.context.window import Prompt
from agent.engine.log.errors import Refused, ThreadNotFound, Unavailable
from agent.engine.log.thread import Thread
from agent.engine.loop import api
from agent.engine.loop.actions import Action, Ask, Delegate, Finish, Run
from agent.engine.loop.ports import Ports, Reply
from agent.engine.runners.procrastinate.runner import ProcrastinateRunner
from agent.engine.stores.postgres import PostgresStore

from ...domain import Charge, Done, Look, Put, World, advance, build_ports
from ...stores.postgres.server import Server

T = TypeVar("T")

HOUR = 3600.0
PATIENCE_S = 30.0
KILLED = -signal.SIGKILL
THREAD = "the thread"
LOOK = {"intent": "look", "at": "the door"}
PUT = {"intent": "put", "value": "a lamp"}
CHARGE = {"intent": "charge", "amount": 7}
CHARGE_A_LOT = {"intent": "charge", "amount": 500}
DONE = {"intent": "done", "message": "Done."}

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", __name__])


@dataclass(frozen=True)
class Life:
    """What a process is given when it starts."""

    url: str
    folder: Path
    calls: tuple[dict[str, Any], ...]
    """The steps of the model, one after the other."""
    child: tuple[dict[str, Any], ...] = ()
    """Those of the agent `child`, to which LOOK delegates."""
    happens: Mapping[str, str] = field(default_factory=dict)
    """What happens at a moment, once: `kill`, `stop` or `hold`; every time: `poison`."""
    clock_s: float = 0.0
    """How far the clock of its machine is ahead."""
    lease_s: float = 1.0
    delivery: str = "first"
    thread_id: str = THREAD
    actor: str = "ana"

    def moment(self, name: str) -> None:
        what = self.happens.get(name)
        if what == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        passed = self.folder / name
        first = not passed.exists()
        passed.touch()
        match what:
            case "kill" if first:
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop" if first:
                os.kill(os.getpid(), signal.SIGSTOP)
            case "hold" if first:
                wait_for((self.folder / "go").exists)

    def ports(self) -> Ports:
        world = World(self.folder / "world.db")
        policy = self._decide(world)
        return build_ports(
            PostgresStore(self.url), self._says, world, decide=policy, also=("child",)
        )

    async def _says(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        self.moment("thinking")
        calls = self.child if prompt.blocks[0].startswith("<agent_message>") else self.calls
        intents = {call["intent"] for call in calls}
        said = sum(block.partition(">")[0][1:] in intents for block in prompt.blocks)
        call = calls[min(said, len(calls) - 1)]
        return Reply(json.dumps({"next_step": call}), {"input": 1, "output": 1})

    def _decide(self, world: World) -> Callable[[Any, Thread], Action]:
        def watched(tool: Callable[[Any, Call], str]) -> Callable[[Any, Call], str]:
            def run(step: Any, call: Call) -> str:
                self.moment(f"to {step.intent}")
                output = tool(step, call)
                self.moment(f"did {step.intent}")
                return output

            return run

        def decide(step: Any, thread: Thread) -> Action:
            match step:
                case Put():
                    return Run(watched(world.put), effect="idempotent")
                case Charge(amount=amount):
                    leave = ("ana", "bob") if amount > 100 else ()
                    return Run(watched(world.charge), approvers=leave, expires_s=HOUR)
                case Look(at=task):
                    return Delegate("child", task)
                case Done(message=message):
                    return Finish(message)
            return Ask("What?")

        return decide


def worker(life: Life) -> None:
    """Run due threads until SIGTERM."""

    async def live(ports: Ports) -> None:
        runner = ProcrastinateRunner(ports, lease_s=life.lease_s, poll_s=0.05, sweep_s=1)
        work = asyncio.ensure_future(runner.work(4))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
        _listening(life, os.getpid()).touch()
        await asyncio.wait([work])
        if not work.cancelled():
            work.result()

    _live(life, live)


def _listening(life: Life, pid: int | None) -> Path:
    """Return the file that exists once a worker handles SIGTERM."""
    return life.folder / f"listening.{pid}"


def without_lease(life: Life) -> None:
    """Advance the thread, even while other processes do."""

    async def live(ports: Ports) -> None:
        await advance(ports, await ports.store.load(life.thread_id))

    _live(life, live)


def sender(life: Life) -> str:
    """Send a message, with moments before and after its hint and at the end."""

    async def live(ports: Ports) -> str:
        ProcrastinateRunner(ports)
        store: Any = ports.store
        hint = store.when_due

        async def watched(db: AsyncConnection, thread_id: str) -> None:
            life.moment("to hint")
            await hint(db, thread_id)
            life.moment("hinted")

        store.when_due = watched
        thread = await send(ports, life.thread_id, life.delivery)
        life.moment("sent")
        return thread.id

    return _live(life, live)


def approver(life: Life) -> str:
    """Approve the last request; return the outcome."""

    async def live(ports: Ports) -> str:
        thread = await ports.store.load(life.thread_id)
        asked = [event for event in thread.events if event.type == "paused"][-1]
        how = {"actor": life.actor, "digest": asked.data["digest"]}
        try:
            await api.resume(ports, thread.id, asked.seq, "approve", **how)
        except Refused as error:
            return str(error)
        return "approved"

    return _live(life, live)


def reader(life: Life) -> None:
    """Query a database that never answers, and exit as a command does, without closing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        store = PostgresStore(f"host={host} port={port} connect_timeout=2")
        store.database.schemas.clear()
        with suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(store.threads(), 0.5))


def _live(life: Life, live: Callable[[Ports], Awaitable[T]]) -> T:
    if life.clock_s:
        real = time.time
        time.time = lambda: real() + life.clock_s

    async def living() -> T:
        ports = life.ports()
        try:
            return await live(ports)
        finally:
            await ports.store.close()  # type: ignore[attr-defined] # it is a PostgresStore

    return asyncio.run(living())


async def send(ports: Ports, thread_id: str, delivery: str) -> Thread:
    how: dict[str, Any] = {"actor": "ana", "delivery": delivery, "source": "test"}
    return await api.launch(ports, thread_id, "Please go on.", **how)


def wait_for(true: Callable[[], object], what: str = "go on") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.01)


@dataclass
class Lab:
    """One test: its database, its world and its processes."""

    server: Server
    life: Life
    running: list[BaseProcess] = field(default_factory=list)

    def start(self, function: Callable[..., Any], **changes: Any) -> BaseProcess:
        """Start a process; every second one is an hour early, the others late."""
        late = HOUR if len(self.running) % 2 else -HOUR
        life = replace(self.life, **{"clock_s": late, **changes})
        said = self.life.folder / f"said.{len(self.running)}"
        process = FORKS.Process(target=_said, args=(said, function, life), name=str(said))
        process.start()
        self.running.append(process)
        return process

    def workers(self, number: int = 4, **changes: Any) -> list[BaseProcess]:
        return [self.start(worker, **changes) for _ in range(number)]

    def ended(self, process: BaseProcess) -> int | None:
        process.join(PATIENCE_S)
        return process.exitcode

    def said(self, *processes: BaseProcess) -> list[str]:
        assert [self.ended(process) for process in processes] == [0] * len(processes)
        return [Path(process.name).read_text("utf-8") for process in processes]

    def stop(self, *processes: BaseProcess) -> None:
        for process in processes:
            wait_for(_listening(self.life, process.pid).exists, f"{process.name} listens")
            process.terminate()
        assert [self.ended(process) for process in processes] == [0] * len(processes)

    def go_on(self, stalled: BaseProcess | None = None) -> None:
        """Resume a process that stopped itself, or all that are held."""
        if stalled and stalled.pid:
            os.kill(stalled.pid, signal.SIGCONT)
        else:
            (self.life.folder / "go").touch()

    def crash(self) -> None:
        """Kill the database as a power failure does, except that the disk survives."""
        postmaster = self.server.get_postmaster_info().process
        assert postmaster
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(PATIENCE_S)

    def restart(self) -> None:
        self.server.ensure_postgres_running()

    def passed(self, moment: str) -> None:
        wait_for((self.life.folder / moment).exists, moment)

    def status(self, thread_id: str = THREAD) -> str:
        with suppress(ThreadNotFound):
            return self.thread(thread_id).state.status
        return ""

    def wait_until(self, status: str, *thread_ids: str) -> None:
        names = thread_ids or (THREAD,)
        wait_for(lambda: all(self.status(name) == status for name in names), status)

    def types(self, thread_id: str = THREAD) -> list[str]:
        return [event.type for event in self.thread(thread_id).events]

    def thread(self, thread_id: str = THREAD) -> Thread:
        return self.do(lambda ports: ports.store.load(thread_id))

    def send(self, thread_id: str = THREAD, delivery: str = "first") -> None:
        async def hinted(ports: Ports) -> Thread:
            ProcrastinateRunner(ports)
            return await send(ports, thread_id, delivery)

        self.do(hinted)

    def list_ids(self) -> list[str]:
        return self.do(lambda ports: ports.store.ids())

    def answer(self, thread_id: str) -> None:
        """Answer the open wait, as a person who looks at the world."""

        async def answer(ports: Ports) -> None:
            thread = await ports.store.load(thread_id)
            if not (wait := thread.state.wait):
                return
            verdict = {"approval": "approve", "limit": "continue"}.get(wait.kind, "happened")
            if wait.kind == "in_doubt":
                keys = [
                    past.data["idempotency_key"]
                    for past in thread.events
                    if past.type == "tool_started"
                ]
                verdict = "happened" if keys[-1] in self.keys() else "retry"
            how = {"actor": "ana", "digest": wait.data.get("digest", "")}
            with suppress(Refused):
                await api.resume(ports, thread.id, wait.seq, verdict, **how)

        self.do(answer)

    def keys(self, tool: str = "") -> list[str]:
        """Return the keys of the effects."""
        with closing(sqlite3.connect(self.life.folder / "world.db")) as db:
            effects = db.execute("SELECT key FROM effects WHERE tool LIKE ?", (tool or "%",))
            return [key for (key,) in effects.fetchall()]

    def do(self, work: Callable[[Ports], Awaitable[T]]) -> T:
        """Do something in this process as soon as the database is available."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return _live(self.life, work)
            except Unavailable:
                assert time.monotonic() < deadline

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.join()


def _said(said: Path, function: Callable[[Life], object], life: Life) -> None:
    said.write_text(str(function(life)), "utf-8")

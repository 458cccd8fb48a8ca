"""What B's loop costs beside one written by hand, as a ratio of CPU time in one run.

In a rendered repository: `PYTHONPATH=. uv run python <path to>/tests/benchmarks/loop.py [steps]`.
Both loops ask the same instant model for the same number of steps, validate with Pydantic, run the
same tool and keep every event: in memory, and in SQLite with one durable commit an event.
"""

import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from agent.engine import Limits
from agent.engine.llms.output import JsonSteps
from agent.engine.loop.advance import advance
from agent.engine.loop.api import launch
from agent.engine.loop.ports import Reply, Store
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore
from pydantic import BaseModel
from tests.engine.domain import Done, Look, World, build_ports

ROUNDS = 7
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
TYPES = JsonSteps(Look | Done)
WORLD = World(Path(tempfile.mkdtemp()) / "world.db")
Run = Callable[[str], Awaitable[None]]


def model() -> Callable[..., Awaitable[Reply]]:
    asked = 0

    async def say(*_: Any) -> Reply:
        nonlocal asked
        asked += 1
        step = {"intent": "look", "at": str(asked)}
        step = step if asked <= STEPS else {"intent": "done", "message": "ok"}
        return Reply(json.dumps({"next_step": step}), {"input": 1, "output": 1})

    return say


class Answer(BaseModel):
    next_step: Look | Done


async def by_hand(path: str) -> None:
    """The loop people write: a list of events, one string of context, no question of crashes."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, data TEXT)")
    events: list[dict[str, Any]] = []

    def keep(event: dict[str, Any]) -> None:
        events.append(event)
        if path != ":memory:":
            db.execute("INSERT INTO events (data) VALUES (?)", (json.dumps(event),))

    say = model()
    keep({"type": "message", "data": "hello"})
    while True:
        context = "\n\n".join(
            f"<{e['type']}>\n{json.dumps(e['data'])}\n</{e['type']}>" for e in events
        )
        step = Answer.model_validate_json((await say(context)).text).next_step
        keep({"type": step.intent, "data": step.model_dump()})
        if isinstance(step, Done):
            return
        keep({"type": f"{step.intent}_result", "data": f"saw {step.at}"})


async def ours(path: str) -> None:
    store: Store = MemoryStore() if path == ":memory:" else SqliteStore(path)
    limits = Limits(10**9, 10**9, 10**9, 10**9)
    ports = build_ports(store, model(), WORLD, limits=limits, steps=TYPES)
    await advance(ports, await launch(ports, "t", "hello", actor="a", delivery="1", source="cli"))


def cost(run: Run, kind: str) -> float:
    folder = Path(tempfile.mkdtemp())
    path = ":memory:" if kind == "memory" else str(folder / "threads.db")
    before = time.process_time()
    asyncio.run(run(path))
    return time.process_time() - before


for kind in ("memory", "sqlite"):
    pairs = [(cost(ours, kind), cost(by_hand, kind)) for _ in range(ROUNDS)]
    per_step = median(mine for mine, _ in pairs) / STEPS * 1000
    ratio = median(mine / theirs for mine, theirs in pairs)
    print(f"{kind}: {STEPS} steps, {per_step:.2f} ms CPU a step, {ratio:.1f} x a loop by hand")

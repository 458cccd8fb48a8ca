"""Bytes written a step while one thread grows to 1,000 steps, beside other ways to keep it.

In a repository that capacity.py made: `PYTHONPATH=. python <path to>/capacity_growth.py
<a Python that has LangGraph>`. Ours runs its real loop, three durable events a step; the blob
is one UPDATE a step of the whole log as JSON; LangGraph appends the same as one message a step.
"""

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from agent.engine import Action, Finish, Limits, Run
from agent.engine.llms.output import JsonSteps
from agent.engine.log.thread import Thread
from agent.engine.loop.advance import advance
from agent.engine.loop.api import launch
from agent.engine.loop.ports import Reply
from agent.engine.stores.postgres import PostgresStore
from agent.engine.stores.sqlite import SqliteStore
from capacity_lab import heads, postgres, row
from capacity_meter import STEPS, WINDOWS, Files, Wal, payload
from tests.engine.domain import Done, Look, World, build_ports

Meter = Wal | Files
Row = dict[str, Any]


async def ours(name: str, store: Any, meter: Meter, folder: str) -> Row:
    await store.threads()  # the tables are no part of it
    growth = meter.begin()

    async def say(*_: Any) -> Reply:
        growth.step()
        step: Row = {"intent": "look", "at": f"place {growth.steps}"}
        step = step if growth.steps <= STEPS else {"intent": "done", "message": "ok"}
        return Reply(json.dumps({"next_step": step}), {"input": 1, "output": 1}, model="a model")

    def decide(step: Any, _: Thread) -> Action:
        if isinstance(step, Done):
            return Finish(step.message)
        return Run(lambda *_: payload(growth.steps), effect="read")

    ports = build_ports(
        store, say, World(Path(folder, "world")), steps=JsonSteps(Look | Done), decide=decide,
        limits=Limits(steps=10**9, tokens=10**9, context=10**9),
    )  # fmt: skip
    await advance(ports, await launch(ports, "t", "hello", actor="a", delivery="1", source="cli"))
    found = meter.row(name, growth)
    await _told_how_long_it_loads(store)
    await store.close()
    return found


async def _told_how_long_it_loads(store: Any) -> None:
    start = time.perf_counter()
    thread = await store.load("t")
    took = 1000 * (time.perf_counter() - start)
    print(f"{len(thread.events)} events are loaded and folded in {took:.0f} ms")


def blob(name: str, save: Callable[[str], object], meter: Meter) -> Row:
    """Keep the same three events a step in one document."""
    growth, events = meter.begin(), list[Row]()
    for step in range(1, STEPS + 1):
        growth.step()
        call = {"intent": "look", "at": f"place {step}"}
        named = {"tokens": {"input": 1, "output": 1}, "model": "a model", "prompt_sha": "0" * 12}
        events.append({"type": "step", "data": {"call": call, **named}})
        events.append({"type": "tool_started", "data": {"step": 3 * step, "key": f"{step:032}"}})
        result = {"step": 3 * step, "output": payload(step)}
        events.append({"type": "tool_finished", "key": f"result:{3 * step}", "data": result})
        save(json.dumps(events))
    return meter.row(name, growth)


def blob_in_postgres(url: str) -> Row:
    meter = Wal(url)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE threads (id text PRIMARY KEY, events json)")
        db.execute("INSERT INTO threads VALUES ('t', '[]')")
        save = "UPDATE threads SET events = %s::json WHERE id = 't'"
        return blob("one JSON document", lambda text: db.execute(save, [text]), meter)


def blob_in_sqlite(folder: str) -> Row:
    with closing(sqlite3.connect(f"{folder}/threads.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE threads (id TEXT PRIMARY KEY, events TEXT)")
        db.execute("INSERT INTO threads VALUES ('t', '[]')")
        save = "UPDATE threads SET events = ? WHERE id = 't'"
        return blob("one JSON document", lambda text: db.execute(save, [text]), Files(folder))


def langgraph(python: str, *arguments: str) -> Row:
    script = Path(__file__).with_name("capacity_langgraph.py")
    said = subprocess.run([python, script, *arguments], stdout=subprocess.PIPE, check=True).stdout
    found: Row = json.loads(said.splitlines()[-1])
    return found


def in_postgres(python: str) -> list[Row]:
    with postgres() as url, tempfile.TemporaryDirectory() as folder:
        meter = Wal(url)
        rows = [asyncio.run(ours("events (ours)", PostgresStore(url), meter, folder))]
        rows.append(blob_in_postgres(url))
        return rows + [langgraph(python, "postgres", url, kind) for kind in ("list", "delta")]


def in_sqlite(python: str) -> list[Row]:
    folders = [tempfile.mkdtemp() for _ in range(4)]
    store = SqliteStore(f"{folders[0]}/threads.db")
    rows = [asyncio.run(ours("events (ours)", store, Files(folders[0]), tempfile.mkdtemp()))]
    rows.append(blob_in_sqlite(folders[1]))
    for folder, kind in zip(folders[2:], ("list", "delta"), strict=True):
        rows.append(langgraph(python, "sqlite", folder, kind))
    return rows


def main(python: str) -> None:
    for store, rows in (("PostgreSQL", in_postgres(python)), ("SQLite", in_sqlite(python))):
        heads(store, *(f"a step, {first} to {last}" for first, last in WINDOWS), "all",
              "against ours", "page images", "on disk", "the last steps' time")  # fmt: skip
        for each in rows:
            row(
                each["name"], *(f"{size / 1000:.1f} kB" for size in each["a_step"]),
                f"{each['written'] / 1e6:.1f} MB", f"{each['written'] / rows[0]['written']:.1f} x",
                f"{each['images'] / 1e6:.1f} MB", f"{each['disk'] / 1e6:.1f} MB",
                f"{each['ms'][-1] / rows[0]['ms'][-1]:.1f} x",
            )  # fmt: skip


main(sys.argv[1])

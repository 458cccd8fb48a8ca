"""A restored backup: old links work, and nothing is repeated that may have happened since."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.engine.cli.restored import hold
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.api import launch, resume
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore

from ..domain import World, list_types, make_message, make_pause, make_step, store_thread
from ..restoring import SCRIPTS, count_effects, go_on, live, make_ports, restore
from .conftest import Desk

CHARGE: dict[str, Any] = {"intent": "charge", "amount": 500}


def back_up(path: Path, copy: Path) -> None:
    """Copy a database while it is in use; docs/operating.md shows the same."""
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(copy)) as target:
        db.backup(target)


class CopiedStore(SqliteStore):
    """A store of which a backup is taken after each append."""

    copies = 0

    async def append(self, thread: Thread, *events: Event) -> Thread:
        grown = await super().append(thread, *events)
        self.copies += 1
        back_up(self.database.path, self.database.path.with_name(f"{self.copies}.db"))
        return grown


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_a_copy_of_any_moment_goes_on_and_repeats_nothing(
    kind: str, tmp_path: Path, world: World
) -> None:
    store = CopiedStore(tmp_path / "threads.db")
    await live(make_ports(store, world), world, kind)
    await store.close()
    effects = count_effects(world)
    assert effects == {kind: 1}
    for number in range(1, store.copies + 1):
        copied = SqliteStore(tmp_path / f"{number}.db")
        ports = make_ports(copied, world)
        waits = await restore(ports)
        thread = await copied.load(kind)
        assert waits.get(kind, 0) in (0, thread.state.wait and thread.state.wait.seq)
        await go_on(ports, world)
        assert (await copied.load(kind)).state.ended
        assert count_effects(world) == effects, f"after append {number}"
        await copied.close()


async def test_a_copy_taken_under_load_repeats_nothing(tmp_path: Path, world: World) -> None:
    store = SqliteStore(tmp_path / "threads.db")
    names = [f"{kind}-{number}" for number in range(8) for kind in SCRIPTS]

    async def copy() -> None:
        while count_effects(world).total() < len(names) // 4:  # noqa: ASYNC110 # no event for it
            await asyncio.sleep(0)
        await asyncio.to_thread(back_up, store.database.path, tmp_path / "copy.db")

    await asyncio.gather(live(make_ports(store, world), world, *names), copy())
    await store.close()
    effects = count_effects(world)
    assert effects == dict.fromkeys(names, 1)
    copied = SqliteStore(tmp_path / "copy.db")
    ports = make_ports(copied, world)
    left = [await copied.load(each) for each in await copied.ids()]
    assert any(not thread.state.ended for thread in left)
    await restore(ports)
    await go_on(ports, world)
    assert count_effects(world) == effects
    await copied.close()


async def test_an_approval_of_before_is_given_by_its_old_link_and_its_call_is_asked_about(
    store: MemoryStore, world: World
) -> None:
    ports = make_ports(store, world)
    asked = make_pause("approval", call=CHARGE)
    thread = await store_thread(store, make_message(), make_step(**CHARGE), asked)
    assert await hold(ports, "t") == "marked"
    digest = thread.event(3).data["digest"]
    await resume(ports, "t", 3, "approve", actor="ana", digest=digest)
    thread = await LocalRunner(ports).finish("t")
    assert thread.state.status == "waiting:in_doubt"
    assert world.effects("charge") == []


async def test_a_call_that_was_approved_and_not_started_is_asked_about(
    store: MemoryStore, world: World
) -> None:
    ports = make_ports(store, world)
    asked = make_pause("approval", call=CHARGE)
    thread = await store_thread(store, make_message(), make_step(**CHARGE), asked)
    await resume(ports, "t", 3, "approve", actor="ana", digest=thread.event(3).data["digest"])
    assert await hold(ports, "t") == "asked"
    thread = await store.load("t")
    assert list_types(thread)[-2:] == ["tool_started", "paused"]
    assert thread.state.wait
    assert thread.state.wait.text.startswith("Go on? It was restored from a backup")
    await resume(ports, "t", thread.state.wait.seq, "continue", actor="ana")
    assert (await LocalRunner(ports).finish("t")).state.status == "waiting:in_doubt"


@pytest.mark.parametrize("kind", ["question", "job", "timer", "limit", "in_doubt"])
async def test_another_wait_stays_as_it_is(kind: str, store: MemoryStore, world: World) -> None:
    thread = await store_thread(store, make_message(), make_pause(kind))
    assert await hold(make_ports(store, world), "t") == "left"
    assert await store.load("t") == thread


def test_the_command_counts_and_running_it_again_changes_nothing(desk: Desk) -> None:
    desk.happened(make_message(), thread_id="runs")
    approval = make_pause("approval", call=CHARGE)
    desk.happened(make_message(), make_step(**CHARGE), approval, thread_id="asks")
    desk.happened(make_message(), make_pause("question"), thread_id="waits")
    ran = desk.agent("restored")
    assert ran.exit_code == 0
    assert ran.stderr == (
        "Running threads that ask whether to go on: 1; approvals whose call may have run: 1; "
        "unchanged: 1.\n"
    )
    threads = [desk.thread(name) for name in ("runs", "asks", "waits")]
    again = desk.agent("restored")
    assert "go on: 0; approvals whose call may have run: 0; unchanged: 3." in again.stderr
    assert [desk.thread(name) for name in ("runs", "asks", "waits")] == threads


async def test_a_message_that_came_meanwhile_is_held_too(store: MemoryStore, world: World) -> None:
    """Whatever starts before the command has run is asked about by it."""
    ports = make_ports(store, world)
    await launch(ports, "put", "go", actor="ana", delivery="1", source="user")
    assert await hold(ports, "put") == "asked"

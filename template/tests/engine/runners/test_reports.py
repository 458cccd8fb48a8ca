"""What a process that runs threads reports of itself."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest

from agent.engine.index import Worker
from agent.engine.log.errors import ModelRefused, ModelUnavailable, Undelivered
from agent.engine.loop.api import launch
from agent.engine.loop.ports import Ports
from agent.engine.runners.local import LocalRunner
from agent.engine.runners.presence import announce, describe_worker
from agent.engine.runners.reports import Reports
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import Says, Shown, World, build_ports, make_message, make_pause, store_thread

DONE = {"intent": "done", "message": "the secret is out"}
CHARGE = {"intent": "charge", "amount": 5}


async def run(ports: Ports, **message: Any) -> LocalRunner:
    runner = LocalRunner(ports, poll_s=0.001)
    await launch(ports, "t", "my secret", actor="ana", delivery="1", source="user", **message)
    await runner.finish("t")
    return runner


def count(reports: Reports) -> dict[tuple[str, ...], int]:
    return {tuple(key): number for *key, number in reports.describe().counts}


async def test_steps_tools_and_tokens_are_counted_and_logged_a_line_each(
    store: MemoryStore, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    runner = await run(build_ports(store, Says("what?", CHARGE, DONE), world))
    assert count(runner.reports) == {
        ("steps", "test", "says:this", "invalid_step"): 1,
        ("steps", "test", "says:this", "step"): 2,
        ("tokens", "test", "says:this", "input"): 30,
        ("tokens", "test", "says:this", "output"): 15,
        ("tools", "test", "finished"): 1,
    }
    lines = [each for each in caplog.records if each.name.endswith("reports")]
    assert [each.getMessage() for each in lines] == [
        "thread t, event 2: invalid_step (10 input, 5 output)",
        "thread t, event 3: charge (10 input, 5 output)",
        "thread t, event 6: done (10 input, 5 output)",
    ]
    fields = vars(lines[1])
    assert (fields["thread_id"], fields["outcome"], fields["agent"]) == ("t", "charge", "test")
    assert "secret" not in caplog.text


async def test_failures_of_models_and_channels_are_counted(
    store: MemoryStore, world: World
) -> None:
    away, refused = ModelUnavailable("it is away"), ModelRefused("the key is wrong")
    ports = build_ports(store, Says(away, refused), world)
    runner = LocalRunner(ports)
    await store_thread(store, make_message())
    for _ in range(2):
        task = await runner._claim(asyncio.Event(), "t")
        assert task
        await asyncio.gather(task, return_exceptions=True)
    assert count(runner.reports) == {
        ("model_errors", "test", "says:this", "unavailable"): 1,
        ("model_errors", "test", "says:this", "refused"): 1,
    }


async def test_notifications_that_did_not_arrive_are_counted(
    store: MemoryStore, world: World
) -> None:
    class Away(Shown):
        async def send(self, thread: Any, event: Any) -> Any:
            raise Undelivered("nobody is there")

    ports = build_ports(store, Says(), world, channel=Away())
    runner = LocalRunner(ports)
    await store_thread(store, make_message(reply_to="test:"), make_pause("question", "bob"))
    task = await runner._claim(asyncio.Event(), "t")
    assert task
    await asyncio.gather(task, return_exceptions=True)
    assert count(runner.reports) == {("delivery_failures", "test"): 1}


async def test_a_thread_of_a_process_that_died_is_a_takeover(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    await store_thread(store, make_message())
    await store.claim("dead", 10, "t")
    clock.tick(20)
    runner = LocalRunner(build_ports(store, Says(DONE), world))
    await runner.finish("t")
    assert count(runner.reports)["takeovers",] == 1


async def test_a_process_is_known_from_its_start_to_its_end(
    store: MemoryStore, world: World
) -> None:
    reports = Reports(build_ports(store, Says(), world))
    async with announce(store, reports):
        await asyncio.sleep(0)
        (worker,) = await store.workers()
        assert worker.models == {"test": "says:this"}
        assert describe_worker(worker, "test").endswith("(says:this)")
    assert await store.workers() == []


class Deaf(MemoryStore):
    """Swallows the first cancellation while it announces, as connecting to a database may."""

    async def announce(self, worker: Worker, ttl_s: float) -> None:
        if ttl_s:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)


async def test_a_process_ends_while_it_still_connects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.engine.runners.ending.AGAIN_S", 0.01)
    store = Deaf()
    async with asyncio.timeout(5):
        async with announce(store, Reports(build_ports(store, Says(), world))):
            await asyncio.sleep(0)

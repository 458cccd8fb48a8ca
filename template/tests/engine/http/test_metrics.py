"""`/metrics`: who may read it, what it says, and what it says while the store is away."""

import asyncio
from datetime import datetime

import pytest
from fastapi import FastAPI

from agent.engine.http import metrics
from agent.engine.index import Worker
from agent.engine.log.errors import Misconfigured, Unavailable
from agent.engine.log.events import make_event
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import Asleep, make_message, make_pause, store_thread
from .conftest import api_of, caller

TOKEN = "7f3a9c0e51b24d6886fe02d19ab4c735"


@pytest.fixture
def measured(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)
    return api_of(ports, Asleep())


async def read(api: FastAPI) -> dict[str, float]:
    async with caller(api) as prometheus:
        answer = await prometheus.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(number) for name, number in (line.rsplit(" ", 1) for line in lines)}


async def test_only_the_token_of_the_setting_opens_it(measured: FastAPI) -> None:
    for name, status in ((None, 401), ("ana", 401)):
        async with caller(measured, name) as anybody:
            assert (await anybody.get("/metrics")).status_code == status
    assert await read(measured)


async def test_without_the_setting_there_is_no_such_page(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METRICS_TOKEN", raising=False)
    async with caller(api_of(ports, Asleep()), "ana") as anybody:
        assert (await anybody.get("/metrics")).status_code == 404


def test_a_weak_token_is_refused(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "letmein")
    with pytest.raises(Misconfigured, match="METRICS_TOKEN: the token"):
        api_of(ports, Asleep())


async def test_threads_are_counted_by_status_with_the_age_of_the_oldest(
    measured: FastAPI, store: MemoryStore, clock: Clock
) -> None:
    await store_thread(store, make_message(), make_pause("approval"), thread_id="asks")
    clock.tick(90)
    await store_thread(store, make_message(), make_pause("approval"), thread_id="asks, too")
    await store_thread(store, make_message(agent="second"), thread_id="rests")
    done = make_event("finished", message="bye")
    await store_thread(store, make_message(agent="test"), done, thread_id="a")
    await store_thread(store, make_message(), done, thread_id="b")
    said = await read(measured)
    assert said["agent_store_up"] == 1
    assert said['agent_threads{agent="test",status="waiting:approval"}'] == 2
    assert said['agent_oldest_thread_seconds{agent="test",status="waiting:approval"}'] == 90
    assert said['agent_threads{agent="second",status="stalled"}'] == 1
    assert said['agent_threads{agent="test",status="finished"}'] == 2
    assert not any("oldest" in name and "finished" in name for name in said)


async def test_the_totals_are_those_of_every_process(measured: FastAPI, store: MemoryStore) -> None:
    counts = [["steps", "test", "m", "step", 3], ["takeovers", 1], ["steps", "short", 1]]
    counts += [["of a newer version", 5], ["tokens", "test", "m", "input", 70]]
    await store.announce(Worker("host:1:a", {}, counts), 60)
    await store.announce(Worker("host:2:b", {}, [["takeovers", 2]]), 60)
    said = await read(measured)
    assert said["agent_processes"] == 2
    step = 'agent="test",model="m",outcome="step",process="host:1:a"'
    assert said[f"agent_steps_total{{{step}}}"] == 3
    assert said['agent_tokens_total{agent="test",kind="input",model="m",process="host:1:a"}'] == 70
    assert said['agent_takeovers_total{process="host:2:b"}'] == 2
    assert len([name for name in said if "newer" in name or "short" in name]) == 0


@pytest.mark.parametrize("hangs", [True, False])
async def test_while_the_store_is_away_it_says_so_within_a_second(
    measured: FastAPI, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    async def away() -> datetime:
        if hangs:
            await asyncio.Event().wait()
        raise Unavailable("the disk is gone")

    monkeypatch.setattr(metrics, "PATIENCE_S", 0.01)
    monkeypatch.setattr(store, "now", away)
    assert await read(measured) == {"agent_store_up": 0}

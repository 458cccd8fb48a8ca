"""Ticks: one thread each, however many processes run, and what happens to missed ones."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from agent.engine.cron import ticks as cron_ticks
from agent.engine.cron.schedules import Schedule
from agent.engine.cron.ticks import (
    GRACE,
    REMEMBERED,
    compute_nap_s,
    name_thread,
    run_schedules,
    start_due,
    start_thread,
)
from agent.engine.log.errors import ThreadNotFound, Unavailable
from agent.engine.log.thread import Thread
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Asleep, Says, Shown, World, build_ports, list_types
from .test_schedules import make_schedule, parse_utc

TICK = parse_utc("2026-03-02 09:00")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def app(ports: Ports, runner: Asleep) -> App:
    return App(ports, runner)


async def list_days(app: App, daily: Schedule) -> list[int]:
    """Return which ticks have a thread, as days before `TICK`; each thread has one message."""
    found = []
    for days in range(-1, REMEMBERED + 5):
        try:
            thread = await app.ports.store.load(name_thread(daily, TICK - days * DAY))
        except ThreadNotFound:
            continue
        assert list_types(thread) == ["message"]
        found.append(days)
    return found


async def test_a_tick_starts_a_thread_with_the_message(app: App, runner: Asleep) -> None:
    report = make_schedule(message="Report of {date}.", notify="slack:C1")
    await start_due(app, [report], TICK - SECOND, TICK)
    thread = await app.ports.store.load(name_thread(report, TICK))
    assert thread.events[0].data == {
        "agent": "test",
        "text": "Report of 2026-03-02.", "source": "cron", "reply_to": "slack:C1",
    }  # fmt: skip
    assert thread.events[0].key == "in:2026-03-02T09:00Z"
    assert thread.state.owner == "cron:report"
    assert runner.woken == [thread.id]


@pytest.mark.parametrize(
    ("missed", "since", "now", "new"),
    [
        ("skip", -SECOND, 0 * DAY, True),
        ("skip", -SECOND, SECOND, True),
        ("skip", -2 * SECOND, -SECOND, False),
        ("skip", 0 * DAY, SECOND, False),
        ("skip", -SECOND, GRACE, True),
        ("skip", -SECOND, GRACE + SECOND, False),
        ("once", -SECOND, GRACE + SECOND, True),
        ("once", -SECOND, DAY - SECOND, True),
        ("once", -3 * DAY, SECOND, True),
        ("skip", -3 * DAY, SECOND, True),
        ("once", SECOND, -SECOND, False),
    ],
)
async def test_a_running_process_starts_the_last_tick_since_it_looked(
    missed: str, since: timedelta, now: timedelta, new: bool, app: App
) -> None:
    daily = make_schedule(missed=missed)
    await start_due(app, [daily], TICK + since, TICK + now)
    assert await list_days(app, daily) == ([0] if new else [])


@pytest.mark.parametrize(
    ("missed", "ran", "now", "new"),
    [
        ("skip", [1], SECOND, [0]),
        ("skip", [1], GRACE, [0]),
        ("skip", [1], GRACE + SECOND, []),
        ("once", [1], GRACE + SECOND, [0]),
        ("once", [1], DAY - SECOND, [0]),
        ("once", [1], -SECOND, []),
        ("once", [5], SECOND, [0]),
        ("once", [0, 1], SECOND, []),
        ("once", [0], SECOND, []),
        ("once", [REMEMBERED - 1], SECOND, [0]),
        ("once", [REMEMBERED], SECOND, []),
        ("once", [-1], SECOND, []),
        ("once", [], 0 * DAY, []),
        ("once", [], SECOND, []),
        ("skip", [], SECOND, []),
    ],
)
async def test_a_starting_process_derives_missed_ticks_from_the_threads(
    missed: str, ran: list[int], now: timedelta, new: list[int], app: App
) -> None:
    """`ran` days before the tick; a schedule that never ran has just been written."""
    daily = make_schedule(missed=missed)
    for days in ran:
        await start_thread(app, daily, TICK - days * DAY)
    for _ in range(2):
        await start_due(app, [daily], None, TICK + now)
    assert await list_days(app, daily) == sorted(ran + new)


async def test_a_missed_tick_is_logged(app: App, caplog: pytest.LogCaptureFixture) -> None:
    await start_due(app, [make_schedule()], TICK - SECOND, TICK + DAY - SECOND)
    await start_thread(app, make_schedule(name="started"), TICK)
    await start_due(app, [make_schedule(name="started")], None, TICK + DAY - SECOND)
    assert caplog.messages == ["schedule report: tick 2026-03-02T09:00Z was missed"]


@pytest.fixture
async def fleet(tmp_path: Path, world: World) -> AsyncIterator[list[App]]:
    """Servers with one database, each with a connection of its own."""
    stores = [SqliteStore(tmp_path / "threads.db") for _ in range(4)]
    yield [App(build_ports(store, Says(), world), Asleep()) for store in stores]
    for store in stores:
        await store.close()


async def test_several_servers_start_a_tick_once(fleet: list[App]) -> None:
    daily = make_schedule()
    await start_thread(fleet[0], daily, TICK - DAY)
    both = [(app, since) for app in fleet for since in (None, TICK - SECOND)]
    await asyncio.gather(*(start_due(app, [daily], since, TICK) for app, since in both))
    assert await list_days(fleet[-1], daily) == [0, 1]
    assert len(await fleet[0].ports.store.threads()) == 2


@pytest.mark.parametrize(
    "moments",
    [
        ["08:59:59", "09:00:00", "08:30:00", "09:00:00", "09:00:30"],
        ["08:00:00", "09:00:00", "08:01:00", "09:00:00", "10:00:00"],
        ["03-09 23:00:00", "08:59:00", "09:00:01", "09:01:00"],
    ],
    ids=["back", "forward and back", "from next week"],
)
async def test_a_clock_that_jumps_neither_repeats_nor_loses_a_tick(
    moments: list[str], app: App
) -> None:
    times = [
        parse_utc(f"2026-{moment}" if "-" in moment else f"2026-03-02 {moment}")
        for moment in moments
    ]
    daily = make_schedule()
    for since, now in pairwise(times):
        await start_due(app, [daily], since, now)
    assert await list_days(app, daily) == [0]


async def test_with_clocks_an_hour_apart_a_tick_is_early_and_not_repeated(fleet: list[App]) -> None:
    daily, ahead, right = make_schedule(), fleet[0], fleet[1]
    for minutes in range(-120, 121):
        now = TICK + timedelta(minutes=minutes)
        hour, minute = timedelta(hours=1), timedelta(minutes=1)
        await start_due(ahead, [daily], now + hour - minute, now + hour)
        await start_due(right, [daily], now - minute, now)
    assert await list_days(right, daily) == [0]


@pytest.mark.parametrize(
    ("now", "nap"),
    [("08:59:50", 10), ("08:59:59.750", 0.25), ("07:00", 60), ("09:00:05", 0), ("09:00", 0)],
)
def test_a_nap_ends_at_the_next_tick_and_after_a_minute(now: str, nap: float) -> None:
    both = [make_schedule(), make_schedule("0 10 * * *")]
    assert compute_nap_s(both, TICK - 2 * SECOND, parse_utc(f"2026-03-02 {now}")) == nap


async def test_a_tick_is_started_after_the_store_was_unavailable(
    app: App, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even in a process that has just started, which has not looked at any tick yet."""
    daily, load, asked = make_schedule(missed="once"), store.load, asyncio.Semaphore(0)
    await start_thread(app, daily, TICK - DAY)

    async def fails(thread_id: str) -> Thread:
        store.load = load  # type: ignore[method-assign] # the next call works
        raise Unavailable("the store is unavailable")

    store.load = fails  # type: ignore[method-assign]
    monkeypatch.setattr(cron_ticks, "RETRY_S", 0)
    monkeypatch.setattr(app.runner, "wake", lambda _: asked.release())
    working = asyncio.create_task(run_schedules(app, [daily], lambda: TICK + 2 * GRACE))
    async with asyncio.timeout(10):
        await asked.acquire()
    working.cancel()
    assert await list_days(app, daily) == [0, 1]


async def test_a_tick_prefetches_facts_and_notifies_as_the_schedule_says(
    store: MemoryStore, world: World
) -> None:
    fetched, slack = list[str](), Shown()

    def fetch(thread: Thread) -> dict[str, str]:
        fetched.append(thread.last_message)
        return {"facts": "x"}

    model = Says({"intent": "done", "message": "bye"})
    ports = build_ports(store, model, world, channel=slack, prefetch=fetch)
    report = make_schedule(message="Report of {date}.", notify="slack:C1")
    await start_thread(App(ports, Asleep()), report, TICK)
    ended = await LocalRunner(ports).finish(name_thread(report, TICK))
    assert fetched == ["Report of 2026-03-02."]
    assert [shown.type for shown in slack.sent] == ["finished"]
    assert ended.state.reply_to == "slack:C1"

"""Ticks: one message each, whoever makes them, and what becomes of those that were missed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from agent.engine.cron import ticks as cron_ticks
from agent.engine.cron.schedule import Schedule
from agent.engine.cron.ticks import GRACE, REMEMBERED, make, make_due, nap_s, thread_of, work
from agent.engine.log.errors import ThreadNotFound, Unavailable
from agent.engine.log.thread import Thread
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Says, Shown, World, ports_of, types
from ..http.conftest import Asleep
from .test_schedule import at, schedule

TICK = at("2026-03-02 09:00")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def runner() -> Asleep:
    return Asleep()


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    return ports_of(store, Says(), world)


@pytest.fixture
def app(ports: Ports, runner: Asleep) -> App:
    return App(ports, runner)


async def made(app: App, daily: Schedule) -> list[int]:
    """Return which ticks have a thread, as days before `TICK`; each has one message."""
    found = []
    for days in range(-1, REMEMBERED + 5):
        try:
            thread = await app.ports.store.load(thread_of(daily, TICK - days * DAY))
        except ThreadNotFound:
            continue
        assert types(thread) == ["message"]
        found.append(days)
    return found


async def test_a_tick_is_a_thread_that_begins_with_the_message(app: App, runner: Asleep) -> None:
    report = schedule(message="Report of {date}.", tell="slack:C1")
    await make_due(app, [report], TICK - SECOND, TICK)
    thread = await app.ports.store.load(thread_of(report, TICK))
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
async def test_a_process_that_runs_makes_the_last_tick_since_it_looked(
    missed: str, since: timedelta, now: timedelta, new: bool, app: App
) -> None:
    daily = schedule(missed=missed)
    await make_due(app, [daily], TICK + since, TICK + now)
    assert await made(app, daily) == ([0] if new else [])


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
async def test_a_process_that_starts_reads_off_the_threads_what_was_missed(
    missed: str, ran: list[int], now: timedelta, new: list[int], app: App
) -> None:
    """`ran` days before the tick; a schedule that never ran has just been written."""
    daily = schedule(missed=missed)
    for days in ran:
        await make(app, daily, TICK - days * DAY)
    for _ in range(2):
        await make_due(app, [daily], None, TICK + now)
    assert await made(app, daily) == sorted(ran + new)


async def test_what_was_missed_is_said(app: App, caplog: pytest.LogCaptureFixture) -> None:
    await make_due(app, [schedule()], TICK - SECOND, TICK + DAY - SECOND)
    await make(app, schedule(name="made"), TICK)
    await make_due(app, [schedule(name="made")], None, TICK + DAY - SECOND)
    assert caplog.messages == ["schedule report: tick 2026-03-02T09:00Z was missed"]


@pytest.fixture
async def fleet(tmp_path: Path, world: World) -> AsyncIterator[list[App]]:
    """Servers with one database, each with a connection of its own."""
    stores = [SqliteStore(tmp_path / "threads.db") for _ in range(4)]
    yield [App(ports_of(store, Says(), world), Asleep()) for store in stores]
    for store in stores:
        await store.close()


async def test_a_fleet_says_it_once(fleet: list[App]) -> None:
    daily = schedule()
    await make(fleet[0], daily, TICK - DAY)
    both = [(app, since) for app in fleet for since in (None, TICK - SECOND)]
    await asyncio.gather(*(make_due(app, [daily], since, TICK) for app, since in both))
    assert await made(fleet[-1], daily) == [0, 1]
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
async def test_a_clock_that_jumps_makes_no_tick_twice_and_loses_none(
    moments: list[str], app: App
) -> None:
    times = [
        at(f"2026-{moment}" if "-" in moment else f"2026-03-02 {moment}") for moment in moments
    ]
    daily = schedule()
    for since, now in pairwise(times):
        await make_due(app, [daily], since, now)
    assert await made(app, daily) == [0]


async def test_clocks_an_hour_apart_make_a_tick_early_and_not_again(fleet: list[App]) -> None:
    daily, ahead, right = schedule(), fleet[0], fleet[1]
    for minutes in range(-120, 121):
        now = TICK + timedelta(minutes=minutes)
        hour, minute = timedelta(hours=1), timedelta(minutes=1)
        await make_due(ahead, [daily], now + hour - minute, now + hour)
        await make_due(right, [daily], now - minute, now)
    assert await made(right, daily) == [0]


@pytest.mark.parametrize(
    ("now", "nap"),
    [("08:59:50", 10), ("08:59:59.750", 0.25), ("07:00", 60), ("09:00:05", 0), ("09:00", 0)],
)
def test_a_nap_ends_at_the_next_tick_and_after_a_minute(now: str, nap: float) -> None:
    both = [schedule(), schedule("0 10 * * *")]
    assert nap_s(both, TICK - 2 * SECOND, at(f"2026-03-02 {now}")) == nap


async def test_what_a_store_that_is_away_held_up_is_made_later(
    app: App, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a process that has just started: until then it has looked at nothing."""
    daily, load, asked = schedule(missed="once"), store.load, asyncio.Semaphore(0)
    await make(app, daily, TICK - DAY)

    async def fails(thread_id: str) -> Thread:
        store.load = load  # type: ignore[method-assign] # the next time it is there
        raise Unavailable("the store is away")

    store.load = fails  # type: ignore[method-assign]
    monkeypatch.setattr(cron_ticks, "RETRY_S", 0)
    monkeypatch.setattr(app.runner, "wake", lambda _: asked.release())
    working = asyncio.create_task(work(app, [daily], lambda: TICK + 2 * GRACE))
    async with asyncio.timeout(10):
        await asked.acquire()
    working.cancel()
    assert await made(app, daily) == [0, 1]


async def test_facts_are_fetched_for_the_message_and_people_are_told_where_the_schedule_says(
    store: MemoryStore, world: World
) -> None:
    fetched, slack = list[str](), Shown()

    def fetch(thread: Thread) -> dict[str, str]:
        fetched.append(thread.last_message)
        return {"facts": "x"}

    model = Says({"intent": "done", "message": "bye"})
    ports = ports_of(store, model, world, channel=slack, prefetch=fetch)
    report = schedule(message="Report of {date}.", tell="slack:C1")
    await make(App(ports, Asleep()), report, TICK)
    ended = await LocalRunner(ports).finish(thread_of(report, TICK))
    assert fetched == ["Report of 2026-03-02."]
    assert [shown.type for shown in slack.sent] == ["finished"]
    assert ended.state.reply_to == "slack:C1"

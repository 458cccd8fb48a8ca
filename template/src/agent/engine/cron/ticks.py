"""Starts one thread at each tick of a schedule, however many processes do so at the same time.

A thread is named by its schedule and tick: the first process starts it, and the others find it
there. Which ticks were missed is derived from the threads, too; nothing else is stored.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..log.errors import ThreadNotFound, Unavailable
from ..log.thread import Thread
from ..loop import api
from ..loop.store import Store
from ..runners.app import App
from .schedules import Schedule

GRACE = timedelta(minutes=1)
"""A tick that is at most this late was not missed."""
REMEMBERED = 100
"""How many ticks to look back at to find whether a schedule ever ran."""
NAP_S = 60.0
"""The longest nap: somebody may set the clock, or suspend the machine."""
RETRY_S = 5.0

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


def get_utc_now() -> datetime:
    return datetime.now(UTC)


async def run_schedules(
    app: App, schedules: Sequence[Schedule], clock: Clock = get_utc_now
) -> None:
    """Start a thread at each tick of `schedules`, until cancelled."""
    since: datetime | None = None
    while True:
        now = clock()
        try:
            await start_due(app, schedules, since, now)
        except Unavailable as error:
            log.warning("%s; retrying the schedules", error)
            await asyncio.sleep(RETRY_S)
            continue
        since = now
        await asyncio.sleep(compute_nap_s(schedules, since, clock()))


def compute_nap_s(schedules: Sequence[Schedule], since: datetime, now: datetime) -> float:
    """Return how long to sleep until the first tick after `since`, in seconds."""
    first = min(next(each.generate_ticks(since)) for each in schedules)
    return min(max(0.0, (first - now).total_seconds()), NAP_S)


async def start_due(
    app: App, schedules: Sequence[Schedule], since: datetime | None, now: datetime
) -> None:
    """Start the thread of each schedule's last tick after `since` and up to `now`.

    A tick that was missed is skipped if the schedule says so. Without `since`, this process has
    just started. Raises Unavailable.
    """
    for schedule in schedules:
        for tick in schedule.list_ticks(now):
            if not await _is_open(app.ports.store, schedule, tick, since):
                continue
            if schedule.missed == "skip" and now - tick > GRACE:
                log.warning("schedule %s: tick %s was missed", schedule.name, _name_tick(tick))
            else:
                await start_thread(app, schedule, tick)


async def start_thread(app: App, schedule: Schedule, tick: datetime) -> None:
    """Start the thread of a tick, unless it is there already. Raises Unavailable."""
    thread = await api.launch(
        app.ports,
        name_thread(schedule, tick),
        schedule.format_message(tick),
        actor=f"cron:{schedule.name}",
        delivery=_name_tick(tick),
        source="cron",
        reply_to=schedule.notify,
        agent=schedule.agent,
    )
    log.info("schedule %s, tick %s: thread %s", schedule.name, _name_tick(tick), thread.id)
    app.runner.wake(thread.id)


async def find_last_thread(
    store: Store, schedule: Schedule, now: datetime
) -> tuple[datetime, Thread] | None:
    """Return the last tick up to `now` that has a thread, and the thread."""
    for tick in schedule.list_ticks(now, REMEMBERED):
        try:
            return tick, await store.load(name_thread(schedule, tick))
        except ThreadNotFound:
            continue
    return None


def name_thread(schedule: Schedule, tick: datetime) -> str:
    """Return the id of the thread of a tick."""
    return api.name_thread("cron", schedule.name, _name_tick(tick))


async def _is_open(
    store: Store, schedule: Schedule, tick: datetime, since: datetime | None
) -> bool:
    """Say whether a tick is due now, or was due while no server ran.

    A schedule that never ran has just been written: none of its ticks was missed.
    """
    if since:
        return tick > since
    ran = await find_last_thread(store, schedule, tick)
    return ran is not None and ran[0] < tick


def _name_tick(tick: datetime) -> str:
    return tick.strftime("%Y-%m-%dT%H:%MZ")

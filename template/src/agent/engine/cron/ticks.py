"""Says the message of a schedule at each tick, once, however many processes do so.

A tick is a thread of its own, named by schedule and tick: whoever comes first begins it, for the
others it is there already. What was missed is read off that too: nothing else is kept.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..log.errors import ThreadNotFound, Unavailable
from ..log.thread import Thread
from ..loop import api
from ..loop.ports import Store
from ..runners.app import App
from .schedules import Schedule

GRACE = timedelta(minutes=1)
"""So late a tick is not missed yet."""
REMEMBERED = 100
"""How many ticks are looked back at to find whether a schedule ever ran."""
NAP_S = 60.0
"""A clock may be set, and a machine suspended: the time is looked at again."""
RETRY_S = 5.0

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


async def work(app: App, schedules: Sequence[Schedule], clock: Clock = utc_now) -> None:
    """Make the ticks of `schedules` as they come, until cancelled."""
    since: datetime | None = None
    while True:
        now = clock()
        try:
            await make_due(app, schedules, since, now)
        except Unavailable as error:
            log.warning("%s; the schedules are tried again", error)
            await asyncio.sleep(RETRY_S)
            continue
        since = now
        await asyncio.sleep(nap_s(schedules, since, clock()))


def nap_s(schedules: Sequence[Schedule], since: datetime, now: datetime) -> float:
    """Return how long to sleep until the first tick after `since`, in seconds."""
    first = min(next(each.after(since)) for each in schedules)
    return min(max(0.0, (first - now).total_seconds()), NAP_S)


async def make_due(
    app: App, schedules: Sequence[Schedule], since: datetime | None, now: datetime
) -> None:
    """Make the ticks after `since` up to `now`: of each schedule the last, unless it was missed.

    Without `since` this process has just started. Raises Unavailable.
    """
    for schedule in schedules:
        for tick in schedule.until(now):
            if not await _is_open(app.ports.store, schedule, tick, since):
                continue
            if schedule.missed == "skip" and now - tick > GRACE:
                log.warning("schedule %s: tick %s was missed", schedule.name, _named(tick))
            else:
                await make(app, schedule, tick)


async def make(app: App, schedule: Schedule, tick: datetime) -> None:
    """Begin the thread of a tick, if nobody has. Raises Unavailable."""
    thread = await api.launch(
        app.ports,
        thread_of(schedule, tick),
        schedule.text(tick),
        actor=f"cron:{schedule.name}",
        delivery=_named(tick),
        source="cron",
        reply_to=schedule.tell,
    )
    log.info("schedule %s, tick %s: thread %s", schedule.name, _named(tick), thread.id)
    app.runner.wake(thread.id)


async def last_run(
    store: Store, schedule: Schedule, now: datetime
) -> tuple[datetime, Thread] | None:
    """Return the last tick up to `now` that has a thread, and the thread."""
    for tick in schedule.until(now, REMEMBERED):
        try:
            return tick, await store.load(thread_of(schedule, tick))
        except ThreadNotFound:
            continue
    return None


def thread_of(schedule: Schedule, tick: datetime) -> str:
    """Name the thread of a tick."""
    return api.thread_of("cron", schedule.name, _named(tick))


async def _is_open(
    store: Store, schedule: Schedule, tick: datetime, since: datetime | None
) -> bool:
    """Say whether a tick is still to be made, or nobody was there to make it.

    A schedule that never ran has just been written: to it, no tick is late.
    """
    if since:
        return tick > since
    ran = await last_run(store, schedule, tick)
    return ran is not None and ran[0] < tick


def _named(tick: datetime) -> str:
    return tick.strftime("%Y-%m-%dT%H:%MZ")

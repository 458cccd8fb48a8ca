"""Schedules (`schedules.toml`): the agent starts by itself. `agent serve` makes their ticks.

Any number of servers may: a tick is one thread. Nobody calls here, so nobody is authenticated;
the actor is `cron:<schedule>`, and no person.
"""

import asyncio
import heapq
import logging
from datetime import datetime
from functools import partial
from itertools import islice, repeat
from operator import itemgetter
from typing import Annotated

import typer

from ..cli.format import shorten_id
from ..cli.screen import Screen
from ..log.errors import Misconfigured
from ..loop.ports import Store
from ..runners.app import App, Build, Served, no_model
from .file import path, schedules
from .schedule import Schedule
from .ticks import Clock, last_run, utc_now, work

log = logging.getLogger(__name__)

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="Only this one.")]
Count = Annotated[int, typer.Option(min=1, max=1000, help="How many.")]


def served(app: App, clock: Clock = utc_now) -> Served | None:
    """Make the ticks beside the server; the file is read now, and not again."""
    found = schedules(app.ports.notifier)
    if not found:
        log.warning("cron is off: a table in %r switches it on, see docs/cron.md", str(path()))
        return None
    return Served(work=partial(work, app, found, clock))


def mount(cli: typer.Typer, build: Build, clock: Clock = utc_now) -> None:
    """Add the commands `cron list` and `cron next`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

    @group.command("list")
    def list_() -> None:
        """List when each is due, and what its last thread came to."""
        app = build(no_model)
        rows = asyncio.run(_rows(app.ports.store, _found(app), clock()))
        Screen().table(("NAME", "CRON", "NEXT", "LAST", "THREAD", "STATUS"), rows)

    @group.command("next")
    def next_(name: Name = "", count: Count = 5) -> None:
        """Say when the schedules are due, the next first."""
        now, screen = clock(), Screen()
        ticks = (zip(each.after(now), repeat(each)) for each in _found(build(no_model), name))
        rows = islice(heapq.merge(*ticks, key=itemgetter(0)), count)
        screen.table(("WHEN", "NAME"), ((_local(each, tick), each.name) for tick, each in rows))

    cli.add_typer(group, name="cron", help="Look at the schedules that `agent serve` runs.")


def _found(app: App, name: str = "") -> list[Schedule]:
    found = schedules(app.ports.notifier)
    if not found:
        Screen().say(f"There is no schedule yet: begin one in {str(path())!r}, see docs/cron.md")
        raise typer.Exit
    if name and name not in (names := [each.name for each in found]):
        there = f"there is no schedule {name!r} in {str(path())!r}"
        raise Misconfigured(f"{there}; it has {', '.join(names)}")
    return [each for each in found if name in ("", each.name)]


async def _rows(store: Store, found: list[Schedule], now: datetime) -> list[tuple[str, ...]]:
    return [await _row(store, each, now) for each in found]


async def _row(store: Store, schedule: Schedule, now: datetime) -> tuple[str, ...]:
    due = schedule.name, schedule.cron, _local(schedule, next(schedule.after(now)))
    if ran := await last_run(store, schedule, now):
        tick, thread = ran
        return (*due, _local(schedule, tick), shorten_id(thread.id), thread.state.status)
    return (*due, "never", "", "")


def _local(schedule: Schedule, tick: datetime) -> str:
    return f"{tick.astimezone(schedule.timezone):%Y-%m-%d %H:%M %Z}"

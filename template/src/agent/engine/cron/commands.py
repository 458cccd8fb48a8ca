"""The commands `cron list` and `cron next`."""

import asyncio
import heapq
from datetime import datetime
from itertools import islice, repeat
from operator import itemgetter
from typing import Annotated

import typer

from ..cli.format import shorten_id
from ..cli.screen import Screen
from ..log.errors import Misconfigured
from ..loop.store import Store
from ..runners.app import App, Build, no_model
from .schedules import Schedule, locate_file, read_schedules
from .ticks import Clock, find_last_thread, get_utc_now

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="Only this schedule.")]
Count = Annotated[int, typer.Option(min=1, max=1000, help="How many ticks.")]


def mount(cli: typer.Typer, build: Build, clock: Clock = get_utc_now) -> None:
    """Add the commands `cron list` and `cron next`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

    @group.command("list")
    def list_() -> None:
        """List the schedules, with the next tick and the last thread of each."""
        app = build(no_model)
        rows = asyncio.run(_build_rows(app.ports.store, _choose(app), clock()))
        Screen().table(("NAME", "CRON", "NEXT", "LAST", "THREAD", "STATUS"), rows)

    @group.command("next")
    def next_(name: Name = "", count: Count = 5) -> None:
        """List the next ticks, soonest first."""
        now, screen, chosen = clock(), Screen(), _choose(build(no_model), name)
        ticks = (zip(each.generate_ticks(now), repeat(each)) for each in chosen)
        rows = islice(heapq.merge(*ticks, key=itemgetter(0)), count)
        local = ((_format_local(each, tick), each.name) for tick, each in rows)
        screen.table(("WHEN", "NAME"), local)

    cli.add_typer(group, name="cron", help="Look at the schedules that `agent serve` runs.")


def _choose(app: App, name: str = "") -> list[Schedule]:
    """Return all schedules, or the one with this name."""
    found = read_schedules(app.ports)
    if not found:
        Screen().say(f"No schedules yet. Add one to {str(locate_file())!r} (see docs/cron.md).")
        raise typer.Exit
    if name and name not in (names := [each.name for each in found]):
        there = f"{str(locate_file())!r} has {', '.join(names)}"
        raise Misconfigured(f"There is no schedule {name!r}: {there}.")
    return [each for each in found if name in ("", each.name)]


async def _build_rows(store: Store, found: list[Schedule], now: datetime) -> list[tuple[str, ...]]:
    return [await _build_row(store, each, now) for each in found]


async def _build_row(store: Store, schedule: Schedule, now: datetime) -> tuple[str, ...]:
    next_tick = _format_local(schedule, next(schedule.generate_ticks(now)))
    due = schedule.name, schedule.cron, next_tick
    if found := await find_last_thread(store, schedule, now):
        tick, thread = found
        return (*due, _format_local(schedule, tick), shorten_id(thread.id), thread.state.status)
    return (*due, "never", "", "")


def _format_local(schedule: Schedule, tick: datetime) -> str:
    return f"{tick.astimezone(schedule.timezone):%Y-%m-%d %H:%M %Z}"

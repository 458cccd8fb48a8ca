"""`agent costs`: what model calls cost, by the prices of `prices.toml`."""

from typing import Annotated, Literal

import typer

from ..index import Usage
from ..loop.ports import Ports
from ..prices import Bill
from ..runners.app import no_model
from .format import read_age
from .screen import Screen

By = Literal["day", "agent", "model", "person"]
HEAD = ("CALLS", "INPUT", "CACHED", "OUTPUT", "COST")


async def costs(
    ctx: typer.Context,
    by: Annotated[By, typer.Option(help="What to add up; days are UTC.")] = "day",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Calls of the last 36h, 30d or 8w.")
    ] = "30d",
) -> None:
    """Add up what model calls cost.

    Calls that recorded no price are counted at the price of today. Deleted threads are not counted.
    """
    app, screen = ctx.obj(no_model), Screen()
    store = app.ports.store
    found = await store.usage(await store.now() - read_age(since))
    bills: dict[str, Bill] = {}
    total = Bill(app.prices)
    for usage in found:
        name = _name(app.ports, usage, by)
        bills.setdefault(name, Bill(app.prices)).add_usage(usage)
        total.add_usage(usage)
    if not found:
        screen.say(f"No model was called in the last {since}.")
        return
    rows = [_make_row(name, bills[name]) for name in sorted(bills)]
    screen.table((by.upper(), *HEAD), [*rows, _make_row("total", total)])
    if total.unknown:
        screen.say("Set the missing prices in prices.toml to see the whole cost.")


def _name(ports: Ports, usage: Usage, by: By) -> str:
    match by:
        case "day":
            return usage.day.isoformat()
        case "agent":
            return usage.agent or ports.default.name
        case "model":
            return usage.model or "unknown"
        case "person":
            return usage.owner


def _make_row(name: str, bill: Bill) -> tuple[str, ...]:
    counts = (f"{bill.tokens[kind]:,}" for kind in ("input", "cached", "output"))
    return name, f"{bill.calls:,}", *counts, str(bill) or "unknown"

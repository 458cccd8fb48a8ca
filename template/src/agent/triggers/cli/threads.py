"""The commands that list threads, copy one or end one."""

import asyncio
from typing import Annotated

import typer

from ... import settings
from ...api import cancel as cancel_thread
from ...api import fork as fork_thread
from ...ports import Store
from .lookup import thread_named
from .screen import Screen
from .words import command, description, line, short, status, ways, when

Id = Annotated[str, typer.Argument(metavar="ID", help="Any unique beginning of a thread's id.")]


def inbox(ctx: typer.Context) -> None:
    """Show what waits for whom, and how to answer it."""
    asyncio.run(_inbox(ctx.obj("").agent.store, settings.local_user(), Screen()))


async def _inbox(store: Store, actor: str, screen: Screen) -> None:
    now, rows = await store.now(), await store.threads(waiting=True)
    for row in reversed(rows):
        thread = await store.load(row.id)
        if wait := thread.state.wait:
            since = when(thread.event(wait.seq).at or now, now)
            headline, *rest = description(wait, actor, now)
            rest += ways(thread, wait) if wait.admits(actor) else []
            screen.tell(f"{short(thread.id)}:{wait.seq}  {since}  {headline}")
            screen.tell("\n".join(f"    {text}" for text in rest) + "\n")
    if not rows:
        screen.say("Nothing waits for an answer.")


def threads(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, last changed first.")] = 20,
) -> None:
    """List threads, last changed first."""
    asyncio.run(_threads(ctx.obj("").agent.store, limit, Screen()))


async def _threads(store: Store, limit: int, screen: Screen) -> None:
    now, rows = await store.now(), []
    for row in await store.threads(limit=limit):
        first = (await store.load(row.id)).events[0]
        about = line(str(first.data.get("text", "")), 60)
        rows.append((short(row.id), status(row), when(row.updated, now), first.actor, about))
    if rows:
        screen.table(("ID", "STATUS", "CHANGED", "FROM", "ABOUT"), rows)
    else:
        screen.say(f"There are no threads yet; begin one with: {command('run', 'TEXT')}")


def fork(
    ctx: typer.Context,
    name: Id,
    at: Annotated[int, typer.Option(metavar="N", help="The last event to keep; see `show`.")],
) -> None:
    """Copy a thread up to event N into a new one; print its id."""

    async def copied() -> str:
        agent = ctx.obj("").agent
        origin = await thread_named(agent.store, name)
        return (await fork_thread(agent, origin.id, at, actor=settings.local_user())).id

    thread_id, screen = asyncio.run(copied()), Screen()
    screen.tell(thread_id)
    screen.say(f"Go on with: {command('run', '--thread', short(thread_id), 'TEXT')}")


def cancel(
    ctx: typer.Context,
    name: Id,
    reason: Annotated[str, typer.Option(help="Kept in the log; the agent reads it.")] = "",
) -> None:
    """End a thread.

    A tool that runs may still report; a message opens the thread again.
    """

    async def ended() -> str:
        agent = ctx.obj("").agent
        thread = await thread_named(agent.store, name)
        actor = settings.local_user()
        return (await cancel_thread(agent, thread.id, actor=actor, reason=reason)).id

    Screen().say(f"Cancelled {short(asyncio.run(ended()))}.")

"""The commands that list threads, show one, copy one or end one.

People name a thread by any unique beginning of its id.
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from ..log.errors import ThreadNotFound
from ..log.thread import Thread
from ..loop import api
from ..loop.ports import Ports, Store, Summary
from ..people.identity import local_user
from ..people.words import command, description, line, short, ways, what, when
from ..runners.app import no_model
from .prompts import changed, prompt_text, spent
from .screen import Screen

Id = Annotated[str, typer.Argument(metavar="ID", help="Any unique beginning of a thread's id.")]


async def threads(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, last changed first.")] = 20,
) -> None:
    """List threads, last changed first."""
    ports, screen = ctx.obj(no_model).ports, Screen()
    store, several = ports.store, len(ports.agents) > 1
    now, rows = await store.now(), []
    for row in await store.threads(limit=limit):
        thread = await store.load(row.id)
        first, at = thread.events[0], when(row.updated, now)
        about = line(str(first.data.get("text", "")), 60)
        names = (_agent_name(ports, thread),) if several else ()
        status = _status(row, ports, thread)
        rows.append((short(row.id), *names, status, at, spent(thread), first.actor, about))
    if rows:
        names = ("AGENT",) if several else ()
        screen.table(("ID", *names, "STATUS", "CHANGED", "TOKENS", "FROM", "ABOUT"), rows)
    else:
        screen.say(f"There are no threads yet; begin one with: {command('run', 'TEXT')}")


async def show(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[ID]", help="Any unique beginning; none: the last changed.")
    ] = "",
    prompt: Annotated[
        bool, typer.Option("--prompt", help="What the model would be sent next, exactly.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One event a line, complete.")] = False,
) -> None:
    """Show the log of a thread."""
    ports, screen = ctx.obj(no_model).ports, Screen()
    thread = await (thread_named(ports.store, name) if name else _newest(ports.store))
    if as_json:
        for event in thread.events:
            whole = {"seq": event.seq, **asdict(event)}
            screen.tell(json.dumps(whole, default=datetime.isoformat))
    elif prompt:
        screen.tell(prompt_text(ports, thread))
    else:
        await _show_log(ports, thread, screen)


async def _show_log(ports: Ports, thread: Thread, screen: Screen) -> None:
    now, row = await ports.store.now(), await summary(ports.store, thread)
    status = _status(row, ports, thread) if row else thread.state.status
    agent = f" ({_agent_name(ports, thread)})" if len(ports.agents) > 1 else ""
    screen.say(f"Thread {thread.id}{agent}: {status}\n")
    told = ((event, when(event.at, now) if event.at else "") for event in thread.events)
    rows = [
        (str(event.seq), at, event.actor, what(thread, event) + changed(thread, event))
        for event, at in told
    ]
    screen.table(("#", "WHEN", "WHO", "WHAT"), rows)
    if wait := thread.state.wait:
        shown = [*description(wait, local_user(), now), *ways(thread, wait)]
        screen.say("\n" + "\n".join(shown))


async def fork(
    ctx: typer.Context,
    name: Id,
    at: Annotated[int, typer.Option(metavar="N", help="The last event to keep; see `show`.")],
) -> None:
    """Copy a thread up to event N into a new one; print its id."""
    ports, screen = ctx.obj(no_model).ports, Screen()
    origin = await thread_named(ports.store, name)
    copied = await api.fork(ports, origin.id, at, actor=local_user())
    screen.tell(copied.id)
    screen.say(f"Go on with: {command('run', '--thread', short(copied.id), 'TEXT')}")


async def cancel(
    ctx: typer.Context,
    name: Id,
    reason: Annotated[str, typer.Option(help="Kept in the log; the agent reads it.")] = "",
) -> None:
    """End a thread.

    A tool that runs may still report; a message opens the thread again.
    """
    ports = ctx.obj(no_model).ports
    thread = await thread_named(ports.store, name)
    await api.cancel(ports, thread.id, actor=local_user(), reason=reason)
    Screen().say(f"Cancelled {short(thread.id)}.")


async def thread_named(store: Store, name: str) -> Thread:
    """Load the thread whose id begins with `name`. Raises ThreadNotFound."""
    try:
        return await store.load(name)
    except ThreadNotFound:
        found = [row.id for row in await store.threads(limit=4, prefix=name)]
    if len(found) == 1:
        return await store.load(found[0])
    if fit := ", ".join(found[:3]):
        raise ThreadNotFound(f"several threads begin with {name!r}: {fit} …; type more of it")
    hint = f"`{command('threads')}` lists them"
    raise ThreadNotFound(f"no thread's id begins with {name!r}; {hint}")


async def summary(store: Store, thread: Thread) -> Summary | None:
    return next(iter(await store.threads(limit=1, prefix=thread.id)), None)


async def _newest(store: Store) -> Thread:
    if rows := await store.threads(limit=1):
        return await store.load(rows[0].id)
    raise ThreadNotFound(f"there are no threads yet; begin one with: {command('run', 'TEXT')}")


def _agent_name(ports: Ports, thread: Thread) -> str:
    return thread.state.agent or ports.default.name


def _status(row: Summary, ports: Ports, thread: Thread) -> str:
    if row.status == "running" and not ports.find_agent(thread):
        return f"stalled: no agent {thread.state.agent!r}"
    if row.status == "running" and not row.running:
        return "nobody runs it"
    kind = row.status.removeprefix("waiting:").replace("_", " ")
    return f"waits: {kind}" if row.status.startswith("waiting:") else row.status

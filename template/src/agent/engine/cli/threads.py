"""The commands that list threads, show one, copy one or end one.

People name a thread by any unique beginning of its id.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import uuid4

import typer

from .. import settings
from ..characters import clean
from ..index import Summary, Which
from ..log.errors import AgentError, ThreadNotFound
from ..log.events import Event, make_safe
from ..log.thread import Thread
from ..loop import api
from ..loop.delegate import list_children
from ..loop.ports import Ports
from ..loop.store import Store, find_summary
from ..people.cards import format_scope
from ..people.identity import find_local_user
from ..people.words import describe_event, shorten
from ..prices import Bill
from ..runners.app import App, no_model
from .format import format_command, format_time, mark_lines, shorten_id
from .prompts import format_prompt, format_tokens, note_changed_prompts
from .screen import Screen
from .waits import describe_wait, list_answers

Id = Annotated[str, typer.Argument(metavar="ID", help="Any unique beginning of a thread's id.")]


async def threads(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, last changed first.")] = 20,
    tree: Annotated[
        bool, typer.Option("--tree", help="Put the threads that one delegated to below it.")
    ] = False,
) -> None:
    """List threads, last changed first."""
    ports, screen = ctx.obj(no_model).ports, Screen()
    store, several = ports.store, len(ports.agents) > 1
    now, rows = await store.now(), []
    found = [(row, 0) for row in await store.threads(limit=limit)]
    for row, depth in _sort_tree([row for row, _ in found]) if tree else found:
        names = (row.agent or ports.default.name,) if several else ()
        about = (format_time(row.updated, now), row.owner, shorten(row.problem or row.title, 60))
        name = f"└{'─' * depth} {shorten_id(row.id)}" if depth else shorten_id(row.id)
        rows.append((name, *names, _format_status(row, ports), *about))
    if rows:
        names = ("AGENT",) if several else ()
        screen.table(("ID", *names, "STATUS", "CHANGED", "FROM", "ABOUT"), rows)
    else:
        screen.say(f"There are no threads yet. Start one with: {format_command('run', 'TEXT')}")


async def show(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="ID", help="A thread; by default the one that changed last.")
    ] = "",
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Exactly what the model would be sent next.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every event in full, one JSON object a line.")
    ] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most N events.")] = 100,
    before: Annotated[
        int | None, typer.Option(metavar="N", min=2, help="Show only events before event N.")
    ] = None,
) -> None:
    """Show the log of a thread, or the newest part of a long one."""
    app, screen = _build(ctx, with_models=prompt), Screen()
    ports = app.ports
    thread = await (find_thread(ports.store, name) if name else _load_newest(ports.store))
    if as_json:
        for event in thread.events:
            whole = {"seq": event.seq, **asdict(event)}
            screen.write(json.dumps(whole, default=datetime.isoformat))
    elif prompt:
        screen.write(format_prompt(ports, thread))
    else:
        await _show_log(app, thread, screen, limit, before)


def _build(ctx: typer.Context, with_models: bool) -> App:
    """Return the app, with its models if they are wanted and set up."""
    if with_models:
        with suppress(AgentError):
            found: App = ctx.obj(settings.optional_model)
            return found
    app: App = ctx.obj(no_model)
    return app


async def _show_log(
    app: App, thread: Thread, screen: Screen, limit: int, before: int | None
) -> None:
    ports = app.ports
    now, row = await ports.store.now(), await find_summary(ports.store, thread.id)
    status = _format_status(row, ports) if row else thread.state.status
    name = thread.state.agent or ports.default.name
    agent = f" ({name})" if len(ports.agents) > 1 else ""
    cost = str(Bill.of(app.prices, thread.events))
    facts = "; ".join(filter(None, (status, format_tokens(thread), cost and f"cost: {cost}")))
    screen.say(f"Thread {thread.id}{agent}: {facts}")
    if thread.state.parent:
        screen.say(f"Delegated by: {format_command('show', shorten_id(thread.state.parent))}")
    for child in list_children(thread):
        screen.say(f"Delegated to: {format_command('show', shorten_id(child))}")
    screen.say()
    end = min(before - 1, len(thread.events)) if before else len(thread.events)
    if first := max(0, end - limit):
        earlier = format_command("show", shorten_id(thread.id), f"--before {first + 1}")
        screen.say(f"{first:,} earlier events: {earlier}\n")
    if row and row.problem:
        again = f" Next try: {format_time(row.next_try, now)}." if row.next_try else ""
        screen.show([*mark_lines("Problem: ", clean(row.problem)), f"{again}\n".strip(" ")])
    rows = [_make_row(app, thread, event, now) for event in thread.events[first:end]]
    screen.table(("#", "WHEN", "WHO", "WHAT"), rows)
    screen.show(_describe_standing(thread))
    if wait := thread.state.wait:
        shown = [*describe_wait(wait, find_local_user(), now), *list_answers(thread.id, wait)]
        screen.say()
        screen.show(shown)


def _describe_standing(thread: Thread) -> list[str]:
    """Return the approvals that hold for the whole thread, with the commands that revoke them."""
    shown = ["", "Approved for the whole thread:"] if thread.state.standing else []
    for each in thread.state.standing:
        scope = format_scope({"call": {"intent": each.intent}, "standing": each.values})
        shown.append(f"  {scope} (by {shorten(clean(each.by))})")
        shown.append(f"    {format_command('revoke', f'{shorten_id(thread.id)}:{each.seq}')}")
    return shown


def _make_row(app: App, thread: Thread, event: Event, now: datetime) -> tuple[str, ...]:
    sentence = describe_event(thread, event)
    at = format_time(event.at, now) if event.at else ""
    cost = str(Bill.of(app.prices, [event]))
    what = sentence.line + (f" ({cost})" if cost else "") + note_changed_prompts(thread, event)
    return str(event.seq), at, sentence.who, what


async def fork(
    ctx: typer.Context,
    name: Id,
    at: Annotated[int, typer.Option(metavar="N", help="The last event to keep; see `show`.")],
) -> None:
    """Copy a thread up to event N into a new one, and print its id."""
    ports, screen = ctx.obj(no_model).ports, Screen()
    origin = await find_thread(ports.store, name)
    copied = await api.fork(ports, origin.id, at, actor=find_local_user(), delivery=uuid4().hex)
    screen.write(copied.id)
    screen.say(f"Continue with: {format_command('run', '--thread', shorten_id(copied.id), 'TEXT')}")


async def cancel(
    ctx: typer.Context,
    name: Id,
    reason: Annotated[str, typer.Option(help="The agent reads it.")] = "",
) -> None:
    """End a thread.

    A tool that is running may still report its result. A message reopens the thread.
    """
    ports = ctx.obj(no_model).ports
    thread = await find_thread(ports.store, name)
    await api.cancel(ports, thread.id, actor=find_local_user(), reason=reason)
    Screen().say(f"Cancelled {shorten_id(thread.id)}.")


async def find_thread(store: Store, name: str) -> Thread:
    """Load the thread whose id begins with `name`. Raises ThreadNotFound."""
    name = make_safe(name)
    try:
        return await store.load(name)
    except ThreadNotFound:
        found = [row.id for row in await store.threads(Which(prefix=name), 4)]
    if len(found) == 1:
        return await store.load(found[0])
    if fit := ", ".join(found[:3]):
        raise ThreadNotFound(f"several threads begin with {name!r}: {fit} …; type more of it")
    hint = f"`{format_command('threads')}` lists them"
    raise ThreadNotFound(f"no thread's id begins with {name!r}; {hint}")


async def iterate_ids(store: Store) -> AsyncIterator[str]:
    """Yield the ids of all threads, in their order."""
    last = ""
    while ids := await store.ids(last):
        for last in ids:  # the next query starts after the last id
            yield last


def _sort_tree(rows: list[Summary]) -> Iterator[tuple[Summary, int]]:
    """Yield each thread with the number of threads above it, its children below it."""
    listed = {row.id for row in rows}

    def descend(row: Summary, depth: int) -> Iterator[tuple[Summary, int]]:
        yield row, depth
        for each in rows:
            if each.parent == row.id:
                yield from descend(each, depth + 1)

    for row in rows:
        if row.parent not in listed:
            yield from descend(row, 0)


async def _load_newest(store: Store) -> Thread:
    if rows := await store.threads(limit=1):
        return await store.load(rows[0].id)
    raise ThreadNotFound(
        f"there are no threads yet; start one with: {format_command('run', 'TEXT')}"
    )


def _format_status(row: Summary, ports: Ports) -> str:
    if row.status == "running" and row.agent and row.agent not in ports.agents:
        return f"stalled: no agent {row.agent!r}"
    if row.status == "running" and row.problem:
        return "retries"
    if row.status == "running" and not row.running:
        return "stalled"
    kind = row.status.removeprefix("waiting:").replace("_", " ")
    return f"waits: {kind}" if row.status.startswith("waiting:") else row.status

"""`agent show`: the log of a thread, and the prompt that comes of it."""

import asyncio
import json
from typing import Annotated

import typer

from ... import settings
from ...compaction import compacted
from ...context import Prompts, render
from ...errors import ThreadNotFound
from ...events import Event
from ...ports import Agent
from ...thread import Thread
from .log import row
from .lookup import summary, thread_named
from .screen import Screen
from .words import command, description, status, ways

HEAD = ("#", "WHEN", "WHO", "WHAT")


def show(
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
    asyncio.run(_show(ctx.obj("").agent, name, prompt, as_json, Screen()))


async def _show(agent: Agent, name: str, prompt: bool, as_json: bool, screen: Screen) -> None:
    thread = await (thread_named(agent.store, name) if name else _newest(agent))
    if as_json:
        for event in thread.events:
            screen.tell(json_line(event))
        return
    if prompt:
        screen.tell(prompt_text(thread, agent.prompts))
        return
    now, summed = await agent.store.now(), await summary(agent.store, thread)
    screen.say(f"Thread {thread.id}: {status(summed) if summed else thread.state.status}\n")
    screen.table(HEAD, [row(thread, event, now) for event in thread.events])
    if wait := thread.state.wait:
        shown = [*description(wait, settings.local_user(), now), *ways(thread, wait)]
        screen.say("\n" + "\n".join(shown))


async def _newest(agent: Agent) -> Thread:
    if rows := await agent.store.threads(limit=1):
        return await agent.store.load(rows[0].id)
    raise ThreadNotFound(f"there are no threads yet; begin one with: {command('run', 'TEXT')}")


def json_line(event: Event) -> str:
    """Return an event as one line of JSON in ASCII."""
    at = event.at.isoformat() if event.at else None
    shown = {"seq": event.seq, "type": event.type, "at": at, "actor": event.actor}
    return json.dumps({**shown, "key": event.key, "data": event.data})


def prompt_text(thread: Thread, prompts: Prompts) -> str:
    """Return what the model reads when it chooses the next step of `thread`."""
    prompt = render(thread, prompts)
    if prompt.is_too_long:
        shorter = Event("compacted", compacted(thread), seq=thread.state.version + 1)
        prompt = render(thread.plus(shorter), prompts)
    return "\n\n".join(part.strip("\n") for part in (prompt.system, *prompt.blocks, prompt.ask))

"""The commands that show what waits, and answer it.

`ID` is any unique beginning of a thread's id; `ID:WAIT` names one wait of it, so that an answer
can only ever mean the one question it was given to.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated

import typer

from ..log.errors import Refused
from ..log.events import CallJson
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import expire
from ..loop.ports import Ports
from ..people.identity import local_user
from ..people.words import call_line, command, description, short, ways, when
from ..runners.app import no_model
from ..runners.claims import find_work
from .screen import Screen
from .threads import summary, thread_named
from .waits import Answer, answer_in, give, parsed

PATIENCE_S = 1.5
"""How long a living worker may take to see what was appended."""

Id = Annotated[str, typer.Argument(metavar="ID[:WAIT]", help="What to answer; see `inbox`.")]


async def inbox(ctx: typer.Context) -> None:
    """Show what waits for whom, and how to answer it."""
    store, actor, screen = ctx.obj(no_model).ports.store, local_user(), Screen()
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


async def approve(
    ctx: typer.Context,
    name: Id,
    comment: Annotated[str, typer.Option(help="The agent reads it.")] = "",
) -> None:
    """Let the call run that waits, exactly as it is shown."""
    await _give(ctx, name, lambda *_: Answer("approve", comment))


async def reject(
    ctx: typer.Context,
    name: Id,
    reason: Annotated[list[str], typer.Argument(help="The agent reads it.")],
) -> None:
    """Forbid the call that waits, and say why."""
    await _give(ctx, name, lambda *_: Answer("reject", " ".join(reason)))


async def edit(
    ctx: typer.Context,
    name: Id,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change an argument.")
    ] = None,
    anew: Annotated[
        str, typer.Option("--json", metavar="OBJECT", help="All arguments anew, as JSON.")
    ] = "",
) -> None:
    """Approve the call that waits, with other arguments."""
    if not changes and not anew:
        raise typer.BadParameter("say what to change: --set NAME=VALUE, or --json '{…}'")
    await _give(ctx, name, lambda _, wait: Answer("edit", call=_edited(wait, changes or [], anew)))


async def answer(
    ctx: typer.Context,
    name: Id,
    text: Annotated[
        list[str],
        typer.Argument(
            help="To a question: your answer, or the number of a choice. To a limit: continue or "
            "stop. In doubt: happened, retry or abort. To a job or timer: done."
        ),
    ],
) -> None:
    """Answer whatever waits and is no approval."""
    await _give(ctx, name, lambda thread, wait: answer_in(thread, wait, text))


async def _give(ctx: typer.Context, name: str, make: Callable[[Thread, OpenWait], Answer]) -> None:
    ports, actor, screen = ctx.obj(no_model).ports, local_user(), Screen()
    thread, wait = await _named(ports, name)
    for text in description(wait, actor, await ports.store.now()):
        screen.say(text)
    given = make(thread, wait)
    if given.call:
        screen.say(f"With your changes: {call_line(given.call)}")
    exact = name.partition(":")[2]
    if not exact and given.verdict in ("approve", "edit") and screen.interactive:
        screen.forget_typed()
        sure = await screen.ask(f"{given.verdict.capitalize()} this? [y/N]") or "n"
        if sure[0] not in "yY":
            raise Refused("nothing was answered")
    thread = await give(ports, thread, wait, given, actor)
    screen.say(f"Recorded: {given.verdict} by {actor}.", "green")
    if not await _taken(ports, thread):
        go_on = command("run", "--thread", short(thread.id))
        screen.say(f"Nobody is running this thread: {go_on}, or {command('worker')}")


async def _named(ports: Ports, name: str) -> tuple[Thread, OpenWait]:
    """Find the open wait that `THREAD` or `THREAD:WAIT` names."""
    prefix, _, number = name.partition(":")
    thread = await expire(ports, await thread_named(ports.store, prefix))
    wait = thread.state.wait
    if wait and number in ("", str(wait.seq)):
        return thread, wait
    for past in reversed(thread.events):
        if past.type == "resumed" and number in ("", str(past.data["wait"])):
            raise Refused(f"already closed: {past.data['verdict']} by {past.actor}")
    now = f"it waits at {short(thread.id)}:{wait.seq} now" if wait else "it waits for nothing"
    raise Refused(f"{name!r} is not waiting for an answer; {now}")


def _edited(wait: OpenWait, changes: list[str], arguments: str) -> CallJson:
    old: CallJson = wait.data.get("call", {})
    try:
        edited = {**(json.loads(arguments) if arguments else old)}
    except (ValueError, TypeError) as error:
        raise Refused(f"--json takes one JSON object: {error}") from None
    for change in changes:
        name, equals, typed = change.partition("=")
        if not equals or name not in old or name == "intent":
            names = ", ".join(field for field in old if field != "intent")
            raise Refused(f"--set takes NAME=VALUE for one of: {names}; not {change!r}")
        edited[name] = parsed(old[name], typed)
    return {"intent": old.get("intent"), **edited}


async def _taken(ports: Ports, thread: Thread) -> bool:
    """Say whether somebody goes on with a thread that this process only appended to.

    A lease that a dead process left behind looks like somebody, for a few seconds.
    """
    if find_work(ports, thread) == "idle":
        return True
    for _ in range(round(PATIENCE_S / 0.1)):
        row = await summary(ports.store, thread)
        if row and (row.running or row.version > thread.state.version):
            return True
        await asyncio.sleep(0.1)
    return False

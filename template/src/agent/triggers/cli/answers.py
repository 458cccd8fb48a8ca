"""The commands that answer a wait.

`ID` is any unique beginning of a thread's id; `ID:WAIT` names one wait of it, so that an answer
can only ever mean the one question it was given to.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated

import typer

from ... import settings
from ...api import resume
from ...errors import Refused
from ...events import Call
from .. import App
from .lookup import Place, taken, wait_named
from .questions import Answer, answer_in, parsed
from .screen import Screen
from .words import call_line, command, description, short

Id = Annotated[str, typer.Argument(metavar="ID[:WAIT]", help="What to answer; see `inbox`.")]


def approve(
    ctx: typer.Context,
    name: Id,
    comment: Annotated[str, typer.Option(help="The agent reads it.")] = "",
) -> None:
    """Let the call run that waits, exactly as it is shown."""
    _give(ctx, name, lambda place: Answer("approve", comment))


def reject(
    ctx: typer.Context,
    name: Id,
    reason: Annotated[list[str], typer.Argument(help="The agent reads it.")],
) -> None:
    """Forbid the call that waits, and say why."""
    _give(ctx, name, lambda place: Answer("reject", " ".join(reason)))


def edit(
    ctx: typer.Context,
    name: Id,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change an argument.")
    ] = None,
    arguments: Annotated[
        str, typer.Option("--json", metavar="OBJECT", help="All arguments anew, as JSON.")
    ] = "",
) -> None:
    """Approve the call that waits, with other arguments."""
    if not changes and not arguments:
        raise typer.BadParameter("say what to change: --set NAME=VALUE, or --json '{…}'")
    _give(ctx, name, lambda place: Answer("edit", call=_edited(place, changes or [], arguments)))


def answer(
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
    _give(ctx, name, lambda place: answer_in(place.wait, place.thread.id, text))


def _give(ctx: typer.Context, name: str, make: Callable[[Place], Answer]) -> None:
    asyncio.run(_given(ctx.obj(""), settings.local_user(), Screen(), name, make))


async def _given(
    app: App, actor: str, screen: Screen, name: str, make: Callable[[Place], Answer]
) -> None:
    place = await wait_named(app.agent, name)
    thread, wait = place.thread, place.wait
    for text in description(wait, actor, await app.agent.store.now()):
        screen.say(text)
    given = make(place)
    if not await _sure(place, given, screen):
        raise Refused("nothing was answered")
    thread = await resume(
        app.agent,
        thread.id,
        wait.seq,
        given.verdict,
        actor=actor,
        text=given.text,
        digest=wait.data.get("digest", ""),
        call=given.call,
    )
    screen.say(f"Recorded: {given.verdict} by {actor}.", "green")
    if not await taken(app.agent, thread):
        go_on = command("run", "--thread", short(thread.id))
        screen.say(f"Nobody is running this thread: {go_on}, or {command('worker')}")


async def _sure(place: Place, given: Answer, screen: Screen) -> bool:
    """Show what an edit makes of the call; where no wait was named, ask before it may run."""
    if given.call:
        screen.say(f"With your changes: {call_line(given.call)}")
    if place.exact or given.verdict not in ("approve", "edit") or not screen.interactive:
        return True
    screen.forget_typed()
    return (await screen.ask(f"{given.verdict.capitalize()} this? [y/N]") or "n")[0] in "yY"


def _edited(place: Place, changes: list[str], arguments: str) -> Call:
    old: Call = place.wait.data.get("call", {})
    edited: Call = dict(old)
    if arguments:
        try:
            edited = {"intent": old.get("intent"), **json.loads(arguments)}
        except (ValueError, TypeError) as error:
            raise Refused(f"--json takes one JSON object: {error}") from None
    for change in changes:
        name, equals, typed = change.partition("=")
        if not equals or name not in old or name == "intent":
            names = ", ".join(field for field in old if field != "intent")
            raise Refused(f"--set takes NAME=VALUE for one of: {names}; not {change!r}")
        edited[name] = parsed(old[name], typed)
    return edited

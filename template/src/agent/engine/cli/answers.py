"""The commands that list open waits and answer them.

`ID` is any unique beginning of a thread's id. `ID:WAIT` names one wait of that thread, so that an
answer can never go to another question.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from ..log.errors import Refused
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.clock import keep_time
from ..loop.ports import Ports
from ..loop.store import find_summary
from ..people.identity import find_local_user
from ..people.waiting import list_waits
from ..runners.app import no_model
from ..runners.local import find_work
from .dialog import parse_answer
from .edits import change_call, show_edit
from .format import format_command, format_time, shorten_id
from .screen import Screen
from .threads import find_thread
from .waits import Answer, Asked, describe_wait, give_answer, list_answers

PATIENCE_S = 1.5
"""How long a living worker may take to see what was appended."""

Id = Annotated[str, typer.Argument(metavar="ID[:WAIT]", help="What to answer; see `inbox`.")]


async def inbox(ctx: typer.Context) -> None:
    """List the open questions, and how to answer them."""
    store, actor, screen = ctx.obj(no_model).ports.store, find_local_user(), Screen()
    now, found = await store.now(), await list_waits(store)
    for each, others in reversed(found):
        wait, since = OpenWait.of(each.paused), format_time(each.paused.at or now, now)
        headline, *rest = describe_wait(wait, actor, now)
        ways = list_answers(each.thread.id, wait) if wait.admits(actor) else []
        rest = [f"  {text}" for text in (*rest, *(f"  {way}" for way in ways))]
        name = f"{shorten_id(each.thread.id)}:{wait.seq}"
        if others:
            rest = [*rest, f"  Other threads that stopped for the same reason: {others}"]
        screen.show([f"{name}  {since}  {headline}", *rest, ""], result=True)
    if not found:
        screen.say("Nothing waits for an answer.")


async def approve(
    ctx: typer.Context,
    name: Id,
    comment: Annotated[str, typer.Option(help="The agent reads it.")] = "",
    standing: Annotated[
        bool,
        typer.Option("--for-thread", help="Approve the later calls of the scope shown, too."),
    ] = False,
) -> None:
    """Approve the call that waits, exactly as it is shown."""
    await _give_answer(ctx, name, lambda _: Answer("approve", comment, standing=standing))


async def reject(
    ctx: typer.Context,
    name: Id,
    reason: Annotated[list[str], typer.Argument(help="The agent reads it.")],
) -> None:
    """Reject the call that waits, and say why."""
    await _give_answer(ctx, name, lambda _: Answer("reject", " ".join(reason)))


async def edit(
    ctx: typer.Context,
    name: Id,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change an argument, named as shown."),
    ] = None,
    arguments: Annotated[
        str, typer.Option("--json", metavar="OBJECT", help="All arguments, as JSON.")
    ] = "",
) -> None:
    """Approve the call that waits, with changed arguments.

    The VALUE of a text is taken as it is, null clears an optional argument, and the rest is JSON.
    """
    if not changes and not arguments:
        raise typer.BadParameter("say what to change: --set NAME=VALUE, or --json '{…}'")

    def make(asked: Asked) -> Answer:
        return Answer("edit", call=change_call(asked, changes or [], arguments))

    await _give_answer(ctx, name, make)


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
    """Answer any wait that is not an approval."""
    await _give_answer(ctx, name, lambda asked: parse_answer(asked, text))


async def _give_answer(ctx: typer.Context, name: str, make: Callable[[Asked], Answer]) -> None:
    ports, actor, screen = ctx.obj(no_model).ports, find_local_user(), Screen()
    asked = Asked(ports, *await _find_wait(ports, name), actor)
    screen.show(describe_wait(asked.wait, actor, await ports.store.now()))
    given = make(asked)
    if given.call is not None:
        given = await show_edit(screen, asked, given.call)
    exact = name.partition(":")[2]
    if not exact and given.verdict in ("approve", "edit") and screen.interactive:
        screen.discard_typed()
        later = " and the later calls of that scope" if given.standing else ""
        sure = await screen.ask(f"Approve this{later}? [y/N]") or "n"
        if sure[0] not in "yY":
            raise Refused("no answer was given")
    thread = await give_answer(asked, given)
    screen.say(f"Recorded: {given.verdict} by {actor}.", "green")
    if not await _is_taken_up(ports, thread):
        go_on = format_command("run", "--thread", shorten_id(thread.id))
        screen.say(
            f"No process runs this thread. Continue it: {go_on}, or {format_command('worker')}"
        )


async def _find_wait(ports: Ports, name: str) -> tuple[Thread, OpenWait]:
    """Find the open wait that `THREAD` or `THREAD:WAIT` names."""
    prefix, _, number = name.partition(":")
    thread = await keep_time(ports, await find_thread(ports.store, prefix))
    wait = thread.state.wait
    if wait and number in ("", str(wait.seq)):
        return thread, wait
    for past in reversed(thread.events):
        if past.type == "resumed" and number in ("", str(past.data["wait"])):
            raise Refused(f"already closed: {past.data['verdict']} by {past.actor}")
    now = f"the open wait is {shorten_id(thread.id)}:{wait.seq}" if wait else "nothing else is"
    raise Refused(f"{name!r} is not waiting for an answer; {now}")


async def _is_taken_up(ports: Ports, thread: Thread) -> bool:
    """Say whether a process continues a thread that this one only appended to.

    For a few seconds, the lease of a dead process looks like a living one.
    """
    if find_work(ports, thread) == "idle":
        return True
    for _ in range(round(PATIENCE_S / 0.1)):
        row = await find_summary(ports.store, thread.id)
        if row and (row.running or row.version > thread.state.version):
            return True
        await asyncio.sleep(0.1)
    return False

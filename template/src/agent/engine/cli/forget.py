"""`agent forget`: delete threads for good.

Without `--yes` it only says what it would delete. A thread that runs stays; one that waits for
somebody needs `--cancel`.
"""

import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

import typer

from ..index import Which
from ..log.errors import Conflict, Refused, ThreadNotFound
from ..log.thread import Thread
from ..loop.deletion import forget as forget_thread
from ..loop.ports import Ports
from ..people.identity import find_local_user
from ..runners.app import no_model
from .format import format_command
from .screen import Screen
from .threads import find_thread

UNITS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


async def forget(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID...", help="Any unique beginnings of threads' ids."),
    ] = None,
    older_than: Annotated[
        str,
        typer.Option(metavar="TIME", help="Those that ended so long ago: 36h, 30d or 8w."),
    ] = "",
    started_by: Annotated[
        str, typer.Option(metavar="NAME", help="Those that this person started.")
    ] = "",
    cancel: Annotated[
        bool,
        typer.Option("--cancel", help="Also those that wait for somebody; they are cancelled."),
    ] = False,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Afterwards remove what was deleted from the file, too."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete them; without it they are counted.")
    ] = False,
) -> None:
    """Delete threads with all that is known of them. They cannot be brought back."""
    if not (names or older_than or started_by or compact):
        raise typer.BadParameter("say which: ids, --older-than or --started-by")
    ports, screen = ctx.obj(no_model).ports, Screen()
    age = _read_age(older_than) if older_than else None
    found = await _find(ports, names or [], age, started_by)
    waiting = [thread for thread in found if thread.state.wait]
    chosen = found if cancel else [thread for thread in found if not thread.state.wait]
    if not cancel and waiting:
        screen.say(f"Waiting for somebody, so they stay without --cancel: {len(waiting)}.")
    if not yes and chosen:
        again = format_command("forget", "…", "--yes")
        screen.say(f"Would be deleted: {len(chosen)}. Delete them: {again}")
        return
    done = [await _forget(ports, thread, screen) for thread in chosen]
    screen.say(f"Deleted: {sum(done)}.")
    if compact:
        await ports.store.compact()
        screen.say("The file is compact. If another process reads it now, compact it again later.")


async def _find(
    ports: Ports, names: list[str], age: timedelta | None, started_by: str
) -> list[Thread]:
    """Return the threads that are named, or all that fit."""
    if names:
        return [await find_thread(ports.store, name) for name in names]
    cut = await ports.store.now() - age if age else None
    which = Which(status="finished" if age else "", before=cut)
    rows = await ports.store.threads(which, 2**31)
    found: list[Thread] = []
    for row in rows:
        if not started_by or row.owner == started_by:
            with suppress(ThreadNotFound):
                found.append(await ports.store.load(row.id))
    return found


async def _forget(ports: Ports, thread: Thread, screen: Screen) -> bool:
    try:
        await forget_thread(ports, thread.id, actor=find_local_user(), cancelling=True)
    except (Refused, Conflict, ThreadNotFound) as error:
        screen.say(f"{thread.id[:8]} stays: {error}")
        return False
    return True


def _read_age(text: str) -> timedelta:
    """Read `30d`. Raises BadParameter."""
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text.strip()):
        return timedelta(seconds=int(found[1]) * UNITS[found[2]])
    raise typer.BadParameter(f"{text!r} is not a time such as 36h, 30d or 8w")

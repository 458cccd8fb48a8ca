"""`agent forget`: delete threads permanently.

Without `--yes`, the command only counts the threads. It keeps running threads, and keeps waiting
threads unless `--cancel` is given.
"""

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
from .format import format_command, read_age
from .screen import Screen
from .threads import find_thread


async def forget(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID...", help="Threads, each by any unique beginning of its id."),
    ] = None,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Threads that ended at least this long ago: 36h, 30d or 8w."
        ),
    ] = "",
    started_by: Annotated[
        str, typer.Option(metavar="NAME", help="Threads that this person started.")
    ] = "",
    cancel: Annotated[
        bool,
        typer.Option("--cancel", help="Cancel and delete waiting threads, too."),
    ] = False,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Also remove deleted text from the database file."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete the threads; without it, only count them.")
    ] = False,
) -> None:
    """Delete threads and their data permanently."""
    if not (names or older_than or started_by or compact):
        raise typer.BadParameter("name threads by id, --older-than or --started-by")
    ports, screen = ctx.obj(no_model).ports, Screen()
    age = read_age(older_than) if older_than else None
    found = await _find(ports, names or [], age, started_by)
    waiting = [thread for thread in found if thread.state.wait]
    chosen = found if cancel else [thread for thread in found if not thread.state.wait]
    if not cancel and waiting:
        screen.say(f"Kept, because they wait for an answer (use --cancel): {len(waiting)}.")
    if not yes and chosen:
        again = format_command("forget", "…", "--yes")
        screen.say(f"This would delete {len(chosen)}. To delete them: {again}")
        return
    done = [await _forget(ports, thread, screen, cancel) for thread in chosen]
    screen.say(f"Deleted: {sum(done)}.")
    if compact:
        await ports.store.compact()
        screen.say("Compacted. If another process was reading the file, run --compact again later.")


async def _find(
    ports: Ports, names: list[str], age: timedelta | None, started_by: str
) -> list[Thread]:
    """Return the named threads, or those that match the options."""
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


async def _forget(ports: Ports, thread: Thread, screen: Screen, cancel: bool) -> bool:
    try:
        await forget_thread(ports, thread.id, actor=find_local_user(), cancelling=cancel)
    except (Refused, Conflict, ThreadNotFound) as error:
        screen.say(f"Kept {thread.id[:8]}: {error}")
        return False
    return True

"""`agent restored`: what may have happened since a backup was taken is asked about, not repeated.

The copy does not know what ran after it. So each thread that would go on by itself asks its owner
first. A call that was approved or waits for approval counts as started: one that may run only once
becomes an `in_doubt` wait when it is its turn, and others run with the same idempotency key.
"""

from typing import Literal

import typer

from ..log.errors import AgentError, Conflict, ThreadNotFound
from ..log.events import make_event
from ..log.thread import Thread, idempotency_key
from ..loop.advance import escalate
from ..loop.ports import Ports
from ..runners.app import no_model
from .format import shorten_id
from .screen import Screen
from .threads import iterate_ids

WHY = "it was restored from a backup, and what it did since then is unknown"

Found = Literal["asked", "marked", "left"]


async def restored(ctx: typer.Context) -> None:
    """Keep a restored backup from repeating what happened since.

    Run it once after you restored a backup, before any other process runs.

    Threads that were running ask their owner whether to go on. Calls that may have run since the
    backup are not repeated without a question, unless they are idempotent. Open questions stay
    open, with the same links. Running the command again changes nothing.
    """
    ports, screen = ctx.obj(no_model).ports, Screen()
    counts = dict.fromkeys(("asked", "marked", "left"), 0)
    failed = 0
    async for thread_id in iterate_ids(ports.store):
        try:
            counts[await hold(ports, thread_id)] += 1
        except AgentError as error:
            failed += 1
            screen.say(f"{shorten_id(thread_id)}: {error}", "red")
    screen.say(
        f"Running threads that ask whether to go on: {counts['asked']}; approvals whose call may "
        f"have run: {counts['marked']}; unchanged: {counts['left']}."
    )
    if failed:
        raise typer.Exit(1)


async def hold(ports: Ports, thread_id: str) -> Found:
    """Keep a thread from repeating what the backup does not know of."""
    while True:
        try:
            return await _hold(ports, await ports.store.load(thread_id))
        except Conflict:
            continue
        except ThreadNotFound:
            return "left"


async def _hold(ports: Ports, thread: Thread) -> Found:
    state = thread.state
    waits = state.wait is not None
    if state.ended or (state.wait and state.wait.kind != "approval"):
        return "left"
    marked = state.step is not None and not state.step.starts and _is_approved(thread)
    if marked:
        assert state.step
        key = idempotency_key(thread)
        about = {"step": state.step.seq, "idempotency_key": key, "restored": True}
        thread = await ports.store.append(thread, make_event("tool_started", **about))
    if waits:
        return "marked" if marked else "left"
    await escalate(ports, thread, WHY)
    return "asked"


def _is_approved(thread: Thread) -> bool:
    """Say whether the open step is a call that a person approved, or is asked to."""
    step, wait = thread.state.step, thread.state.wait
    return bool((step and step.approved_by) or wait)

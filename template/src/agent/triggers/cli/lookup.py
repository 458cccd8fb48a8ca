"""Finding what a person named: a thread by any unique beginning of its id, a wait in it."""

import asyncio
from dataclasses import dataclass

from ...api import expire
from ...errors import Refused, ThreadNotFound
from ...ports import Agent, Store, Summary
from ...state import OpenWait, plan
from ...thread import Thread
from .words import command, short

PATIENCE_S = 1.5
"""How long a living worker may take to see what was appended."""


async def thread_named(store: Store, name: str) -> Thread:
    """Load the thread whose id begins with `name`. Raises ThreadNotFound."""
    try:
        return await store.load(name)
    except ThreadNotFound:
        found = [row.id for row in await store.threads(limit=4, prefix=name)]
    match found:
        case [only]:
            return await store.load(only)
        case []:
            hint = f"`{command('threads')}` lists them"
            raise ThreadNotFound(f"no thread's id begins with {name!r}; {hint}")
    fit = ", ".join(found[:3])
    raise ThreadNotFound(f"several threads begin with {name!r}: {fit} …; type more of it")


@dataclass(frozen=True)
class Place:
    """An open wait, and whether the person named it or only its thread."""

    thread: Thread
    wait: OpenWait
    exact: bool


async def wait_named(agent: Agent, name: str) -> Place:
    """Find the open wait that `THREAD` or `THREAD:WAIT` names.

    Raises:
        ThreadNotFound: no such thread.
        Refused: it waits for nothing, or for something else by now; says who was first.
    """
    prefix, _, number = name.partition(":")
    thread = await expire(agent, await thread_named(agent.store, prefix))
    wait = thread.state.wait
    if wait and number in ("", str(wait.seq)):
        return Place(thread, wait, bool(number))
    closed = f"already closed: {_closed(thread, number)}" if _closed(thread, number) else ""
    now = f"it waits at {short(thread.id)}:{wait.seq} now" if wait else "it waits for nothing"
    raise Refused(closed or f"{name!r} is not waiting for an answer; {now}")


def _closed(thread: Thread, number: str) -> str:
    """Say how a wait was closed, or the last one where no number is given."""
    for past in reversed(thread.events):
        if past.type == "resumed" and number in ("", str(past.data["wait"])):
            return f"{past.data['verdict']} by {past.actor}"
    return ""


async def summary(store: Store, thread: Thread) -> Summary | None:
    return next(iter(await store.threads(limit=1, prefix=thread.id)), None)


async def taken(agent: Agent, thread: Thread) -> bool:
    """Say whether somebody goes on with a thread that this process only appended to.

    A lease that a dead process left behind looks like somebody, for a few seconds.
    """
    if plan(thread.state, agent.limits) == "idle":
        return True
    for _ in range(round(PATIENCE_S / 0.1)):
        row = await summary(agent.store, thread)
        if row and (row.running or row.version > thread.state.version):
            return True
        await asyncio.sleep(0.1)
    return False

"""Decides who may read a thread, write to it or cancel it.

A thread is readable by the people who started it, took part in it or are asked in it, and by
administrators. `Agent.readers` adds readers, and `Agent.may` limits what readers may do. To
everybody else the thread does not exist.
"""

import logging
from contextlib import suppress

from ..log.errors import Refused, ThreadNotFound
from ..log.state import is_person
from ..log.thread import Thread
from ..loop.agent import Act
from ..loop.conversations import find_conversation
from ..loop.outcome import attempt
from ..loop.ports import Ports

log = logging.getLogger(__name__)

POLICY_S = 1.0
"""Time limit of `readers` and `may`, which run with each append and each request."""


async def list_readers(ports: Ports, thread: Thread) -> frozenset[str]:
    """Return the people and teams who may read a thread; `anyone` means all who are signed in.

    If `Agent.readers` fails, the error is logged and adds nobody.
    """
    agent, names = ports.find_agent(thread), set(thread.state.people)
    if agent is None:
        return frozenset(names)
    if not is_person(thread.state.owner):
        names.update(agent.responsible)
    if readers := agent.readers:
        outcome = await attempt(lambda: [*readers(thread)], timeout_s=POLICY_S)
        if outcome.error:
            log.error("`readers` of the agent %r failed: %s", agent.name, outcome.error)
        names.update(map(str, outcome.output or ()))
    return frozenset(names)


def list_names(ports: Ports, person: str) -> tuple[str, ...] | None:
    """Return the names that give a person access: their own, their teams and `anyone`.

    Returns None for an administrator, who may read all threads.
    """
    if ports.directory.is_admin(person):
        return None
    return (person, *ports.directory.find_teams(person), "anyone")


async def check_reader(ports: Ports, thread: Thread, person: str) -> None:
    """Check that a person may read a thread. Raises ThreadNotFound if not."""
    names = list_names(ports, person)
    if names is not None and (await list_readers(ports, thread)).isdisjoint(names):
        raise ThreadNotFound(f"there is no thread {thread.id!r}")


async def check_sender(ports: Ports, thread_id: str, person: str) -> None:
    """Check that a person may write to the thread of a conversation in which they sent a message.

    Participants of the conversation can read it there, so reading is not checked. Raises Refused.
    """
    with suppress(ThreadNotFound):
        thread_id = await find_conversation(ports.store, thread_id)
        await check_act(ports, await ports.store.load(thread_id), person, "write")


async def check_act(ports: Ports, thread: Thread, person: str, act: Act) -> None:
    """Check that a reader may write to a thread, or cancel it. Raises Refused."""
    agent = ports.find_agent(thread)
    if agent is None or agent.may is None or ports.directory.is_admin(person):
        return
    outcome = await attempt(agent.may, person, act, thread, timeout_s=POLICY_S)
    if outcome.error:
        log.error("`may` of the agent %r failed: %s", agent.name, outcome.error)
    if outcome.output is not True:
        what = {"write": "write to this thread", "cancel": "cancel this thread"}[act]
        raise Refused(f"{person} may not {what}")

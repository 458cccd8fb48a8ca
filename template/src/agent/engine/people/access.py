"""Who may read a thread, and who of them may write to it or cancel it.

Whoever started a thread, took part in it or is asked in it may read it, and so may administrators.
The owner of the agent adds others with `readers`, and narrows with `may` what readers may do. What
somebody may not read does not exist for them.
"""

import logging
from contextlib import suppress

from ..log.errors import Refused, ThreadNotFound
from ..log.state import is_person
from ..log.thread import Thread
from ..loop.agent import Act
from ..loop.deletion import find_conversation
from ..loop.outcome import attempt
from ..loop.ports import Ports

log = logging.getLogger(__name__)

POLICY_S = 1.0
"""How long `readers` and `may` may take: each append and each request waits for them."""


async def list_readers(ports: Ports, thread: Thread) -> frozenset[str]:
    """Return the people and teams who may read a thread; `anyone` is whoever is signed in.

    If `readers` fails, they are those who may read it without it.
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
    """Return the names under which somebody may read threads; None for all threads."""
    if ports.directory.is_admin(person):
        return None
    return (person, *ports.directory.find_teams(person), "anyone")


async def check_reader(ports: Ports, thread: Thread, person: str) -> None:
    """Raises ThreadNotFound if somebody may not read a thread, as if it did not exist."""
    names = list_names(ports, person)
    if names is not None and (await list_readers(ports, thread)).isdisjoint(names):
        raise ThreadNotFound(f"there is no thread {thread.id!r}")


async def check_sender(ports: Ports, thread_id: str, person: str) -> None:
    """Raises Refused if somebody speaks in the conversation of a thread and may not write to it.

    Whoever speaks there reads it there, so nothing else is asked.
    """
    with suppress(ThreadNotFound):
        thread_id = await find_conversation(ports.store, thread_id)
        await check_act(ports, await ports.store.load(thread_id), person, "write")


async def check_act(ports: Ports, thread: Thread, person: str, act: Act) -> None:
    """Raises Refused if a reader may not write to a thread, or not cancel it."""
    agent = ports.find_agent(thread)
    if agent is None or agent.may is None or ports.directory.is_admin(person):
        return
    outcome = await attempt(agent.may, person, act, thread, timeout_s=POLICY_S)
    if outcome.error:
        log.error("`may` of the agent %r failed: %s", agent.name, outcome.error)
    if outcome.output is not True:
        what = {"write": "write to this thread", "cancel": "cancel this thread"}[act]
        raise Refused(f"{person} may not {what}")

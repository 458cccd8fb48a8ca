"""What goes into the log other than by a plain append: facts that must get in, and waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from ..index import hash_cause
from ..log.errors import Conflict, NobodyKnown, Refused, Unavailable
from ..log.events import Event, cap_event, cut, make_event
from ..log.state import is_person
from ..log.thread import Thread
from .actions import Run
from .ports import Ports
from .store import Store

Make = Callable[[Thread], Event | Awaitable[Event]]
_SAID = frozenset({"text", "reason"})
"""Fields of requests that are redacted before they are stored."""
Find = Callable[[Thread], Event | None]
"""Returns the event that a request was stored as, perhaps by somebody else."""
PATIENCE_S = 10.0
"""How long a fact waits for a store that is away; shorter than a lease."""
MAX_PAUSE_S = 10 * 365 * 86_400.0
"""The longest nap: a model may ask for one that no calendar holds."""


async def append_fact(store: Store, thread: Thread, make: Make, *before: Event) -> Thread:
    """Append what `make` says of the newest version, whatever happens meanwhile.

    `before` are appended together with it; they are for a thread that is new.
    An event whose key is in the thread already is not repeated: the store refuses it, and only
    then the log is searched. An event without a key gets one, so that it is recognized if it was
    stored though the store's answer was lost. `make` may raise to refuse.

    Raises:
        Unavailable: the store stayed away; whether the fact got in is unknown.
    """
    clock, stale, key = asyncio.get_running_loop(), False, uuid4().hex
    deadline = clock.time() + PATIENCE_S
    while True:
        try:
            thread = await store.load(thread.id) if stale else thread
            made = make(thread)
            event = made if isinstance(made, Event) else await made
            event = replace(event, key=event.key or key)
            known = stale and thread.find(event.key or key)
            return thread if known else await store.append(thread, *before, event)
        except Conflict:
            stale = True
        except Unavailable:
            if clock.time() > deadline:
                raise
            await asyncio.sleep(0.1)


async def append_once(
    ports: Ports, thread: Thread, make: Callable[[Thread], Event], find: Find
) -> Thread:
    """Append a fact that `make` refuses once it is stored, and accept the same request again.

    A client that did not learn that its request was stored sends it again, and gets the same
    answer.
    """
    try:
        return await append_fact(ports.store, thread, make)
    except Refused:
        newest = await ports.store.load(thread.id)
        known = find(newest)
        with suppress(Refused):
            if known and _is_stored_as(ports, make(newest.before(known.seq)), known):
                return newest
        raise


def find_end(thread: Thread) -> Event | None:
    """Return the last event that began or ended a request."""
    ends = ("message", "finished", "cancelled")
    return next((past for past in reversed(thread.events) if past.type in ends), None)


def _is_stored_as(ports: Ports, made: Event, known: Event) -> bool:
    said = {name: ports.redact(made.data[name]) for name in _SAID.intersection(made.data)}
    stored = cap_event(replace(made, data=made.data | said))
    return (stored.type, stored.actor, stored.data) == (known.type, known.actor, known.data)


async def make_wait(
    ports: Ports,
    thread: Thread,
    kind: str,
    text: str,
    audience: tuple[str, ...],
    expires_s: float | None = None,
    remind_s: float | None = None,
    **data: Any,
) -> Event:
    """Make the event that opens a wait; who may answer is frozen with it.

    Raises:
        NobodyKnown: it would be for nobody.
    """
    data |= await compute_times(ports.store, expires_at=expires_s, remind_at=remind_s)
    people = resolve_audience(ports, thread, audience)
    if not people:
        raise NobodyKnown(f"nobody is named who may answer this {kind}")
    return make_event("paused", kind=kind, text=text, audience=people, **data)


async def compute_times(store: Store, **seconds: float | None) -> dict[str, str]:
    """Return what a wait says of when something is done about it, by the store's clock."""
    times = dict[str, str]()
    for name, pause_s in seconds.items():
        if pause_s is not None:
            pause = timedelta(seconds=min(max(0.0, pause_s), MAX_PAUSE_S))
            times[name] = (await store.now() + pause).isoformat()
    return times


def format_reason(why: str) -> str:
    """Return why people are asked as a sentence on one line, whatever an error says."""
    flat = cut(" ".join(why.split()), 1_000).replace("\n", " ").rstrip(".")
    is_name = ":" in flat.partition(" ")[0]  # such as a model's
    return f"{flat if is_name else flat[:1].upper() + flat[1:]}."


def make_notice(ports: Ports, thread: Thread, event: Event) -> Event:
    """Return what people are notified of: for a step, that another model stands in."""
    if event.type != "step":
        return event
    away, model = event.data["instead_of"], event.data["model"]
    agent = ports.get_agent(thread)
    audience = resolve_audience(ports, thread, agent.responsible)
    text = f"{away} is not available. {model} answers in its place until it is back."
    cause = hash_cause(agent.name, f"{away} is away")
    return replace(event, type="notice", data={"text": text, "audience": audience, "cause": cause})


def list_approvers(thread: Thread, action: Run) -> tuple[str, ...]:
    """Return whom an action names as approvers now: those of `escalate` once it escalated."""
    escalated = action.escalate if thread.state.escalated else ()
    return (*_list_names(action.approvers), *_list_names(escalated))


def _list_names(names: tuple[str, ...] | str) -> tuple[str, ...]:
    """Take `("ana")`, which Python reads as a text, for the one name that is meant."""
    return (names,) if isinstance(names, str) else names


def resolve_audience(ports: Ports, thread: Thread, audience: tuple[str, ...]) -> list[str]:
    """Return the people of an audience: for a team its members, for `owner` who started the thread.

    Where no person started it, `owner` is whoever is responsible for the agent.

    Raises:
        NobodyKnown: a name is neither a person nor a team, or a team is empty.
    """
    agent, people = ports.get_agent(thread), set[str]()
    for name in _list_names(audience):
        if name == "owner" and is_person(thread.state.owner):
            people.add(thread.state.owner)
        elif name == "owner":
            people.update(*(_find_members(ports, each) for each in agent.responsible))
        else:
            people.update(_find_members(ports, name))
    return sorted(people)


def _find_members(ports: Ports, name: str) -> tuple[str, ...]:
    if name == "anyone":
        return (name,)
    if members := ports.directory.find_members(name):
        return members
    raise NobodyKnown(
        f"{name!r} is asked, but is not a person or team in people.toml; add the name there"
    )


def resolve_or_owner(ports: Ports, thread: Thread, audience: tuple[str, ...]) -> list[str]:
    """Ask the owner where nobody is known by a name: the tool ran, and its wait must be kept."""
    with suppress(NobodyKnown):
        return resolve_audience(ports, thread, audience)
    return resolve_audience(ports, thread, ("owner",))


def spell_out(intent: str) -> str:
    """Return an intent as words: `issue_refund` is "Issue refund"."""
    return intent.replace("_", " ").strip().capitalize() or intent

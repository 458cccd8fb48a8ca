"""What a store keeps or counts beside the logs: summaries, workers, sessions, deleted threads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Literal

from .log.events import Event, make_safe


@dataclass(frozen=True)
class Which:
    """A filter for lists of threads. The default lists all threads."""

    names: tuple[str, ...] | None = None
    """Only threads that one of these names may read: a person, their teams, `anyone`."""
    status: Literal["", "waiting", "running", "stalled", "finished"] = ""
    """`running` threads have a lease, `stalled` ones have none; `finished` includes cancelled."""
    asked: str = ""
    """Only threads with an open wait for this person."""
    text: str = ""
    """Only threads whose first message contains this text, ignoring case."""
    prefix: str = ""
    """Only threads whose id begins with this."""
    stopped: bool | None = None
    """Only threads that stopped for a cause that others may share, or only the rest."""
    before: datetime | None = None
    """Only threads whose status last changed before this time."""


@dataclass(frozen=True)
class Summary:
    """A thread in a list."""

    id: str
    status: str
    agent: str
    """Its name in `app.py`; empty for the default."""
    owner: str
    """Who started it."""
    title: str
    """How it began, on one line."""
    version: int
    created: datetime
    updated: datetime
    """When its status changed last."""
    running: bool
    """Somebody holds its lease."""
    problem: str = ""
    """Why it cannot continue now; "" if it can."""
    next_try: datetime | None = None
    """When it is retried without anybody's action."""
    parent: str = ""
    """The thread that delegated its task to this one."""


@dataclass(frozen=True)
class Waiting:
    """An open wait in a list."""

    thread: Summary
    paused: Event
    """The event that opened it."""


@dataclass(frozen=True)
class Session:
    """A sign-in on the pages."""

    id: str
    """Hash of the secret in the cookie."""
    proof: str
    """HMAC of the API token, keyed with the secret in the cookie."""
    expires_at: datetime


@dataclass(frozen=True)
class Worker:
    """A process that runs threads."""

    id: str
    """`<host>:<process id>`."""
    models: Mapping[str, str]
    """The model of each agent, by the agent's name."""
    counts: list[list[Any]] = field(default_factory=list)
    """Totals since the process started: the name, the values of the labels, the number."""


@dataclass(frozen=True)
class ThreadCount:
    """The number of threads with the same agent and status."""

    agent: str
    """Its name in `app.py`; empty for the default."""
    status: str
    running: bool
    """Their leases are held."""
    number: int
    since: datetime
    """When the status of one of them last changed: the longest ago."""


@dataclass(frozen=True)
class Usage:
    """Model calls of one day (UTC) that agree in everything but their tokens."""

    day: date
    agent: str
    """Its name in `app.py`; empty for the default."""
    owner: str
    """Who started the threads."""
    model: str
    """As the provider called it."""
    price: dict[str, Any] | None
    """The price that was recorded with the calls, if any."""
    calls: int
    tokens: dict[str, int]
    """As in `Reply.tokens`."""


ALL = Which()


def hash_cause(agent: str, problem: str) -> str:
    """Return the id of the cause for which threads of an agent stopped."""
    return sha256(f"{agent}\n{problem}".encode(errors="replace")).hexdigest()[:32]


def hash_delivery(key: str) -> str:
    """Return the hash of a delivery key that is kept after its thread is deleted.

    The same for a key as it arrived and as events have it.
    """
    return sha256(make_safe(key).encode()).hexdigest()[:16]

"""What a store knows beside the logs of threads: lists, sessions, and what was deleted."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from .log.events import Event


@dataclass(frozen=True)
class Which:
    """Which threads are listed: all of them, but for what is said here."""

    names: tuple[str, ...] | None = None
    """Only those that one of these names may read: a person, their teams, `anyone`."""
    status: Literal["", "waiting", "running", "stalled", "finished"] = ""
    """`running`: somebody holds the lease; `stalled`: nobody does; `finished`: or cancelled."""
    asked: str = ""
    """Only those that wait for this person."""
    text: str = ""
    """Only those with it in their first message, in any case."""
    prefix: str = ""
    """Of their ids."""
    before: datetime | None = None
    """Only those whose status changed last before this."""


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
    """Why it cannot go on now."""
    next_try: datetime | None = None
    """When it is tried again."""


@dataclass(frozen=True)
class Waiting:
    """An open wait in a list."""

    thread: Summary
    paused: Event
    """The event that opened it."""


@dataclass(frozen=True)
class Release:
    """Somebody continued the threads that had stopped for one cause."""

    by: str
    at: datetime


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in on the pages."""

    id: str
    """The hash of what the browser keeps."""
    proof: str
    """That of the token which opened it, by what the browser keeps; it shows nothing of either."""
    expires_at: datetime


ALL = Which()


def hash_delivery(key: str) -> str:
    """Return what is kept of the key of a message once its thread is deleted."""
    return sha256(key.encode()).hexdigest()[:16]

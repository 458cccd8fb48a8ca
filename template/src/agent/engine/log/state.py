"""Factor 10: small, focused agents. What a thread comes to, and the word that says what is next.

`plan` maps a state to one of six words, within `Limits`. Nothing here knows a clock, a store or
a model. The fold that makes the state is `thread.reduce`; its values are tuples, which are copied
several times faster than dataclasses.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from .events import CallJson, Event, compute_digest

Word = Literal["deliver", "think", "act", "recover", "escalate", "idle"]

VERDICTS: dict[str, frozenset[str]] = {
    "question": frozenset({"answer"}),
    "approval": frozenset({"approve", "reject", "edit"}),
    "job": frozenset({"done", "failed"}),
    "timer": frozenset({"done"}),
    "limit": frozenset({"continue", "stop"}),
    "in_doubt": frozenset({"happened", "retry", "abort"}),
}
"""What may close a wait of each kind; `expired` closes any, and only `system` says it."""

_MACHINES = ("agent", "system", "cron", "hook")


def is_person(actor: str) -> bool:
    return actor.partition(":")[0] not in _MACHINES


@dataclass(frozen=True)
class Limits:
    """What one request may take since the last word of a person; then one is asked."""

    steps: int = 30
    errors: int = 3
    """In a row."""
    tokens: int = 500_000
    """In and out."""
    context: int = 100_000
    """Tokens of one prompt; a longer one is shortened by a summary of its older half."""
    cost: float = math.inf
    """In the currency of the model in `prices.toml`. Calls without a price do not count."""


class OpenStep(NamedTuple):
    """The call the model chose, until its result is known."""

    seq: int
    call: CallJson
    approved_by: str = ""
    """Who approved it, or said to run it again; empty for nobody."""
    starts: int = 0


@dataclass(frozen=True)
class Standing:
    """An approval for a whole thread: of every call of `intent` with these `values`."""

    seq: int
    """Its id: the event that gave it."""
    intent: str
    values: CallJson
    by: str

    def covers(self, call: CallJson) -> bool:
        same = {name: call.get(name) for name in self.values}
        equal = compute_digest(same) == compute_digest(self.values)  # == takes True for 1
        return call["intent"] == self.intent and equal


class OpenWait(NamedTuple):
    """The one thing the thread waits for; `seq` is its id."""

    seq: int
    kind: str
    text: str
    audience: tuple[str, ...]
    data: dict[str, Any]
    """The whole `paused` event: options, call, digest, expires_at, remind_at."""
    shown: bool = False
    """By a channel that wants to know when the wait is closed."""
    reminder: int = 0
    """The event that reminded people of it; 0 for none."""

    @classmethod
    def of(cls, paused: Event) -> "OpenWait":
        data = paused.data
        audience = tuple(data.get("audience", ()))
        return cls(paused.seq, data["kind"], data.get("text", ""), audience, data)

    @property
    def expires_at(self) -> datetime | None:
        return _read_time(self.data.get("expires_at"))

    @property
    def remind_at(self) -> datetime | None:
        """When people are to be reminded of it; None once they were."""
        return None if self.reminder else _read_time(self.data.get("remind_at"))

    @property
    def due_at(self) -> datetime | None:
        """When something is to be done about it unless somebody answers."""
        return min(filter(None, (self.remind_at, self.expires_at)), default=None)

    def admits(self, actor: str) -> bool:
        return actor in self.audience or "anyone" in self.audience


class State(NamedTuple):
    version: int = 0
    ended: Literal["empty", "finished", "cancelled"] | None = "empty"
    """Why nothing is to be done until the next message; None while something is."""
    agent: str = ""
    """The name of its agent in `app.py`; empty for the default."""
    owner: str = ""
    """Who started the thread."""
    title: str = ""
    """How it began, on one line."""
    parent: str = ""
    """The thread that delegated its task to this one; empty if none did."""
    children: tuple[str, ...] = ()
    """The threads that it delegated to and that have reported no end, oldest first."""
    people: frozenset[str] = frozenset()
    """Who took part, or was asked."""
    reply_to: str = "poll:"
    """Where its people are notified: `channel:address`."""
    step: OpenStep | None = None
    wait: OpenWait | None = None
    closed: tuple[int, int] = (0, 0)
    """The last wait that was closed before anybody was known to see it, and what closed it."""
    outbox: tuple[int, ...] = ()
    """Events that people have not been notified of yet."""
    steps: int = 0
    errors: int = 0
    tokens: int = 0
    cost: float = 0.0
    """Of the steps that recorded a price."""
    settled: tuple[str, ...] = ()
    """Digests of the calls whose outcome is certain, oldest first."""
    standing: tuple[Standing, ...] = ()
    """The approvals that hold for the whole thread, oldest first."""
    away: str = ""
    """The model in whose place another one made the last step."""
    escalated: bool = False
    """Nobody answered about the open step in time, so those of `escalate` are asked."""

    @property
    def child(self) -> str:
        """The thread that the open wait is for; "" for none."""
        return str(self.wait.data.get("child", "")) if self.wait else ""

    @property
    def status(self) -> str:
        """`waiting:<kind>`, `running`, `finished`, `cancelled` or `empty`."""
        return f"waiting:{self.wait.kind}" if self.wait else self.ended or "running"

    def add_step(self, event: Event) -> "State":
        """Open a step; people are notified of the first one in a row that another model made."""
        away = event.data.get("instead_of", "")
        sent = (event.seq,) if away and away != self.away else ()
        step, outbox = OpenStep(event.seq, event.data["call"]), (*self.outbox, *sent)
        return self._replace(step=step, steps=self.steps + 1, away=away, outbox=outbox)

    def close_wait(self, wait: OpenWait, by: Event) -> "State":
        """Let those who were shown a wait know what closed it, or remember it until they were."""
        return self.send(by.seq) if wait.shown else self._replace(closed=(wait.seq, by.seq))

    def send(self, seq: int) -> "State":
        """Add an event to the outbox."""
        return self if seq in self.outbox else self._replace(outbox=(*self.outbox, seq))


def _read_time(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at) if at else None


def plan(state: State, limits: Limits, postponed: frozenset[int] = frozenset()) -> Word:
    """Say what is to be done next; deliveries that are `postponed` hold up nothing."""
    if not postponed.issuperset(state.outbox):
        return "deliver"
    if state.wait or state.ended:
        return "idle"
    if state.step:
        return "recover" if state.step.starts else "act"
    return "escalate" if find_limit(state, limits) else "think"


def find_limit(state: State, limits: Limits) -> str:
    """Return the name of a limit that a request has reached, "" for none."""
    names = ("errors", "steps", "tokens", "cost")
    return next((name for name in names if getattr(state, name) >= getattr(limits, name)), "")

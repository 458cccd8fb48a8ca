"""The ports: all that the loop knows of the world.

An adapter is one module with one class that fits, and a `from_env()`; `build.py` plugs it in.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..context.rendering import Render
from ..context.window import Prompt, Prompts
from ..log.errors import AgentGone, Unavailable
from ..log.events import CallJson, Event
from ..log.state import Limits
from ..log.thread import Thread
from .actions import Action
from .agent import May, Readers

if TYPE_CHECKING:
    from .steps import Step


@dataclass(frozen=True)
class Reply:
    """What a model said."""

    text: str
    tokens: dict[str, int]
    """`input` (cached included), `output`, `cached`; what is unknown is left out."""
    stop: Literal["end", "truncated", "refused"] = "end"
    model: str = ""


class LLM(Protocol):
    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        """Ask for one JSON object that fits `schema`.

        Raises:
            Unavailable: no answer now, after the SDK's own retries.
        """


@dataclass(frozen=True)
class Sent:
    """What a channel did about one event."""

    people: tuple[str, ...] = ()
    """Whom it notified, as the log names them; nobody where people have to look themselves."""
    receipt: dict[str, Any] = field(default_factory=dict)
    """What the channel wants to know again, such as the id of its message."""


class Channel(Protocol):
    async def send(self, thread: Thread, event: Event) -> Sent:
        """Notify people of `paused`, `reminded` or `finished`; may be called twice for the same
        `event.seq`.

        A `reminded` has the data of the `paused` it is about, whose `seq` is its `wait`. A receipt
        is kept with `delivered`. Where it was for a wait, the channel is also sent what closed the
        wait: `resumed`, `message`, ….

        Raises:
            Unavailable: nobody was notified; the delivery is tried again later.
        """


@dataclass(frozen=True)
class Delivery:
    """What came of notifying people of one event."""

    receipt: dict[str, Any] = field(default_factory=dict)
    """What the channels want to know again, by channel."""
    reached: dict[str, list[str]] = field(default_factory=dict)
    """Who was notified, by channel."""
    problem: Unavailable | None = None
    """Why somebody was not reached."""


class Notifier(Protocol):
    async def notify(self, thread: Thread, event: Event) -> Delivery:
        """Notify everybody who should know of an event, each by a channel that reaches them."""


class Directory(Protocol):
    """Who the people are that an agent asks."""

    def find_members(self, name: str) -> tuple[str, ...]:
        """Return the people of a team, or the one person of that name; nobody if it is unknown."""

    def find_teams(self, person: str) -> tuple[str, ...]:
        """Return the teams that somebody is in."""

    def is_admin(self, person: str) -> bool:
        """Say whether somebody may read and do everything."""


@dataclass(frozen=True)
class Claim:
    """A lease on a thread that is due."""

    thread_id: str
    attempts: int
    """Runs in a row that ended in back-off."""
    crashes: int
    """Runs in a row that never came back and left nothing in the log."""


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


@dataclass(frozen=True)
class Waiting:
    """An open wait in a list."""

    thread: Summary
    paused: Event
    """The event that opened it."""


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in on the pages."""

    id: str
    """The hash of what the browser keeps."""
    proof: str
    """That of the token which opened it, by what the browser keeps; it shows nothing of either."""
    expires_at: datetime


ALL = Which()
ListReaders = Callable[[Thread], Awaitable[frozenset[str]]]
"""Returns who may read a thread: people, teams and `anyone`."""


class Store(Protocol):
    """Threads, and leases on them. Every method may raise `Unavailable`."""

    list_readers: ListReaders
    """Asked with each append."""

    async def load(self, thread_id: str) -> Thread:
        """Raises ThreadNotFound."""

    async def grown(self, thread: Thread) -> Thread:
        """Return a thread that was loaded before, once it has grown; wait for it as long as needed.

        It reads only what is new, and waiting costs next to nothing.
        """

    async def append(self, thread: Thread, *events: Event) -> Thread:
        """Append all of `events` after `thread`'s last, or none; creates the thread at need.

        A fact makes the thread due now. `Event.at` is kept where it is set, else the
        store's clock.

        Raises:
            Conflict: the thread has grown since it was loaded, or a key is taken.
        """

    async def threads(self, which: Which = ALL, limit: int = 100) -> list[Summary]:
        """List threads, last changed status first."""

    async def waits(self, which: Which = ALL, limit: int = 100) -> list[Waiting]:
        """List open waits, those of the threads that changed last first."""

    async def ids(self, after: str = "", limit: int = 1000) -> list[str]:
        """Return the ids of threads in the order of the alphabet, from the one after `after`."""

    async def reindex(self, thread: Thread) -> None:
        """Write anew what lists know of a thread, and who may read it."""

    async def open_session(self, session: Session) -> None:
        """Keep a session; those that are over are removed."""

    async def find_session(self, session_id: str) -> Session | None:
        """Return a session that is open."""

    async def close_session(self, session_id: str) -> None:
        """Remove a session, if there is one."""

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        """Lease the thread that is due longest, or `thread_id`, due or not. None: not to be had."""

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        """Extend every lease of `holders`, who may be thousands, at once."""

    async def release(
        self, holder: str, thread: Thread, wake_at: datetime | None, attempts: int
    ) -> None:
        """End the lease; `wake_at` and `attempts` are set only if the thread has not grown."""

    async def now(self) -> datetime:
        """The one clock of leases and expiry; aware, UTC."""


class Runner(Protocol):
    elsewhere: bool
    """Workers of their own run the threads: whoever serves only appends and wakes."""

    def wake(self, thread_id: str) -> None:
        """Hint that a thread is due; may be lost or doubled without harm."""

    async def finish(self, thread_id: str) -> Thread:
        """Return when the thread has nothing to do but wait, running it here if nobody does."""

    async def work(self, concurrency: int = 16) -> None:
        """Run due threads, so many at once, until cancelled; then let running steps end."""


class Steps(Protocol):
    """What the model may say next: the schema it gets, and how its answer is read."""

    schema: dict[str, Any]

    def read(self, text: str) -> CallJson:
        """Return the one call in a reply. Raises InvalidStep."""

    def validate(self, call: CallJson) -> "Step":
        """Return the typed step of a call that was read before. Raises InvalidStep."""

    def write(self, step: "Step") -> CallJson:
        """Return the call of a typed step, by alias."""


@dataclass(frozen=True)
class BoundAgent:
    """An agent as the loop runs it: what its owner declared, bound to a model."""

    name: str
    """The one it has in `app.py`."""
    model: str
    """As in `MODEL`; empty where it will not be asked."""
    llm: LLM
    steps: Steps
    summaries: Steps
    """Its one step is `steps.Summarize`."""
    decide: Callable[[Any, Thread], Action]
    prompts: Prompts
    prefetch: Callable[[Thread], Any] | None = None
    render: Render | None = None
    limits: Limits = field(default_factory=Limits)
    responsible: tuple[str, ...] = ("anyone",)
    readers: Readers | None = None
    may: May | None = None


@dataclass(frozen=True)
class Ports:
    """Everything the loop needs: the world, and the agents that it runs."""

    store: Store
    notifier: Notifier
    agents: Mapping[str, BoundAgent]
    """By name; the first is the default."""
    directory: Directory

    @property
    def default(self) -> BoundAgent:
        return next(iter(self.agents.values()))

    def get_agent(self, thread: Thread) -> BoundAgent:
        """Return the agent of a thread. Raises AgentGone."""
        return self.get_agent_named(thread.state.agent)

    def find_agent(self, thread: Thread) -> BoundAgent | None:
        """Return the agent of a thread, None where it is gone."""
        return self.agents.get(thread.state.agent or self.default.name)

    def get_agent_named(self, name: str) -> BoundAgent:
        """Return an agent by its name, the default for an empty one. Raises AgentGone."""
        if name and name not in self.agents:
            raise AgentGone(f"there is no agent {name!r} in app.py: {', '.join(self.agents)}")
        return self.agents[name] if name else self.default

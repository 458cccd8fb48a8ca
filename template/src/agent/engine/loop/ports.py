"""The ports: all that the loop knows of the world.

An adapter is one module with one class that fits, and a `from_env()`; `build.py` plugs it in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..context.rendering import Render
from ..context.window import Prompt, Prompts
from ..log.errors import AgentGone, Unavailable
from ..log.events import CallJson, Event
from ..log.state import Limits
from ..log.thread import Thread
from .actions import Action, Delegate, Plain
from .agent import May, Readers
from .store import Store

if TYPE_CHECKING:
    from .steps import Step


@dataclass(frozen=True)
class Reply:
    """What a model said."""

    text: str
    tokens: dict[str, int]
    """`input` (with what was read from and written to a cache), `output`, and of the input `cached`
    and `cache_write`; what is unknown is left out."""
    stop: Literal["end", "truncated", "refused"] = "end"
    model: str = ""
    format: str = ""
    """How it was asked for and why, if not in the strongest way."""
    instead_of: str = ""
    """The model that is away, if another one answered; `price` is then that of the other."""
    price: dict[str, Any] | None = None


class LLM(Protocol):
    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        """Ask for one JSON object that fits `schema`.

        Raises:
            ModelUnavailable: no answer now.
            PromptTooLong: the prompt has to be shortened.
            ModelRefused: asking again does not help.
        """


@dataclass(frozen=True)
class Sent:
    """What a channel did about one event."""

    people: tuple[str, ...] = ()
    """Whom it notified, as the log names them; nobody where people have to look themselves."""
    receipt: dict[str, Any] = field(default_factory=dict)
    """What the channel wants to know again, such as the id of its message."""


class Channel(Protocol):
    """Notifies people. With a method `connect(ports)` it is given the ports before it sends."""

    async def send(self, thread: Thread, event: Event) -> Sent:
        """Notify people of `paused`, `reminded`, `finished` or `notice`; may be called twice for
        the same `event.seq`.

        A `notice` is in no log: it has a `text`, and an `audience` that need not answer. A
        `reminded` has the data of the `paused` it is about, whose `seq` is its `wait`. A receipt
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
    bind_shape: Callable[[Any], Steps]
    """Returns the steps of one shape, for `Call.ask_model`."""
    decide: Callable[[Any, Thread], Action]
    prompts: Prompts
    prefetch: Callable[[Thread], Any] | None = None
    variables: Callable[[Thread], Any] | None = None
    render: Render | None = None
    limits: Limits = field(default_factory=Limits)
    responsible: tuple[str, ...] = ("anyone",)
    readers: Readers | None = None
    may: May | None = None
    price: dict[str, Any] | None = None
    """Of its model in `prices.toml`; None if it has none."""
    choose: Callable[[Thread], Mapping[str, Any]] | None = None
    """Returns `model`, `llm` and `price` for a thread, if the owner chooses them."""

    def choose_action(self, step: Any, thread: Thread) -> Plain:
        """Ask `decide`; a task for another agent is returned as a call that the engine runs."""
        action = self.decide(step, thread)
        return action.as_run() if isinstance(action, Delegate) else action

    def for_thread(self, thread: Thread) -> "BoundAgent":
        """Return the agent with the model of a thread."""
        return replace(self, **self.choose(thread)) if self.choose else self

    def charge(self, reply: Reply) -> dict[str, Any]:
        """Return what an event records of the cost of a reply."""
        price = reply.price if reply.instead_of else self.price
        more = {"format": reply.format, "instead_of": reply.instead_of, "price": price}
        paid = {"tokens": reply.tokens, "model": reply.model}
        return paid | {name: each for name, each in more.items() if each}


CHARGE = ("tokens", "model", "price")
"""Fields of an event that `BoundAgent.charge` returns."""


@dataclass(frozen=True)
class Ports:
    """Everything the loop needs: the world, and the agents that it runs."""

    store: Store
    notifier: Notifier
    agents: Mapping[str, BoundAgent]
    """By name; the first is the default."""
    directory: Directory
    redact: Callable[[str], str] = str
    """Removes from a text what must not be stored. The store applies it to events itself."""

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

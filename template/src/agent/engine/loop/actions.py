"""What `decide` may answer: `Run` a tool, `Delegate` to another agent, `Ask` a person, `Wait` for
something, or `Finish`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, TypeVar

from ..log.thread import Thread

if TYPE_CHECKING:
    from .steps import Step

Shape = TypeVar("Shape", bound="Step")

Effect = Literal["read", "idempotent", "once"]
"""What running a tool a second time would do: nothing, nothing with the same key, or harm."""


class AskModel(Protocol):
    async def __call__(self, prompt: str, shape: type[Shape], **values: Any) -> Shape:
        """Ask the model of the agent, and return its answer as a `Step` of class `shape`.

        `prompt` is a file of the agent's prompts, such as `classify.md`, or the text itself. Each
        of `values` is a block below it. An answer is recorded with its tokens, which count to the
        limits, and a tool that is run again gets the recorded one.

        Raises:
            ModelUnavailable: no answer now.
            ModelRefused: asking again does not help.
            InvalidStep: no answer had the shape.
        """


class _NoModel:
    async def __call__(self, prompt: str, shape: type[Shape], **values: Any) -> Shape:
        raise NotImplementedError("this call has no model: Call(…, ask_model=…) gives it one")


@dataclass(frozen=True)
class Call:
    """One call of a tool, as the tool is given it beside its step."""

    key: str
    """Names this one effect, 64 characters: hand it to the other side as its idempotency key. It is
    the same when the call is run again, or proposed again after an unclear outcome."""
    approved_by: str
    """Who approved the call, or said to run it again; empty where nobody was asked."""
    thread: Thread
    """What happened so far."""
    ask_model: AskModel = field(default=_NoModel(), compare=False)
    """`await call.ask_model(prompt, Shape)`, in an async tool: a decision inside plain code."""


Tool = Callable[[Any, Call], Any | Awaitable[Any]]
"""`tool(step, call)`, sync (run in a thread) or async. Its result becomes JSON, or is a `Wait`.

Raise `ToolError` only where nothing was changed; after anything else the outcome is unknown."""


class _Asks:
    """An action that may ask people, and others when they do not answer."""

    expires_s: float | None
    escalate: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.escalate and self.expires_s is None:
            raise ValueError("escalate needs expires_s, the time after which they are asked")


@dataclass(frozen=True)
class Run(_Asks):
    """Run a tool, once somebody approved the call where `approvers` are named."""

    tool: Tool
    effect: Effect = "once"
    approvers: tuple[str, ...] = ()
    """Who may approve this call: people and teams of people.toml, `owner` (who started the thread)
    or `anyone`."""
    title: str = ""
    """What the call does, on one line, such as "Refund 20 EUR to Ana"; the intent in words if
    empty."""
    standing: tuple[str, ...] = ()
    """Arguments, such as `("environment",)`: whoever approves may do so for the whole thread, and a
    later call of this intent with the same values of them then needs no approval of its own."""
    timeout_s: float = 60.0
    expires_s: float | None = None
    """How long the approval may take; then `escalate` is asked, or the call is rejected."""
    remind_s: float | None = None
    """After how long without an answer people are notified once more."""
    escalate: tuple[str, ...] = ()
    """Who may approve the call once the time is over."""


@dataclass(frozen=True)
class Task:
    """What stands in the place of a tool in a `Run` that a `Delegate` was made into."""

    agent: str
    text: str
    timeout_s: float | None = None

    def __call__(self, step: Any, call: Call) -> NoReturn:
        raise TypeError("the engine starts the agent; nothing else can")


@dataclass(frozen=True)
class Delegate(_Asks):
    """Factor 10: give a task to another agent of `app.py`, and go on with its result.

    The other agent works in a thread of its own, a child of this one, which has the same owner and
    asks its people where this one does. However often the call is run, there is one child.
    """

    agent: str
    """Its name in `app.py`."""
    task: str
    """The first message of the child: all it knows of this thread."""
    approvers: tuple[str, ...] = ()
    """Who may approve this call; see `Run`."""
    title: str = ""
    """What the call does, on one line; the intent in words if empty."""
    timeout_s: float | None = None
    """How long the result may take. Then this agent goes on without it; the child is not stopped,
    and its result is recorded when it comes."""
    expires_s: float | None = None
    """How long the approval may take; then `escalate` is asked, or the call is rejected."""
    remind_s: float | None = None
    """After how long without an approval people are notified once more."""
    escalate: tuple[str, ...] = ()
    """Who may approve the call once the time is over."""

    def as_run(self) -> Run:
        """Return it as a call that the engine runs."""
        return Run(
            Task(self.agent, self.task, self.timeout_s),
            effect="idempotent",
            approvers=self.approvers,
            title=self.title,
            expires_s=self.expires_s,
            remind_s=self.remind_s,
            escalate=self.escalate,
        )


@dataclass(frozen=True)
class Ask(_Asks):
    """Ask a person a question, and go on with the answer."""

    question: str
    urgency: Literal["low", "medium", "high"] = "medium"
    format: Literal["free_text", "yes_no", "multiple_choice"] = "free_text"
    choices: tuple[str, ...] = ()
    """Of `multiple_choice`."""
    audience: tuple[str, ...] = ("anyone",)
    """Who may answer: people and teams of people.toml, `owner` (who started the thread) or
    `anyone`."""
    expires_s: float | None = None
    """How long the answer may take; then `escalate` is asked, or the agent goes on without one."""
    remind_s: float | None = None
    """After how long without an answer people are notified once more."""
    escalate: tuple[str, ...] = ()
    """Who may answer once the time is over."""


@dataclass(frozen=True)
class Wait:
    """Pause until a time (`timer`) or until somebody reports (`job`).

    A tool may return one, too: what is reported under its key is then its result.
    """

    text: str
    seconds: float | None = None
    kind: Literal["timer", "job"] = "timer"
    audience: tuple[str, ...] = ("anyone",)


@dataclass(frozen=True)
class Finish:
    """End the request with a last word to whoever started it."""

    message: str


Plain = Run | Ask | Wait | Finish
"""What the engine acts on: a `Delegate` becomes a `Run`."""
Action = Plain | Delegate

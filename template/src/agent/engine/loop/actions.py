"""What `decide` may answer: `Run` a tool, `Ask` a person, `Wait` for something, or `Finish`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..log.thread import Thread

Effect = Literal["read", "idempotent", "once"]
"""What running a tool a second time would do: nothing, nothing with the same key, or harm."""


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


Action = Run | Ask | Wait | Finish

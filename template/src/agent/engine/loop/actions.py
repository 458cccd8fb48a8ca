"""What the model may say and what `decide` may answer.

A `Step` is the model's word: the shape of one tool call. An action is the owner's order:
`Run` a tool, `Ask` a person, `Wait` for something, or `Finish`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Effect = Literal["read", "idempotent", "once"]
"""What running a tool a second time would do: nothing, nothing with the same key, or harm."""

Tool = Callable[[Any, str], Any | Awaitable[Any]]
"""`tool(step, key)`, sync (run in a thread) or async. `key` names this one effect: hand it to
the other side as its idempotency key. The result becomes JSON, or is a `Wait` for it."""


class Step(BaseModel):
    """Base of every shape the model may answer with.

    Give each an `intent: Literal["its_name"]`; its docstring is read by the model.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    intent: str


@dataclass(frozen=True)
class Options:
    """How a question is put to a person."""

    urgency: Literal["low", "medium", "high"] = "medium"
    format: Literal["free_text", "yes_no", "multiple_choice"] = "free_text"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    tool: Tool
    effect: Effect = "once"
    approvers: tuple[str, ...] = ()
    """Who may allow this call: names, `owner` (who started the thread) or `anyone`."""
    timeout_s: float = 60.0
    expires_s: float | None = None
    """How long the approval may take; then the call is rejected."""


@dataclass(frozen=True)
class Ask:
    question: str
    options: Options = field(default_factory=Options)
    audience: tuple[str, ...] = ("anyone",)
    expires_s: float | None = None


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
    message: str


Action = Run | Ask | Wait | Finish

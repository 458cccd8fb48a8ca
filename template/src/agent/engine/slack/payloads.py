"""What Slack sends, as far as the agent reads it; the rest of a payload is ignored.

https://docs.slack.dev/reference/events/message and
https://docs.slack.dev/reference/interaction-payloads describe it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..log.events import make_safe

T = TypeVar("T")


class Malformed(ValueError):
    """A payload is not what Slack describes; it would be the same if it were sent again."""


@dataclass(frozen=True)
class Typed:
    type: str


@dataclass(frozen=True)
class Acted:
    action_id: str


@dataclass(frozen=True)
class Called:
    callback_id: str


@dataclass(frozen=True)
class Envelope:
    """What Bolt chooses our code by; it would fail where something is missing."""

    type: str | None = None
    event: Typed = Typed("")
    view: Called | None = None
    actions: list[Acted] = field(default_factory=list)


@dataclass(frozen=True)
class Sender:
    """Whose event it is."""

    team_id: str | None = None


@dataclass(frozen=True)
class File:
    name: str | None = None


@dataclass(frozen=True)
class Message:
    """An event about a message."""

    type: str
    subtype: str | None = None
    channel: str | None = None
    channel_type: str | None = None
    ts: str | None = None
    thread_ts: str | None = None
    user: str | None = None
    bot_id: str | None = None
    team: str | None = None
    user_team: str | None = None
    source_team: str | None = None
    text: str | None = None
    edited: Any = None
    files: list[File] | None = None


@dataclass(frozen=True)
class Named:
    id: str


@dataclass(frozen=True)
class Member:
    id: str
    team_id: str | None = None


@dataclass(frozen=True)
class Interaction:
    """What somebody did: pressed a button, chose from a list, or submitted a form."""

    user: Member
    team: Named | None = None
    trigger_id: str = ""


@dataclass(frozen=True)
class Posted:
    ts: str
    thread_ts: str | None = None


@dataclass(frozen=True)
class Pressed:
    """Where a button or a list is."""

    channel: Named
    message: Posted


@dataclass(frozen=True)
class Option:
    value: str


@dataclass(frozen=True)
class Action:
    value: str | None = None
    selected_option: Option | None = None


@dataclass(frozen=True)
class Input:
    value: str | None = None


@dataclass(frozen=True)
class Filled:
    values: dict[str, dict[str, Input]]


@dataclass(frozen=True)
class View:
    """A form that somebody submitted."""

    private_metadata: str
    state: Filled

    @property
    def values(self) -> dict[str, str]:
        """What was typed into each field."""
        fields = self.state.values.items()
        return {name: next((each.value or "" for each in one.values()), "") for name, one in fields}


def read(shape: Callable[..., T], given: Any) -> T:
    """Return a payload, made safe, as `shape`. Raises Malformed."""
    try:
        found: T = _adapt(shape).validate_python(make_safe(given))
        return found
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise Malformed(f"{where}: {error.errors()[0]['msg']}") from None


def read_carried(text: str) -> dict[str, Any]:
    """Return what a button or a form carries as JSON. Raises Malformed."""
    try:
        carried = json.loads(text)
    except (ValueError, RecursionError):
        carried = None
    if not isinstance(carried, dict):
        raise Malformed("it does not carry what a button or a form of ours does")
    return carried


@cache
def _adapt(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)

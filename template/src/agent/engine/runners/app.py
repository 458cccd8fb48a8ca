"""Factor 11: trigger from anywhere, meet users where they are. One module a way in.

A trigger authenticates somebody, hands one call to `api`, wakes the runner and answers. It
never runs the loop.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..loop.ports import Ports, Runner


@dataclass(frozen=True)
class App:
    """What every trigger is given."""

    ports: Ports
    runner: Runner
    triggers: "Sequence[Trigger]" = ()
    """The ways in that `agent serve` opens beside its own."""


@dataclass(frozen=True)
class Served:
    """What a trigger has `agent serve` do."""

    router: object = None
    """Its routes, a FastAPI `APIRouter`; it authenticates whoever calls them. The type is not named
    because an agent without the part `http` has no FastAPI."""
    work: "Work | None" = None
    """Runs beside the server and is cancelled with it; if it raises, the server stops."""
    bodies: Mapping[str, int] = field(default_factory=dict)
    """Paths that take longer bodies than the others, and how many bytes."""
    thread_page: "Callable[[str], str] | None" = None
    """The address of a thread's page, if the trigger has such pages; `/` is then their list."""


Work = Callable[[], Coroutine[Any, Any, None]]
Trigger = Callable[[App], Served | None]
"""A way in; None where nothing of it is set up. Raises Misconfigured where half of it is."""

ModelOf = Callable[[str], str]
"""The `MODEL` of an agent, by its name; "" where it will not be asked."""


def no_model(_: str) -> str:
    """Name no model, for a command that never asks one."""
    return ""


Build = Callable[[ModelOf], App]
"""Plug an `App` together."""

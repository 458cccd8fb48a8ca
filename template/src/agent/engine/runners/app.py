"""Factor 11: trigger from anywhere, meet users where they are. What every trigger is given.

A trigger authenticates somebody, makes one call of `api`, wakes the runner and answers. It never
runs the loop.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..loop.ports import Ports, Runner
from ..prices import Prices


@dataclass(frozen=True)
class App:
    """What every trigger is given."""

    ports: Ports
    runner: Runner
    triggers: "Sequence[Trigger]" = ()
    """What `agent serve` runs in addition to the API."""
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True)
class Served:
    """What `agent serve` runs for a trigger."""

    router: object = None
    """Its routes, a FastAPI `APIRouter`; the trigger authenticates whoever calls them. The type is
    not named because an agent without the part `http` has no FastAPI."""
    work: "Work | None" = None
    """Runs beside the server and is cancelled with it; if it raises, the server stops."""
    bodies: Mapping[str, int] = field(default_factory=dict)
    """Paths that accept longer bodies than the others, and how many bytes."""
    thread_page: "Callable[[str], str] | None" = None
    """The address of a thread's page, if the trigger has such pages; `/` is then their list."""


Work = Callable[[], Coroutine[Any, Any, None]]
Trigger = Callable[[App], Served | None]
"""Returns None if it is not set up. Raises Misconfigured if it is set up only in part."""

ModelOf = Callable[[str], str]
"""The `MODEL` of an agent, by its name; "" if it will not be asked."""


def no_model(_: str) -> str:
    """Name no model, for a command that never asks one."""
    return ""


Build = Callable[[ModelOf], App]
"""Builds an `App`."""

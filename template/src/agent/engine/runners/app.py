"""Factor 11: trigger from anywhere, meet users where they are. What every trigger is given.

A trigger authenticates somebody, makes one call of `api`, wakes the runner and answers. It never
runs the loop.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..loop.ports import Ports, Runner

if TYPE_CHECKING:
    from fastapi import APIRouter  # importing it would slow down every command


@dataclass(frozen=True)
class App:
    """What every trigger is given."""

    ports: Ports
    runner: Runner
    triggers: "Sequence[Trigger]" = ()
    """What `agent serve` runs in addition to the API."""


@dataclass(frozen=True)
class Served:
    """What `agent serve` runs for a trigger."""

    router: "APIRouter | None" = None
    """Its routes; the trigger authenticates whoever calls them."""
    work: "Work | None" = None
    """Runs beside the server and is cancelled with it; if it raises, the server stops."""
    bodies: Mapping[str, int] = field(default_factory=dict)
    """Paths that accept longer bodies than the others, and how many bytes."""


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

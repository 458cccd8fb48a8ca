"""Factor 11: trigger from anywhere, meet users where they are. One module a way in.

A trigger authenticates somebody, hands one call to `api`, wakes the runner and answers. It
never runs the loop.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..ports import Agent, Runner


@dataclass(frozen=True)
class App:
    """What every trigger is given."""

    agent: Agent
    runner: Runner


Build = Callable[[str], App]
"""Plug an `App` together for a `MODEL`; "" where no model will be called."""

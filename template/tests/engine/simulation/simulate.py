"""Lives through the world of a seed, and tells its story if a promise was broken.

`python -m tests.engine.simulation.simulate SEED` prints the logs of one.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

from agent.engine.loop import outcome
from agent.engine.runners import local

from .checker import Checker
from .ports import run_in_thread
from .virtual import run_virtually
from .world import World


class _Errors(logging.Handler):
    """Takes what a runner logs as an error for a broken promise: nothing here is one."""

    def __init__(self, checker: Checker) -> None:
        super().__init__(logging.ERROR)
        self._checker = checker

    def emit(self, record: logging.LogRecord) -> None:
        self._checker.fail(self.format(record))


@contextmanager
def _seeded(world: World) -> Iterator[None]:
    """Draw every random id from the seed, and take the runners' errors as problems."""
    handler, runners = _Errors(world.checker), logging.getLogger(local.__name__)
    runners.addHandler(handler)
    try:
        with (
            patch.object(os, "urandom", Random(world.seed).randbytes),
            patch.object(outcome, "run_in_thread", run_in_thread),
        ):
            yield
    finally:
        runners.removeHandler(handler)


def simulate(seed: int) -> str:
    """Live through the world of a seed, and return its log. Fails if a promise is broken."""
    world = World(seed)
    with _seeded(world):
        try:
            log = run_virtually(world.live())
        except RuntimeError as error:
            world.checker.problems.append(str(error))
    if world.checker.problems:
        story = "\n".join(world.checker.story[-80:])
        how = f"SIMULATION_SEEDS={seed} uv run pytest tests/engine/simulation"
        raise AssertionError(f"{world.checker.problems[0]}\n\n{story}\n\nTo replay it: {how}")
    return log


if __name__ == "__main__":
    sys.stdout.write(simulate(int(sys.argv[1])))

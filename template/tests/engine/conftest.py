"""Fixtures for every test: a clock that moves when told, a world, a store."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from .domain import Asleep, Says, World, build_ports


class Clock:
    """The store's clock, in seconds since 1970; it moves only when told."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self._set_by = 0.0

    def __call__(self) -> float:
        return self.time

    def tick(self, seconds: float) -> None:
        self.time += seconds

    def jump(self, seconds: float) -> None:
        """Set the clock, as a person or a time server does: no time passes."""
        self.time += seconds
        self._set_by += seconds

    def uptime(self) -> float:
        """Return a time that no jump changes."""
        return self.time - self._set_by


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Undo what a command sets up for the process that it usually is."""
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    handlers, filters = [*root.handlers], [*access.filters]
    levels = {name: logging.getLogger(name).level for name in (None, "agent", "uvicorn")}
    yield
    root.handlers[:], access.filters[:] = handlers, filters
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock, clock.uptime)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world.db")


@pytest.fixture
def runner() -> Asleep:
    return Asleep()


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    return build_ports(store, Says(), world)

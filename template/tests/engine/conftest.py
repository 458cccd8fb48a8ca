"""Fixtures for every test: a clock that moves when told, a world, a store.

The agent is imported where it is used: a run that leaves these tests out loads this module too.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agent.engine.loop.ports import Ports
    from agent.engine.stores.memory import MemoryStore

    from .domain import Asleep, World

SETTINGS = Path(__file__).parents[2] / "pytest-agent.toml"
"""The settings of these tests in a project that has tests of its own."""


def has_other_settings(config: pytest.Config) -> bool:
    return SETTINGS.exists() and (config.inipath is None or config.inipath.name != SETTINGS.name)


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the folder out of such a project's own run."""
    return True if has_other_settings(config) else None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say how it is run there, if somebody named the folder."""
    command = f"pytest -c {SETTINGS.name}"
    return f"the agent's tests need: {command}" if has_other_settings(config) else None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the agent does."""
    return "asyncio"


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
def store(clock: Clock) -> "MemoryStore":
    from agent.engine.stores.memory import MemoryStore

    return MemoryStore(clock, clock.uptime)


@pytest.fixture
def world(tmp_path: Path) -> "World":
    from .domain import World

    return World(tmp_path / "world.db")


@pytest.fixture
def runner() -> "Asleep":
    from .domain import Asleep

    return Asleep()


@pytest.fixture
def ports(store: "MemoryStore", world: "World") -> "Ports":
    from .domain import Says, build_ports

    return build_ports(store, Says(), world)

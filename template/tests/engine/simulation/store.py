"""A store that is slow, fails, or loses its answer: the memory store behind a network."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from agent.engine.log.errors import Unavailable
from agent.engine.loop.store import ListReaders, Store
from agent.engine.stores.memory import MemoryStore

from .process import Process

See = Callable[[str, tuple[Any, ...], Any], None]
"""Called with a method, its arguments and its result before anybody else can act."""


class SimulatedStore:
    """One process's connection to a store that it shares with others."""

    def __init__(
        self,
        shared: MemoryStore,
        process: Process,
        see: See = lambda *_: None,
        is_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._shared = shared
        self._process = process
        self._see = see
        self._is_away = is_away

    @property
    def list_readers(self) -> ListReaders:
        return self._shared.list_readers

    @list_readers.setter
    def list_readers(self, list_readers: ListReaders) -> None:
        self._shared.list_readers = list_readers

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._shared, name)

        @wraps(method)
        async def call(*args: Any, **named: Any) -> Any:
            process = self._process
            await process.pause(f"to {name}")
            if self._is_away():
                raise Unavailable("the store is away")
            process.may_fail("unavailable", name)
            result = await method(*args, **named)
            self._see(name, args, result)
            await process.pause(f"after {name}")
            process.may_fail("lost", name)
            return result

        return call


def connect(shared: MemoryStore, process: Process, *watching: Any) -> Store:
    """Return a process's connection; every method of a store is there by name."""
    return cast(Store, SimulatedStore(shared, process, *watching))

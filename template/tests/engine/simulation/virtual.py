"""An event loop whose time passes only when every task waits for it.

It does no input or output. Tasks run in the order in which they became ready, and a set of tasks
has the same order in every process, so a program that draws nothing at random always does the same.
"""

import asyncio
from collections.abc import Coroutine
from itertools import count
from selectors import SelectorKey, SelectSelector
from typing import Any, TypeVar

T = TypeVar("T")

MOST_ROUNDS = 20_000
"""Rounds of the loop in which no time passes."""


class _Timer(SelectSelector):
    """Waits by moving the time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits, and nothing will wake one")
        self._rounds = 0 if timeout > 0 or self._rounds > MOST_ROUNDS else self._rounds + 1
        if self._rounds > MOST_ROUNDS:
            raise RuntimeError("tasks keep each other busy, and time stands still")
        self.now += max(0.0, timeout)
        return []


class _Task(asyncio.Task[Any]):
    """Hashed by its number: an address differs from process to process."""

    def __init__(self, number: int, work: Any, **options: Any) -> None:
        self._number = number
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._timer, numbers = _Timer(), count()
        super().__init__(self._timer)

        def make_task(loop: Any, work: Any, **options: Any) -> _Task:
            return _Task(next(numbers), work, loop=loop, **options)

        self.set_task_factory(make_task)

    def time(self) -> float:
        return self._timer.now


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; sleeping takes no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)

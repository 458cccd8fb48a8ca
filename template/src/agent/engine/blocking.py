"""Runs blocking functions in a pool of daemon threads.

Threads are reused. A function that hangs keeps its thread, but not its place in the pool, and does
not keep the process alive.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary

MOST = 64
"""Functions of one event loop that run at once, without those that timed out."""

Settle = Callable[[], object]
_Jobs = SimpleQueue[Callable[[], Settle]]

_idle: list[_Jobs] = []
"""The job queues of the idle threads."""
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def get_slots() -> asyncio.Semaphore:
    """Return the semaphore to hold while a function runs, until it ends or times out."""
    return _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST))


async def run_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Call `function` in a thread, and return its result or raise its error as an `Exception`.

    If the caller is cancelled, the function runs on in its thread, and its result is ignored.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: Exception | None) -> None:
        if not future.done():
            future.set_exception(error) if error else future.set_result(result)

    def run() -> Settle:
        result, error = None, None
        try:
            result = context.run(function, *args)
        except BaseException as raised:
            error = _make_safe(raised)
        return partial(loop.call_soon_threadsafe, settle, result, error)

    _take_idle().put(run)
    return await future


def _take_idle() -> _Jobs:
    with suppress(IndexError):
        return _idle.pop()
    jobs = _Jobs()
    threading.Thread(target=_serve, args=(jobs,), name="tool", daemon=True).start()
    return jobs


def _serve(jobs: _Jobs) -> None:
    while True:
        settle = jobs.get()()
        _idle.append(jobs)  # before settling, so that the next call can reuse this thread
        with suppress(RuntimeError):  # the event loop is closed
            settle()


def _make_safe(raised: BaseException) -> Exception:
    """Return `raised`, or a RuntimeError in its place if raising it would stop the event loop."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    return RuntimeError(describe(raised))


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"

"""Threads for the owner's functions that block, kept for the next call; one that hangs is replaced.

They never keep the process from ending.
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
"""Functions of one event loop that run at once, besides those that were given up."""

Settle = Callable[[], object]
_Jobs = SimpleQueue[Callable[[], Settle]]

_idle: list[_Jobs] = []
"""Of each thread that has nothing to do, where it takes its next job from."""
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def get_slots() -> asyncio.Semaphore:
    """Return what to hold while a function runs, until it ends or is given up."""
    return _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST))


async def run_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Return what `function` returns, or raise what it raises, as an `Exception`.

    If this is cancelled, the function goes on in its thread, and what comes of it is ignored.
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
        _idle.append(jobs)  # first, so that whoever learns the result finds this thread idle
        with suppress(RuntimeError):  # the event loop was closed
            settle()


def _make_safe(raised: BaseException) -> Exception:
    """Return `raised`, or an error that says the same where it would end more than the call."""
    if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
        return raised
    return RuntimeError(describe(raised))


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"

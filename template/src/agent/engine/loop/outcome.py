"""Calling the owner's code: whatever it does, there is an outcome, and a time by which."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ..blocking import describe, get_slots, run_in_thread
from ..log.errors import ToolError
from .actions import Wait


@dataclass(frozen=True)
class Outcome:
    output: Any = None
    """JSON, or a `Wait` for it."""
    error: str | None = None
    definite: bool = True
    """False where an error leaves open whether the world was changed."""


async def attempt(function: Callable[..., Any], *args: Any, timeout_s: float) -> Outcome:
    """Call owner's code, sync in a thread or async, and return whatever comes of it.

    A sync function cannot be stopped: after its time its result is ignored. Its time begins when a
    thread is free.
    """
    slot = nullcontext() if inspect.iscoroutinefunction(function) else get_slots()
    try:
        async with slot, asyncio.timeout(timeout_s) as limit:
            output = await call(function, *args)
        return Outcome(_to_json(output))
    except ToolError as error:
        return Outcome(error=str(error) or "ToolError")
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
        late = isinstance(error, TimeoutError) and limit.expired()
        why = f"no answer within {timeout_s:g} s" if late else describe(error)
        return Outcome(error=why, definite=False)


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call owner's code, sync in a thread or async, and return its result or raise its error."""
    is_async = inspect.iscoroutinefunction(function)
    output = await (function(*args) if is_async else run_in_thread(function, *args))
    return await output if inspect.isawaitable(output) else output


def _is_cancelled() -> bool:
    """Say whether this task was cancelled, as opposed to something that the function awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _to_json(output: Any) -> Any:
    if isinstance(output, Wait):
        return output
    from pydantic_core import to_jsonable_python  # it would slow down every other command

    try:
        return to_jsonable_python(output, serialize_unknown=True)
    except ValueError:  # it ran, so whatever it returned is its output
        return repr(output)

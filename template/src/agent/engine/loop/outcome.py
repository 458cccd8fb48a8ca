"""Calling the owner's code: whatever it does, there is an outcome, and a time by which."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

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

    A sync function cannot be stopped: after its time its result is ignored.
    """
    try:
        async with asyncio.timeout(timeout_s) as limit:
            if inspect.iscoroutinefunction(function):
                output = await function(*args)
            else:
                output = await _run_in_thread(function, args)
                output = await output if inspect.isawaitable(output) else output
        return Outcome(_to_json(output))
    except ToolError as error:
        return Outcome(error=str(error) or "ToolError")
    except Exception as error:
        late = isinstance(error, TimeoutError) and limit.expired()
        why = f"no answer within {timeout_s:g} s" if late else f"{type(error).__name__}: {error}"
        return Outcome(error=why, definite=False)


def _run_in_thread(function: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
    """Like `asyncio.to_thread`, but a tool without end does not keep the process from ending."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            future.set_result(function(*args))
        except StopIteration:  # no future can carry one
            future.set_exception(RuntimeError("StopIteration"))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()
    return asyncio.wrap_future(future)


def _to_json(output: Any) -> Any:
    if isinstance(output, Wait):
        return output
    from pydantic_core import to_jsonable_python  # it would slow down every other command

    try:
        return to_jsonable_python(output, serialize_unknown=True)
    except ValueError:  # it ran, so whatever it returned is its output
        return repr(output)

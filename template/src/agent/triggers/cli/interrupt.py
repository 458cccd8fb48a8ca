"""Ctrl-C: the first one leaves in order, the second at once. Nothing is lost by either."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import typer

T = TypeVar("T")

INTERRUPTED = 130


def run_interruptible(work: Coroutine[Any, Any, T], leaving: Callable[[], None]) -> T:
    """Run `work`; Ctrl-C calls `leaving`, lets it clean up and ends with exit code 130."""

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task, "asyncio.run runs a task"

        def leave() -> None:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
            leaving()
            task.cancel()

        with suppress(NotImplementedError):  # Windows: the first one leaves at once
            loop.add_signal_handler(signal.SIGINT, leave)
        return await work

    try:
        return asyncio.run(main())
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise typer.Exit(INTERRUPTED) from None

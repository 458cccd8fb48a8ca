"""`agent worker`: run whatever is due, and nothing else."""

import asyncio
import logging
import signal
import sys
from contextlib import suppress

import typer

from ...ports import Runner
from .. import Build
from .run import Model, model_or_setting
from .screen import Screen
from .words import clean


def worker(ctx: typer.Context, model: Model = "") -> None:
    """Run whatever is due, until stopped.

    SIGTERM and Ctrl-C let the steps at hand end first.
    """
    build: Build = ctx.obj
    chosen = model_or_setting(model)
    app = build(chosen)
    log_to_stderr()
    Screen().say(f"Running due threads with {chosen}; Ctrl-C stops after the steps at hand.")
    asyncio.run(_work(app.runner))
    Screen().say("Stopped; nothing is lost.")


async def _work(runner: Runner) -> None:
    working = asyncio.create_task(runner.work())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


def log_to_stderr() -> None:
    """Show what the agent logs, in one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Clean("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("agent").addHandler(handler)
    logging.getLogger("agent").setLevel(logging.INFO)


class _Clean(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))

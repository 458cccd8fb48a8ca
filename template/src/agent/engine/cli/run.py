"""The commands that run threads: `run` runs one, `worker` those that are due."""

import asyncio
import signal
from contextlib import suppress
from typing import Annotated
from uuid import uuid4

import typer

from .. import settings
from ..log.errors import AgentError
from ..log.thread import Thread
from ..loop.api import thread_of
from ..people.identity import local_user
from .format import format_command, shorten_id
from .screen import Screen, handle_interrupt, log_to_stderr
from .script import find_scripts
from .talk import Talk
from .threads import find_thread
from .waits import ask_answer, list_answers

LEFT_WAITING = 3
"""The exit code of a run that a person has to answer first."""

Model = Annotated[
    str, typer.Option(metavar="PROVIDER:NAME", help="The model that decides, instead of MODEL.")
]


async def run(
    ctx: typer.Context,
    text: Annotated[list[str] | None, typer.Argument(help="What you want.")] = None,
    thread: Annotated[str, typer.Option(metavar="ID", help="Continue this thread.")] = "",
    model: Model = "",
) -> None:
    """Give the agent a task, or continue a thread.

    In a terminal, the agent asks you its questions here. Elsewhere it stops at the first one with
    exit code 3 and says how to answer. Steps go to stderr, the result to stdout.
    """
    if not text and not thread:
        raise typer.BadParameter("say what you want, or name a thread with --thread")
    chosen, actor, screen = _choose_model(model), local_user(), Screen()
    talk = Talk(ctx.obj(chosen), actor, screen, ask_answer if screen.interactive else None)
    if chosen.startswith("scripted"):
        screen.say(f"A script decides here, not a model: {chosen}")
    store, new = talk.app.ports.store, Thread(thread_of("cli", actor, uuid4().hex))
    started = await find_thread(store, thread) if thread else new
    again = format_command(
        "run", "--thread", shorten_id(started.id), *(["--model", model] if model else [])
    )
    kept = f"The thread is kept. Continue with:\n  {again}"
    stopping = f"\nStopping after the current step; Ctrl-C again stops at once.\n{kept}"
    with handle_interrupt(lambda: screen.say(stopping)):
        screen.say(f"Thread {shorten_id(started.id)}", "dim")
        try:
            ended = await talk.converse(
                await talk.say(started, " ".join(text)) if text else started
            )
        except AgentError as error:
            error.add_note(kept)
            raise
    raise typer.Exit(_report_end(ended, screen, again))


def _report_end(thread: Thread, screen: Screen, again: str) -> int:
    if thread.state.wait is None:
        return 0 if thread.state.ended == "finished" else 1
    answers = "\n".join(f"  {way}" for way in list_answers(thread, thread.state.wait))
    screen.say(f"\nLeft waiting. Answer with:\n{answers}\nand continue with:\n  {again}")
    return LEFT_WAITING


async def worker(
    ctx: typer.Context,
    model: Model = "",
    concurrency: Annotated[int, typer.Option(min=1, help="How many threads at once.")] = 16,
) -> None:
    """Run every thread that is due, until stopped.

    SIGTERM and Ctrl-C let the current steps end first.
    """
    chosen, screen = _choose_model(model), Screen()
    working = asyncio.create_task(ctx.obj(chosen).runner.work(concurrency))
    log_to_stderr()
    screen.say(f"Running due threads with {chosen}; Ctrl-C stops after the current steps.")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working
    screen.say("Stopped; nothing is lost.")


def _choose_model(model: str) -> str:
    demo = f" `{format_command('demo')}` runs without one." if find_scripts() else ""
    return model or settings.required("MODEL", f"Name one in .env or with --model.{demo}")

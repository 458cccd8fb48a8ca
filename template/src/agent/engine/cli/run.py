"""The commands that run threads: `run` one, `worker` those that are due."""

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
from .screen import Screen, interruptible, log_to_stderr
from .talk import Talk
from .threads import thread_named
from .waits import ask_for, list_answers

LEFT_WAITING = 3
"""The exit code where a person has to answer first."""

Model = Annotated[
    str, typer.Option(metavar="PROVIDER:NAME", help="The model that decides, in place of MODEL.")
]


async def run(
    ctx: typer.Context,
    text: Annotated[list[str] | None, typer.Argument(help="What you want.")] = None,
    thread: Annotated[str, typer.Option(metavar="ID", help="Go on with this thread.")] = "",
    model: Model = "",
) -> None:
    """Give the agent a task, or go on with a thread.

    In a terminal it asks you what it has to ask. Elsewhere it stops there with exit code 3 and
    says how to answer. Steps go to stderr, the result to stdout.
    """
    if not text and not thread:
        raise typer.BadParameter("say what you want, or name a --thread to go on with")
    chosen, actor, screen = _model_or_setting(model), local_user(), Screen()
    talk = Talk(ctx.obj(chosen), actor, screen, ask_for if screen.interactive else None)
    if chosen.startswith("scripted"):
        screen.say(f"No model decides here, but a script: {chosen}")
    store, new = talk.app.ports.store, Thread(thread_of("cli", actor, uuid4().hex))
    begun = await thread_named(store, thread) if thread else new
    again = format_command(
        "run", "--thread", shorten_id(begun.id), *(["--model", model] if model else [])
    )
    kept = f"The thread is kept; go on with:\n  {again}"
    leaving = f"\nLeaving after the step at hand; Ctrl-C again does not wait for it.\n{kept}"
    with interruptible(lambda: screen.say(leaving)):
        screen.say(f"Thread {shorten_id(begun.id)}", "dim")
        try:
            ended = await talk.converse(await talk.say(begun, " ".join(text)) if text else begun)
        except AgentError as error:
            error.add_note(kept)
            raise
    raise typer.Exit(_ending(ended, screen, again))


def _ending(thread: Thread, screen: Screen, again: str) -> int:
    if thread.state.wait is None:
        return 0 if thread.state.ended == "finished" else 1
    answers = "\n".join(f"  {way}" for way in list_answers(thread, thread.state.wait))
    screen.say(f"\nLeft waiting. Answer with:\n{answers}\nand go on with:\n  {again}")
    return LEFT_WAITING


async def worker(
    ctx: typer.Context,
    model: Model = "",
    concurrency: Annotated[int, typer.Option(min=1, help="How many threads at once.")] = 16,
) -> None:
    """Run whatever is due, until stopped.

    SIGTERM and Ctrl-C let the steps at hand end first.
    """
    chosen, screen = _model_or_setting(model), Screen()
    working = asyncio.create_task(ctx.obj(chosen).runner.work(concurrency))
    log_to_stderr()
    screen.say(f"Running due threads with {chosen}; Ctrl-C stops after the steps at hand.")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working
    screen.say("Stopped; nothing is lost.")


def _model_or_setting(model: str) -> str:
    hint = f"Name one in .env or with --model; `{format_command('demo')}` runs without one."
    return model or settings.required("MODEL", hint)

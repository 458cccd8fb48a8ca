"""The commands that run threads: `run` one, `worker` those that are due."""

import asyncio
import signal
from contextlib import suppress
from typing import Annotated
from uuid import uuid4

import typer

from .. import settings
from ..log.errors import AgentError, Refused
from ..log.thread import Thread
from ..loop.api import thread_of
from ..loop.ports import Ports
from ..people.identity import local_user
from ..people.words import command, short, ways
from .screen import Screen, interruptible, log_to_stderr
from .talk import Talk
from .threads import thread_named
from .waits import ask_for

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
    agent: Annotated[
        str, typer.Option(metavar="NAME", help="Which agent, of those in app.py; else the first.")
    ] = "",
) -> None:
    """Give the agent a task, or go on with a thread.

    In a terminal it asks you what it has to ask. Elsewhere it stops there with exit code 3 and
    says how to answer. Steps go to stderr, the result to stdout.
    """
    if not text and not thread:
        raise typer.BadParameter("say what you want, or name a --thread to go on with")
    actor, screen = local_user(), Screen()
    app = ctx.obj(lambda name: model or settings.optional_model(name))
    talk = Talk(app, actor, screen, ask_for if screen.interactive else None, agent)
    store, new = app.ports.store, Thread(thread_of("cli", actor, uuid4().hex))
    begun = await thread_named(store, thread) if thread else new
    _check_agent(app.ports, begun, agent, screen)
    again = command("run", "--thread", short(begun.id), *(["--model", model] if model else []))
    kept = f"The thread is kept; go on with:\n  {again}"
    leaving = f"\nLeaving after the step at hand; Ctrl-C again does not wait for it.\n{kept}"
    with interruptible(lambda: screen.say(leaving)):
        screen.say(f"Thread {short(begun.id)}", "dim")
        try:
            ended = await talk.converse(await talk.say(begun, " ".join(text)) if text else begun)
        except AgentError as error:
            error.add_note(kept)
            raise
    raise typer.Exit(_ending(ended, screen, again))


def _ending(thread: Thread, screen: Screen, again: str) -> int:
    if thread.state.wait is None:
        return 0 if thread.state.ended == "finished" else 1
    answers = "\n".join(f"  {way}" for way in ways(thread, thread.state.wait))
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
    app, screen = ctx.obj(lambda name: model or settings.required_model(name)), Screen()
    working = asyncio.create_task(app.runner.work(concurrency))
    log_to_stderr()
    models = ", ".join(sorted({agent.model for agent in app.ports.agents.values()}))
    screen.say(f"Running due threads with {models}; Ctrl-C stops after the steps at hand.")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working
    screen.say("Stopped; nothing is lost.")


def _check_agent(ports: Ports, thread: Thread, name: str, screen: Screen) -> None:
    """Refuse an agent that is not the thread's or has no model, before anything is recorded."""
    agent = ports.agent_of(thread) if thread.events else ports.agent_named(name)
    if name not in ("", agent.name):
        raise Refused(f"the thread is {agent.name!r}'s, not {name!r}'s; leave --agent out")
    if not agent.model:
        settings.required("MODEL", f"{settings.MODEL_HINT} `{command('demo')}` runs without one.")
    if agent.model.startswith("scripted"):
        screen.say(f"No model decides here, but a script: {agent.model}")

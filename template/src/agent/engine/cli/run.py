"""The commands that run threads: `run` runs one, `worker` those that are due."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from .. import settings
from ..log.errors import AgentError, Refused
from ..log.thread import Thread
from ..loop.api import name_thread
from ..loop.conversations import find_waiting
from ..loop.ports import BoundAgent, Ports
from ..loop.store import Store
from ..people.identity import find_local_user
from ..runners.presence import beat, describe_worker
from .dialog import ask_answer
from .format import format_command, shorten_id
from .logs import set_up_logging
from .screen import Screen, handle_interrupt
from .script import find_scripts
from .talk import Talk
from .threads import find_thread
from .waits import list_answers

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
    agent: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The agent, by its name in app.py; by default the first."
        ),
    ] = "",
) -> None:
    """Give the agent a task, or continue a thread.

    In a terminal, the agent asks you its questions here. Elsewhere it stops at the first one with
    exit code 3 and says how to answer. Steps go to stderr, the result to stdout.
    """
    if not text and not thread:
        raise typer.BadParameter("say what you want, or name a thread with --thread")
    actor, screen = find_local_user(), Screen()
    app = ctx.obj(lambda name: model or settings.optional_model(name))
    talk = Talk(app, actor, screen, ask_answer if screen.interactive else None, agent)
    store, new = app.ports.store, Thread(name_thread("cli", actor, uuid4().hex))
    started = await find_thread(store, thread) if thread else new
    chosen = _find_agent(app.ports, started, agent, screen)
    await _check_workers(store, chosen, model, screen)
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
    raise typer.Exit(_report_end(await find_waiting(store, ended), screen, again))


def _report_end(thread: Thread, screen: Screen, again: str) -> int:
    if thread.state.wait is None:
        return 0 if thread.state.ended == "finished" else 1
    answers = "\n".join(f"  {way}" for way in list_answers(thread.id, thread.state.wait))
    screen.say(f"\nLeft waiting. Answer with:\n{answers}\nand continue with:\n  {again}")
    return LEFT_WAITING


async def worker(
    ctx: typer.Context,
    model: Model = "",
    concurrency: Annotated[int, typer.Option(min=1, help="How many threads at once.")] = 16,
    heartbeat: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Touch this file every 10 seconds, for a probe."),
    ] = None,
) -> None:
    """Run every thread that is due, until stopped.

    SIGTERM and Ctrl-C let the current steps end first.
    """
    app, screen = ctx.obj(lambda name: model or settings.required_model(name)), Screen()
    set_up_logging()
    async with beat(heartbeat) if heartbeat else nullcontext():
        working = asyncio.create_task(app.runner.work(concurrency))
        models = ", ".join(sorted({agent.model for agent in app.ports.agents.values()}))
        screen.say(f"Running due threads with {models}; Ctrl-C stops after the current steps.")
        stop_on_signals(working.cancel)
        with suppress(asyncio.CancelledError):
            await working
    screen.say("Stopped; nothing is lost.")


def stop_on_signals(stop: Callable[[], object]) -> None:
    """Call `stop` in the event loop on SIGTERM and Ctrl-C."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


async def _check_workers(store: Store, agent: BoundAgent, model: str, screen: Screen) -> None:
    """Say which other processes may run the thread. Refuse a model that they would not use."""
    for worker in await store.workers():
        other = describe_worker(worker, agent.name)
        if model and worker.models.get(agent.name) != model:
            raise Refused(
                f"{other} runs the threads of this store and does not use {model!r}. "
                "Leave --model out, or stop that process first."
            )
        screen.say(f"Also running threads of this store: {other}.", "dim")


def _find_agent(ports: Ports, thread: Thread, name: str, screen: Screen) -> BoundAgent:
    """Return the thread's agent, or the one of that name for a new thread.

    Refuses one that is not the thread's or has no model, before anything is recorded.
    """
    agent = ports.get_agent(thread) if thread.events else ports.get_agent_named(name)
    if name not in ("", agent.name):
        raise Refused(f"the thread is {agent.name!r}'s, not {name!r}'s; leave --agent out")
    if not agent.model:
        demo = f" `{format_command('demo')}` runs without one." if find_scripts() else ""
        settings.required("MODEL", settings.MODEL_HINT + demo)
    if agent.model.startswith("scripted"):
        screen.say(f"A script decides here, not a model: {agent.model}")
    return agent

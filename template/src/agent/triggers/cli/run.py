"""The commands that run threads: `run` one, `demo` that of the sample, `worker` those due."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from ... import settings
from ...api import thread_of
from ...errors import AgentError, Misconfigured
from ...state import OpenWait
from ...thread import Thread
from .prompts import prompt_text
from .screen import Screen, interruptible, log_to_stderr
from .talk import Talk
from .threads import thread_named
from .waits import Answer, ask_for
from .words import command, short, ways, what

DATABASE = "data/demo.db"
SCRIPT = "sample/demo.jsonl"
TASK = "deploy the latest backend to production"
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
    chosen, actor, screen = _model_or_setting(model), settings.local_user(), Screen()
    talk = Talk(ctx.obj(chosen), actor, screen, ask_for if screen.interactive else None)
    if chosen.startswith("scripted"):
        screen.say(f"No model decides here, but a script: {chosen}")
    store, new = talk.app.agent.store, Thread(thread_of("cli", actor, uuid4().hex))
    begun = await thread_named(store, thread) if thread else new
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


async def demo(ctx: typer.Context) -> None:
    """Watch the sample at work: no key, no network, no model."""
    screen = Screen(sys.stdout)
    talk = Talk(ctx.obj(_script()), "cli:you", screen, ask_for if screen.interactive else _alone)
    left = f"\nStopped in the middle. It goes on where it was: {command('demo')}"
    with interruptible(lambda: screen.say(left)):
        thread = await talk.go_on(await _demo_begun(talk))
    if thread.state.wait:
        screen.say(f"Left waiting. It goes on there: {command('demo')}")
        raise typer.Exit(LEFT_WAITING)
    _look_back(talk, thread)


def _script() -> str:
    if not Path(SCRIPT).exists():
        raise Misconfigured(f"{SCRIPT!r} is not here: run this in the project's folder")
    os.environ["SQLITE_PATH"] = DATABASE
    return f"scripted:{SCRIPT}"


async def _demo_begun(talk: Talk) -> Thread:
    """Go on with the demo that was stopped, or begin a new one."""
    say = talk.screen.say
    say(f"No key, no network: a script decides ({SCRIPT}), not a model. All else is real:", "bold")
    say(f"the loop, the log ({DATABASE}), the approval. Deploying writes to sample/deployed/.")
    store = talk.app.agent.store
    for row in await store.threads(limit=1):
        thread = await store.load(row.id)
        if not thread.state.ended:
            say(f"\nGoing on after event {thread.state.version} with: {TASK}\n", "bold")
            return thread
    say(f"Kill it at its question, if you like: `{command('demo')}` goes on there.")
    say(f"\n> {TASK}\n", "bold")
    return await talk.say(Thread(thread_of("cli", "demo", uuid4().hex)), TASK)


async def _alone(screen: Screen, wait: OpenWait) -> Answer | None:
    if wait.kind != "approval":
        return None
    screen.say("There is no terminal to ask, so the demo answers itself: approve\n")
    return Answer("approve", "said by the demo itself, for want of a terminal")


def _look_back(talk: Talk, thread: Thread) -> None:
    screen = talk.screen
    screen.say("\nThe log. It is all the state there is:\n", "bold")
    rows = [(str(event.seq), event.actor, what(thread, event)) for event in thread.events]
    screen.table(("#", "WHO", "WHAT"), rows)
    last = max(event.seq for event in thread.events if event.type == "step")
    screen.say(f"\nWhat the model would have read before its last step, {last}:\n", "bold")
    screen.tell(prompt_text(talk.app.agent, Thread.of(thread.id, thread.events[: last - 1])))
    screen.say("\nNow with a model, named by MODEL in .env (see .env.example):", "bold")
    screen.say(f"  {command('run', repr(TASK))}\n  {command('show', '--prompt')}")


async def worker(ctx: typer.Context, model: Model = "") -> None:
    """Run whatever is due, until stopped.

    SIGTERM and Ctrl-C let the steps at hand end first.
    """
    chosen, screen = _model_or_setting(model), Screen()
    working = asyncio.create_task(ctx.obj(chosen).runner.work())
    log_to_stderr()
    screen.say(f"Running due threads with {chosen}; Ctrl-C stops after the steps at hand.")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working
    screen.say("Stopped; nothing is lost.")


def _model_or_setting(model: str) -> str:
    hint = f"Name one in .env or with --model; `{command('demo')}` runs without one."
    return model or settings.required("MODEL", hint)

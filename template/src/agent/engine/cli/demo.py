"""`agent demo`: the sample at work, with a script for a model and a store of its own."""

import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import typer

from ..log.errors import Misconfigured
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import thread_of
from ..people.words import command, what
from ..runners.app import App
from ..runners.local import LocalRunner
from ..stores.sqlite import SqliteStore
from .prompts import prompt_text
from .run import LEFT_WAITING
from .screen import Screen, interruptible
from .talk import Talk
from .waits import Answer, ask_for

DATABASE = "data/demo.db"
SCRIPT = "sample/deploy/demo.jsonl"
DEPLOYED = "sample/deploy/deployed"
TASK = "deploy the latest backend to production"


async def demo(ctx: typer.Context) -> None:
    """Watch the sample at work: no key, no network, no model."""
    screen = Screen(sys.stdout)
    ports = replace(ctx.obj(lambda _: _script()).ports, store=SqliteStore(DATABASE))
    app = App(ports, LocalRunner(ports))
    talk = Talk(app, "cli:you", screen, ask_for if screen.interactive else _alone)
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
    return f"scripted:{SCRIPT}"


async def _demo_begun(talk: Talk) -> Thread:
    """Go on with the demo that was stopped, or begin a new one."""
    say = talk.screen.say
    say(f"No key, no network: a script decides ({SCRIPT}), not a model. All else is real:", "bold")
    say(f"the loop, the log ({DATABASE}), the approval. Deploying writes a file in {DEPLOYED}.")
    store = talk.app.ports.store
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
    screen.tell(prompt_text(talk.app.ports, Thread.of(thread.id, thread.events[: last - 1])))
    screen.say("\nNow with a model, named by MODEL in .env (see .env.example):", "bold")
    screen.say(f"  {command('run', repr(TASK))}\n  {command('show', '--prompt')}")

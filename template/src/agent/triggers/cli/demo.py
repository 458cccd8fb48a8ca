"""`agent demo`: the first five minutes. No key, no network; everything but the model is real."""

import os
import sys
from pathlib import Path
from uuid import uuid4

import typer

from ...api import launch, thread_of
from ...errors import Misconfigured, ThreadNotFound
from ...state import OpenWait
from ...thread import Thread
from .. import Build
from .interrupt import run_interruptible
from .log import what
from .questions import Answer, answer
from .run import LEFT_WAITING
from .screen import Screen
from .show import prompt_text
from .talk import Talk
from .words import command

DATABASE = "data/demo.db"
SCRIPT = "sample/demo.jsonl"
TASK = "deploy the latest backend to production"
YOU = "cli:you"


def demo(ctx: typer.Context) -> None:
    """Watch the sample at work: no key, no network, no model."""
    if not Path(SCRIPT).exists():
        raise Misconfigured(f"{SCRIPT!r} is not here: run this in the project's folder")
    os.environ["SQLITE_PATH"] = DATABASE
    build: Build = ctx.obj
    screen = Screen(sys.stdout)
    talk = Talk(build(f"scripted:{SCRIPT}"), YOU, screen, answer if screen.interactive else _alone)
    left = f"\nStopped in the middle. It goes on where it was: {command('demo')}"
    raise typer.Exit(run_interruptible(_shown(talk), lambda: screen.say(left)))


async def _shown(talk: Talk) -> int:
    thread = await _begun(talk)
    thread = await talk.go_on(thread)
    if thread.state.wait:
        talk.screen.say(f"Left waiting. It goes on there: {command('demo')}")
        return LEFT_WAITING
    _look_back(talk, thread)
    return 0


async def _begun(talk: Talk) -> Thread:
    """Go on with the demo that was stopped, or begin a new one."""
    say = talk.screen.say
    say(f"No key, no network: a script decides ({SCRIPT}), not a model. All else is real:", "bold")
    say(f"the loop, the log ({DATABASE}), the approval. Deploying writes to sample/deployed/.")
    number = 1
    while True:
        thread_id = thread_of("cli", "demo", str(number))
        try:
            thread = await talk.app.agent.store.load(thread_id)
        except ThreadNotFound:
            break
        if not thread.state.ended:
            say(f"\nGoing on after event {thread.state.version} with: {TASK}\n", "bold")
            return thread
        number += 1
    say(f"Kill it at its question, if you like: `{command('demo')}` goes on there.")
    say(f"\n> {TASK}\n", "bold")
    return await launch(
        talk.app.agent, thread_id, TASK, actor=YOU, delivery=uuid4().hex, source="cli"
    )


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
    steps = [event.seq for event in thread.events if event.type == "step"]
    before = Thread.of(thread.id, thread.events[: steps[-1] - 1])
    screen.say(f"\nWhat the model would have read before its last step, {steps[-1]}:\n", "bold")
    screen.tell(prompt_text(before, talk.app.agent.prompts))
    screen.say("\nNow with a model, named by MODEL in .env (see .env.example):", "bold")
    screen.say(f"  {command('run', repr(TASK))}")
    screen.say(f"  {command('show', '--prompt')}")

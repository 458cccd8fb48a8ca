"""`agent run`: say something, follow what comes of it, answer what it asks."""

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

import typer

from ... import settings
from ...api import launch, thread_of
from ...errors import AgentError
from ...thread import Thread
from .. import Build
from .interrupt import run_interruptible
from .lookup import thread_named
from .questions import answer
from .screen import Screen
from .talk import Talk
from .words import command, short, ways

LEFT_WAITING = 3
"""The exit code where a person has to answer first."""

Model = Annotated[
    str, typer.Option(metavar="PROVIDER:NAME", help="The model that decides, in place of MODEL.")
]


def model_or_setting(model: str) -> str:
    """Return the model to use. Raises Misconfigured where none is named."""
    hint = f"Name one in .env or with --model; `{command('demo')}` runs without one."
    return model or settings.required("MODEL", hint)


def run(
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
    build: Build = ctx.obj
    chosen, actor, screen = model_or_setting(model), settings.local_user(), Screen()
    talk = Talk(build(chosen), actor, screen, answer if screen.interactive else None)
    if chosen.startswith("scripted"):
        screen.say(f"No model decides here, but a script: {chosen}")
    thread_id = thread or thread_of("cli", actor, uuid4().hex)
    again = command("run", "--thread", short(thread_id), *(["--model", model] if model else []))
    raise typer.Exit(Run(talk, thread_id, again).until_left(" ".join(text or ()), new=not thread))


@dataclass(frozen=True)
class Run:
    talk: Talk
    thread_id: str
    again: str
    """The command that goes on with it."""

    def until_left(self, text: str, new: bool) -> int:
        """Talk until the thread is over or left, and return the exit code."""
        return self._ending(run_interruptible(self._talked(text, new), self._leaving))

    async def _talked(self, text: str, new: bool) -> Thread:
        thread = await (self._launched(text) if new else self._continued(text))
        try:
            while True:
                thread = await self.talk.go_on(thread)
                ended = thread.state.wait is None and self.talk.screen.chatty
                if not ended or not (text := await self.talk.screen.ask("\n>") or ""):
                    return thread
                thread = await self.talk.say(thread, text)
        except AgentError as error:
            error.add_note(f"The thread is kept; go on with:\n  {self.again}")
            raise

    async def _launched(self, text: str) -> Thread:
        self.talk.screen.say(f"Thread {short(self.thread_id)}", "dim")
        return await launch(
            self.talk.app.agent,
            self.thread_id,
            text,
            actor=self.talk.actor,
            delivery=uuid4().hex,
            source="cli",
        )

    async def _continued(self, text: str) -> Thread:
        thread = await thread_named(self.talk.app.agent.store, self.thread_id)
        self.talk.screen.say(f"Thread {short(thread.id)}", "dim")
        if not text:
            return thread
        match thread.state.wait and thread.state.wait.kind:
            case "approval" | "limit" | "timer" as kind:
                self.talk.screen.say(f"Your message takes the place of the open {kind}.")
            case "job" | "in_doubt":
                self.talk.screen.say("Your message is kept; first this has to be answered:")
        return await self.talk.say(thread, text)

    def _leaving(self) -> None:
        self.talk.screen.say("\nLeaving after the step at hand; Ctrl-C again does not wait for it.")
        self.talk.screen.say(f"The thread is kept; go on with:\n  {self.again}")

    def _ending(self, thread: Thread) -> int:
        wait, say = thread.state.wait, self.talk.screen.say
        if wait is None:
            return 0 if thread.state.ended == "finished" else 1
        say("\nLeft waiting. Answer with:")
        for way in ways(thread, wait):
            say(f"  {way}")
        say(f"and go on with:\n  {self.again}")
        return LEFT_WAITING

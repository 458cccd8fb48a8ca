"""A conversation at the terminal: steps as they come, questions as they arise, what is said next.

It follows the log, as everybody does. So it shows what others do to the thread too, and an
answer given elsewhere ends the question here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

from ..log.errors import Refused
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import launch, message
from ..people.words import description, news
from ..runners.app import App
from .screen import Screen
from .threads import summary
from .waits import Answer, give

T = TypeVar("T")
Answerer = Callable[[Screen, OpenWait], Awaitable[Answer | None]]

_GLANCE_S = 0.1
_QUIET_GLANCES = 10


@dataclass(frozen=True)
class Talk:
    app: App
    actor: str
    screen: Screen
    answerer: Answerer | None
    """Answers waits, None for "later"; without one the conversation stops at the first."""
    agent: str = ""
    """Whom a new thread is for; the default agent if empty."""

    async def say(self, thread: Thread, text: str) -> Thread:
        """Say something in a thread, which begins with it if it is new."""
        match thread.state.wait and thread.state.wait.kind:
            case "approval" | "limit" | "timer" as kind:
                self.screen.say(f"Your message takes the place of the open {kind}.")
            case "job" | "in_doubt":
                self.screen.say("Your message is kept; first this has to be answered:")
        sender = {"actor": self.actor, "delivery": uuid4().hex, "source": "cli"}
        if thread.events:
            return await message(self.app.ports, thread.id, text, **sender)
        return await launch(self.app.ports, thread.id, text, agent=self.agent, **sender)

    async def go_on(self, thread: Thread) -> Thread:
        """Run a thread until it is over or left waiting, and return it as it is then."""
        while True:
            thread = await self._follow(thread)
            if thread.state.wait is None:
                self.screen.tell(_last_words(thread))
                return thread
            if not await self._settled(thread, thread.state.wait):
                return thread

    async def converse(self, thread: Thread) -> Thread:
        """Go on, and with whatever the person says next, until they have nothing to say."""
        while True:
            thread = await self.go_on(thread)
            if thread.state.wait or not self.screen.chatty:
                return thread
            if not (text := await self.screen.ask("\n>")):
                return thread
            thread = await self.say(thread, text)

    async def _follow(self, thread: Thread) -> Thread:
        store = self.app.ports.store
        row = await summary(store, thread)
        held, glances = bool(row and row.running), count(1)
        async with _task(self.app.runner.finish(thread.id)) as running:
            while not running.done():
                await asyncio.wait({running}, timeout=_GLANCE_S)
                newest = await store.load(thread.id)
                held = held and newest.state.version == thread.state.version
                if held and next(glances) == _QUIET_GLANCES:
                    self.screen.say("  Another process is at it, or was just now; waiting.")
                thread = self._tell(thread, newest)
            return self._tell(thread, await running)

    def _tell(self, seen: Thread, newest: Thread) -> Thread:
        for event in newest.events[seen.state.version :]:
            seen = seen.plus(event)
            text, style = news(seen, event, self.actor)
            if text:
                self.screen.say(text, style)
        return seen

    async def _settled(self, thread: Thread, wait: OpenWait) -> bool:
        """Put a wait to the person, unless somebody else is faster; false leaves it open."""
        headline, *rest = description(wait, self.actor, await self.app.ports.store.now())
        self.screen.say(f"\n{headline}", "bold yellow")
        for text in rest:
            self.screen.say(f"  {text}")
        if self.answerer is None:
            return False
        async with _task(self._answered(thread, wait, self.answerer)) as asking:
            while not asking.done() and await self._open(thread, wait):
                await asyncio.wait({asking}, timeout=0.5)
            if asking.done():
                return await asking
        self.screen.say()
        return True

    async def _answered(self, thread: Thread, wait: OpenWait, answerer: Answerer) -> bool:
        if not wait.admits(self.actor) or wait.kind == "timer":
            self.screen.say("Waiting; Ctrl-C leaves, and nothing is lost.")
            await asyncio.Event().wait()
        given = await answerer(self.screen, wait)
        if given is None:
            return False
        try:
            await give(self.app.ports, thread, wait, given, self.actor)
        except Refused as error:
            self.screen.say(f"Not accepted: {error}", "red")
        return True

    async def _open(self, thread: Thread, wait: OpenWait) -> bool:
        store = self.app.ports.store
        now = (await store.load(thread.id)).state.wait
        over = wait.expires_at is not None and wait.expires_at <= await store.now()
        return not over and now is not None and now.seq == wait.seq


def _last_words(thread: Thread) -> str:
    last = next((past for past in reversed(thread.events) if past.type != "delivered"), None)
    if last and last.type == "finished":
        return str(last.data["message"])
    return f"Stopped: {last.actor} ended it." if last else ""


@asynccontextmanager
async def _task(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Do `work` meanwhile; leaving ends it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

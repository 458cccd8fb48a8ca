"""A conversation at the terminal: steps as they come, questions as they arise, what is said next.

It follows the log, as everybody does. So it shows what others do to the thread too, and an
answer given elsewhere ends the question here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from ...api import message, resume
from ...errors import Refused
from ...state import OpenWait
from ...thread import Thread
from .. import App
from .log import news
from .lookup import summary
from .questions import Answer
from .screen import Screen
from .words import description

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

    async def go_on(self, thread: Thread) -> Thread:
        """Run a thread until it is over or left waiting, and return it as it is then."""
        while True:
            thread = await self._follow(thread)
            if thread.state.wait is None:
                self.screen.tell(last_words(thread))
                return thread
            if not await self._settled(thread, thread.state.wait):
                return thread

    async def say(self, thread: Thread, text: str) -> Thread:
        return await message(
            self.app.agent,
            thread.id,
            text,
            actor=self.actor,
            delivery=uuid4().hex,
            source="cli",
        )

    async def _follow(self, thread: Thread) -> Thread:
        row = await summary(self.app.agent.store, thread)
        held, quiet = bool(row and row.running), 0
        running = asyncio.create_task(self.app.runner.finish(thread.id))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=_GLANCE_S)
                newest = await self.app.agent.store.load(thread.id)
                held = held and newest.state.version == thread.state.version
                quiet += held
                if held and quiet == _QUIET_GLANCES:
                    self.screen.say("  Another process is at it, or was just now; waiting.")
                thread = self._tell(thread, newest)
            return self._tell(thread, await running)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _tell(self, seen: Thread, newest: Thread) -> Thread:
        for event in newest.events[seen.state.version :]:
            seen = seen.plus(event)
            text, style = news(seen, event, self.actor)
            if text:
                self.screen.say(text, style)
        return seen

    async def _settled(self, thread: Thread, wait: OpenWait) -> bool:
        """Put a wait to the person, unless somebody else is faster; false leaves it open."""
        headline, *rest = description(wait, self.actor, await self.app.agent.store.now())
        self.screen.say(f"\n{headline}", "bold yellow")
        for text in rest:
            self.screen.say(f"  {text}")
        if self.answerer is None:
            return False
        closing = asyncio.create_task(self._closed(thread, wait))
        asking = asyncio.create_task(self._answered(thread, wait, self.answerer))
        try:
            await asyncio.wait({closing, asking}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return await asking
            self.screen.say()
            return True
        finally:
            closing.cancel()
            asking.cancel()
            await asyncio.gather(closing, asking, return_exceptions=True)

    async def _answered(self, thread: Thread, wait: OpenWait, answerer: Answerer) -> bool:
        if not wait.admits(self.actor) or wait.kind == "timer":
            self.screen.say("Waiting; Ctrl-C leaves, and nothing is lost.")
            await asyncio.Event().wait()
        given = await answerer(self.screen, wait)
        if given is None:
            return False
        try:
            await self._resume(thread, wait, given)
        except Refused as error:
            self.screen.say(f"Not accepted: {error}", "red")
        return True

    async def _resume(self, thread: Thread, wait: OpenWait, given: Answer) -> Thread:
        return await resume(
            self.app.agent,
            thread.id,
            wait.seq,
            given.verdict,
            actor=self.actor,
            text=given.text,
            digest=wait.data.get("digest", ""),
            call=given.call,
        )

    async def _closed(self, thread: Thread, wait: OpenWait) -> None:
        while await self._open(thread, wait):  # noqa: ASYNC110  # another process answers
            await asyncio.sleep(0.5)

    async def _open(self, thread: Thread, wait: OpenWait) -> bool:
        store = self.app.agent.store
        now = (await store.load(thread.id)).state.wait
        over = wait.expires_at is not None and wait.expires_at <= await store.now()
        return not over and now is not None and now.seq == wait.seq


def last_words(thread: Thread) -> str:
    """Return how a thread ended."""
    last = next((past for past in reversed(thread.events) if past.type != "delivered"), None)
    if last and last.type == "finished":
        return str(last.data["message"])
    return f"Stopped: {last.actor} ended it." if last else ""

"""A conversation at the terminal: the steps of a thread, its questions, and your next message.

It follows the log, so it also shows what others do to the thread, and an answer that is given
elsewhere ends the question here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from ..characters import clean
from ..log.errors import Refused
from ..log.events import Event
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import append_message, launch
from ..loop.store import find_summary
from ..people.cards import explain_message
from ..people.words import describe_event, format_call, format_value, shorten
from ..runners.app import App
from .edits import show_edit
from .format import mark_lines, shorten_id
from .screen import Screen
from .waits import Answer, Asked, describe_wait, give_answer

T = TypeVar("T")
Answerer = Callable[[Screen, Asked], Awaitable[Answer | None]]
StandIn = Callable[[Thread, OpenWait], tuple[str, Answer]]

_QUIET_S = 1.0
"""Silence after which a note says that another process runs the thread."""


@dataclass(frozen=True)
class Talk:
    app: App
    actor: str
    screen: Screen
    answerer: Answerer | None
    """Answers waits, or returns None to leave one open; without it the first wait ends the talk."""
    agent: str = ""
    """Whom a new thread is for; the default agent if empty."""
    stand_in: StandIn | None = None
    """Says who answers what the person here cannot answer, and what; without it, others do."""

    async def say(self, thread: Thread, text: str) -> Thread:
        """Append a message to a thread, which is created if it is new."""
        if hint := explain_message(thread.state.wait, self.actor):
            self.screen.say(hint)
        sender: dict[str, Any] = {"actor": self.actor, "delivery": uuid4().hex, "source": "cli"}
        if thread.events:
            return await append_message(self.app.ports, thread.id, text, **sender)
        return await launch(self.app.ports, thread.id, text, agent=self.agent, **sender)

    async def go_on(self, thread: Thread) -> Thread:
        """Run a thread until it has ended or a wait is left open, and return it."""
        thread = await self._run(thread)
        if thread.state.wait is None:
            self.screen.write(_format_end(thread))
        return thread

    async def _run(self, thread: Thread) -> Thread:
        """Run a thread together with the child that it waits for."""
        while True:
            thread = await self._follow(thread)
            if child := thread.state.child:
                if not await self._run_child(thread, child):
                    return thread
            elif not (wait := thread.state.wait) or not await self._settle(thread, wait):
                return thread

    async def _run_child(self, parent: Thread, child_id: str) -> bool:
        """Return False if a wait of the child is left open."""
        child = await self.app.ports.store.load(child_id)
        name = f"{child.state.agent}, thread {shorten_id(child_id)}"
        self.screen.say(f"  {name}:", "dim")
        ended = await self._run(child)
        if ended.state.wait:
            return False
        self.screen.say(f"  {name}, is {ended.state.status}.", "dim")
        return (await self.app.ports.store.load(parent.id)).state.child != child_id

    async def converse(self, thread: Thread) -> Thread:
        """Run a thread, and what the person says next, until they have nothing to say."""
        while True:
            thread = await self.go_on(thread)
            if thread.state.wait or not self.screen.chatty:
                return thread
            if not (text := await self.screen.ask("\n>")):
                return thread
            thread = await self.say(thread, text)

    async def _follow(self, thread: Thread) -> Thread:
        row = await find_summary(self.app.ports.store, thread.id)
        held = bool(row and row.running)
        async with _run_meanwhile(self.app.runner.finish(thread.id)) as running:
            while not running.done():
                newest = await self._watch(thread, running, _QUIET_S if held else None)
                if held and newest is thread and not running.done():
                    self.screen.say(
                        "  Another process runs this thread, or did until just now. Waiting for it."
                    )
                held, thread = False, self._show_new(thread, newest)
            return self._show_new(thread, await running)

    async def _watch(
        self, thread: Thread, task: asyncio.Task[Any], timeout_s: float | None
    ) -> Thread:
        """Return the thread when it has new events, `task` is done or the time is up."""
        async with _run_meanwhile(self.app.ports.store.grown(thread)) as growing:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait({task, growing}, timeout=timeout_s, return_when=first)
            return await growing if growing.done() else thread

    def _show_new(self, seen: Thread, newest: Thread) -> Thread:
        for event in newest.events[seen.state.version :]:
            seen = seen.plus(event)
            text, style = format_news(seen, event, self.actor)
            if text:
                self.screen.say(text, style)
        return seen

    async def _settle(self, thread: Thread, wait: OpenWait) -> bool:
        """Ask the person, unless somebody else is faster; return False if the wait is left open."""
        headline, *rest = describe_wait(wait, self.actor, await self.app.ports.store.now())
        self.screen.say()
        self.screen.show([headline], "bold yellow")
        self.screen.show(f"  {text}" for text in rest)
        if self.stand_in and not (self.answerer and self._is_for_me(wait)):
            return await self._give(thread, wait, *self.stand_in(thread, wait))
        if self.answerer is None:
            return False
        async with _run_meanwhile(self._answer(thread, wait, self.answerer)) as asking:
            newest = thread
            while not asking.done() and await self._is_open(newest, wait):
                newest = await self._watch(newest, asking, 0.5)
            if asking.done():
                return await asking
        self.screen.say()
        return True

    async def _answer(self, thread: Thread, wait: OpenWait, answerer: Answerer) -> bool:
        if not self._is_for_me(wait):
            self.screen.say("Waiting. Ctrl-C leaves; nothing is lost.")
            await asyncio.Event().wait()
        asked = Asked(self.app.ports, thread, wait, self.actor)
        try:
            given = await answerer(self.screen, asked)
            if given is None:
                return False
            await give_answer(asked, given)
        except Refused as error:
            self.screen.show(mark_lines("Not accepted: ", clean(str(error))), "red")
        return True

    async def _give(self, thread: Thread, wait: OpenWait, actor: str, given: Answer) -> bool:
        asked = Asked(self.app.ports, thread, wait, actor)
        try:
            if given.call is not None:
                given = await show_edit(self.screen, asked, given.call)
            await give_answer(asked, given)
        except Refused:
            if await self._is_open(await self.app.ports.store.load(thread.id), wait):
                raise
        return True

    def _is_for_me(self, wait: OpenWait) -> bool:
        return wait.admits(self.actor) and wait.kind != "timer"

    async def _is_open(self, thread: Thread, wait: OpenWait) -> bool:
        now, open_wait = await self.app.ports.store.now(), thread.state.wait
        over = wait.expires_at is not None and wait.expires_at <= now
        return not over and open_wait is not None and open_wait.seq == wait.seq


def format_news(seen: Thread, event: Event, actor: str) -> tuple[str, str]:
    """Return what somebody who follows the thread wants to know of its last event, and a style.

    A call is shown when it starts: until then a person may be asked about it, edit it or drop it.
    """
    sentence, step = describe_event(seen, event), seen.state.step
    match event.type:
        case "tool_started" if step and step.seq == event.data["step"]:
            again = " (again: the last run reported no result)" if step.starts > 1 else ""
            return f"  ▸ {format_call(step.call)}{again}", "cyan"
        case "tool_finished":
            return f"    → {shorten(format_value(event.data['output']))}", ""
        case "tool_failed":
            return f"    ✗ {shorten(event.data['error'])}", "red"
        case "invalid_step" | "discarded" | "compacted":
            return f"  ! {sentence.line}", "yellow"
        case "message" if event.actor == actor or event.data.get("facts") == {}:
            return "", ""
        case "message" | "resumed" | "reminded" | "revoked":
            return f"  · {sentence.who} {sentence.line}", "dim"
        case "cancelled":
            return f"  ■ {sentence.who} {sentence.line}", "red"
    return "", ""


def _format_end(thread: Thread) -> str:
    last = next((past for past in reversed(thread.events) if past.type != "delivered"), None)
    if last and last.type == "finished":
        return str(last.data["message"])
    return f"Cancelled by {last.actor}." if last else ""


@asynccontextmanager
async def _run_meanwhile(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` inside the `with` block, and cancel it at its end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

"""What a client can do with the agent: start it, follow it, answer its questions, and no more.

A model never approves: an approval, a limit or a doubt comes back with where a person decides.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..index import Which
from ..log.errors import AgentError, Forgotten, Refused, ThreadNotFound
from ..log.events import cap_event, make_event
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop import api
from ..loop.conversations import find_waiting
from ..loop.ports import Ports
from ..loop.store import find_summary
from ..people.access import check_reader, check_sender, list_names
from ..redaction import redact_event
from ..runners.app import App
from .links import describe_way
from .requests import Answer, ListWaiting, Start, Status, WaitFor

SOURCE = "mcp"
Found = dict[str, Any]


@dataclass(frozen=True)
class Tools:
    """Each method is one tool; all raise AgentError with what was wrong."""

    app: App

    async def start(self, request: Start, actor: str) -> Found:
        ports, delivery = self.app.ports, f"{SOURCE}:{actor}:{request.key}"
        if request.agent and request.agent not in ports.agents:
            known = ", ".join(ports.agents)
            raise AgentError(f"there is no agent {request.agent!r}; the agents are {known}")
        thread_id = api.name_thread(SOURCE, actor, f"key:{request.key}")
        await check_sender(ports, thread_id, actor)
        thread = await api.launch(
            ports,
            thread_id,
            request.text,
            actor=actor,
            delivery=delivery,
            source=SOURCE,
            agent=request.agent or "",
            strict=request.agent is not None,
        )
        _check_same(ports, thread, delivery, request.text)
        self.app.runner.wake(thread.id)
        return await self._describe(thread, actor)

    async def status(self, request: Status, actor: str) -> Found:
        return await self._describe(await self._load(request.thread, actor), actor)

    async def wait_for(self, request: WaitFor, actor: str) -> Found:
        thread = await self._load(request.thread, actor)
        with suppress(TimeoutError):
            async with asyncio.timeout(request.seconds):
                await self._wait(thread)
        return await self._describe(await self._load(request.thread, actor), actor)

    async def _wait(self, thread: Thread) -> None:
        """Return once a thread, with the children it waits for, has ended or needs somebody."""
        store = self.app.ports.store
        while True:
            last = await find_waiting(store, thread)
            if last.state.wait or (last.id == thread.id and last.state.ended):
                return
            await store.grown(thread if last.state.ended else last)
            thread = await store.load(thread.id)

    async def answer(self, request: Answer, actor: str) -> Found:
        thread = await self._load(request.thread, actor)
        wait = thread.state.wait
        if wait and wait.seq == request.wait and wait.kind != "question":
            way = " ".join(describe_way(thread.id, wait.seq).values())
            raise Refused(f"a person decides on this {wait.kind}, not you: {way}")
        thread = await api.resume(
            self.app.ports, thread.id, request.wait, "answer", actor=actor, text=request.text
        )
        self.app.runner.wake(thread.id)
        return await self._describe(thread, actor)

    async def list_waiting(self, request: ListWaiting, actor: str) -> Found:
        ports = self.app.ports
        found = await ports.store.waits(Which(list_names(ports, actor)), request.limit)
        waits = [
            {"thread": each.thread.id, "title": each.thread.title}
            | _describe_wait(each.thread.id, OpenWait.of(each.paused), actor)
            for each in found
        ]
        return {"waiting": waits}

    async def _load(self, thread_id: str, actor: str) -> Thread:
        return await load_readable(self.app.ports, thread_id, actor)

    async def _describe(self, thread: Thread, actor: str) -> Found:
        state, ports = thread.state, self.app.ports
        found: Found = {"thread": thread.id, "status": state.status}
        found["agent"] = state.agent or ports.default.name
        if state.wait:
            found["waiting"] = _describe_wait(thread.id, state.wait, actor)
        last = thread.events[-1]
        ended = next((past for past in reversed(thread.events) if past.type == "finished"), None)
        if state.ended == "finished" and ended:
            found["result"] = ended.data["message"]
        if state.ended == "cancelled" and last.type == "cancelled":
            found["reason"] = last.data.get("reason", "")
        row = await find_summary(ports.store, thread.id)
        if row and row.problem:
            found["problem"] = row.problem
        return found


async def load_readable(ports: Ports, thread_id: str, actor: str) -> Thread:
    """Load a thread that somebody may read. Raises ThreadNotFound, whatever the reason."""
    try:
        thread = await ports.store.load(thread_id)
    except Forgotten:
        raise ThreadNotFound(f"there is no thread {thread_id!r}") from None
    await check_reader(ports, thread, actor)
    return thread


def _describe_wait(thread_id: str, wait: OpenWait, actor: str) -> Found:
    asked: Found = {"wait": wait.seq, "kind": wait.kind, "text": wait.text}
    if child := wait.data.get("child"):
        return asked | {"for": "the agent of another thread", "child": child}
    if wait.kind != "question":
        return asked | {"for": "a person"} | describe_way(thread_id, wait.seq)
    options = wait.data.get("options") or {}
    choices = {"choices": options["choices"]} if options.get("choices") else {}
    return asked | choices | {"yours": wait.admits(actor)}


def _check_same(ports: Ports, thread: Thread, delivery: str, text: str) -> None:
    """Check that the message of a key says this; a key that came before started nothing."""
    said = thread.find(f"in:{delivery}")
    meant = cap_event(redact_event(make_event("message", text=text), ports.redact))
    if said and said.data["text"] != meant.data["text"]:
        raise Refused("this key came with another text before; take another key")

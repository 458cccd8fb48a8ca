"""What a process of the simulated world is plugged into: a model, tools and a channel that fail."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agent.engine.context.window import Prompt
from agent.engine.log.errors import ModelRefused, ModelUnavailable, PromptTooLong, ToolError
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Call, Tool, Wait
from agent.engine.loop.ports import Reply, Sent

from ..domain import Put
from .checker import Checker
from .policy import JOBS, LARGE, MEDIUM, SMALL
from .process import Process

THINKS_S, RUNS_S = 3.0, 2.0
"""How long the model and a tool usually take at most."""
RISK = 5.0
"""It is here that a death or a stop is hard to recover from."""
JOB_S = 40.0
"""How long a thread waits for a job."""
DONE: Any = {"intent": "done", "message": "bye"}
REPLIES: list[Any] = [
    {"intent": "look", "at": "the door"},
    {"intent": "put", "value": "a lamp"},
    {"intent": "put", "value": "a job"},
    {"intent": "charge", "amount": SMALL},
    *[{"intent": "charge", "amount": MEDIUM}] * 2,
    {"intent": "charge", "amount": LARGE},
    {"intent": "ask_person", "question": "Which?"},
    {"intent": "sleep", "seconds": 10},
    DONE,
]
IN_SHORT = "In short?"
"""The question for a summary."""
WRONG: list[Any] = [
    PromptTooLong("the prompt is too long", cause="length"),
    ModelUnavailable("the model is busy"),
    ModelUnavailable("too many requests", 3.0),
    *[ModelRefused("the key is wrong", cause="key")] * 3,
    {"intent": "unhandled"},
    {"intent": "no such step"},
]


@dataclass
class Model:
    """Says anything; once `calm`, that it is done."""

    checker: Checker
    calm: bool = False
    replies: int = 0

    async def answer(self, process: Process, prompt: Prompt) -> Reply:
        await process.pause("to ask the model")
        await process.take(THINKS_S)
        wrong = process.happens("model")
        said = [{"intent": "summarize", "summary": "It was so."}]
        right = said if prompt.ask == IN_SHORT else [DONE] if self.calm else REPLIES
        reply = process.chance.choice(WRONG if wrong else right)
        if isinstance(reply, Exception):
            raise reply
        await process.pause("after the model answered", RISK)
        self.replies += 1
        name = f"reply {self.replies}"
        self.checker.see_reply(prompt, name)
        other = "first" if process.happens("model") else ""
        text, tokens = json.dumps({"next_step": reply}), {"input": 10, "output": 5}
        return Reply(text, tokens, model=name, instead_of=other)


@dataclass(frozen=True)
class Tools:
    checker: Checker
    process: Process
    start_job: Callable[[str], None]
    """Called with the key of the call, which the job reports under."""
    disturb: Callable[[str], None]
    """Called with a thread while its tool runs."""
    blocking: frozenset[str]
    """Those that are not async."""

    def find(self, name: str) -> Tool:
        async def run(step: Any, call: Call) -> Any:
            process = self.process
            await process.pause(f"to run {name}", RISK)
            if process.happens("tool"):
                raise ToolError("not today")
            self.checker.see_effect(step, call)
            if process.happens("disturb"):
                self.disturb(call.thread.id)
            await process.take(RUNS_S)
            await process.pause(f"after {name} ran", RISK)
            if process.happens("tool"):
                raise process.chance.choice((ValueError("who knows"), SystemExit(1)))
            if isinstance(step, Put) and step.value == "a job":
                self.start_job(call.key)
                return Wait("a job", JOB_S, "job", (JOBS, "owner"))
            return f"{name} {process.chance.randrange(100)}"

        return Blocking(run) if name in self.blocking else run


@dataclass(frozen=True)
class Blocking:
    """A tool that is not async. Nobody can stop it: it goes on though nobody waits for it."""

    run: Callable[[Any, Call], Awaitable[Any]]

    def __call__(self, step: Any, call: Call) -> Any:
        raise AssertionError("it runs in a thread")


async def run_in_thread(tool: Blocking, *args: Any) -> Any:
    """Take the place of `blocking.run_in_thread`, in virtual time."""

    async def run() -> Any:
        try:
            return await tool.run(*args)
        except SystemExit as error:
            raise RuntimeError(f"SystemExit: {error}") from None

    work = asyncio.create_task(run())
    work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return await asyncio.shield(work)


@dataclass(frozen=True)
class Home:
    """A channel that wants to know when a wait is closed."""

    checker: Checker
    process: Process

    async def send(self, thread: Thread, event: Event) -> Sent:
        await self.process.pause(f"to send {event.type}", RISK)
        self.checker.tried[thread.id, event.seq] += 1
        self.process.may_fail("channel", "the channel")
        self.checker.see_sent(thread.id, event)
        await self.process.pause(f"after {event.type} was sent", RISK)
        self.process.may_fail("channel", "the channel")
        return Sent(receipt={"sent": event.seq} if event.type == "paused" else {})

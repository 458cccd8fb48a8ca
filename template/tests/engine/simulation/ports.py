"""What a process of the simulated world is plugged into: a model, tools and a channel that fail."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.engine.context.window import Prompt
from agent.engine.log.errors import ModelRefused, ModelUnavailable, ToolError
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
WRONG: list[Any] = [
    ModelUnavailable("the model is busy"),
    ModelUnavailable("too many requests", 3.0),
    ModelRefused("the key is wrong", cause="key"),
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
        reply = process.chance.choice(WRONG if wrong else REPLIES)
        if isinstance(reply, Exception):
            raise reply
        await process.pause("after the model answered", RISK)
        self.replies += 1
        name = f"reply {self.replies}"
        self.checker.see_reply(prompt, name)
        text = json.dumps({"next_step": DONE if self.calm else reply})
        return Reply(text, {"input": 10, "output": 5}, model=name)


@dataclass(frozen=True)
class Tools:
    checker: Checker
    process: Process
    start_job: Callable[[str], None]
    """Called with the key of the call, which the job reports under."""

    def find(self, name: str) -> Tool:
        async def run(step: Any, call: Call) -> Any:
            process = self.process
            await process.pause(f"to run {name}", RISK)
            if process.happens("tool"):
                raise ToolError("not today")
            self.checker.see_effect(step, call)
            await process.take(RUNS_S)
            await process.pause(f"after {name} ran", RISK)
            if process.happens("tool"):
                raise process.chance.choice((ValueError("who knows"), SystemExit(1)))
            if isinstance(step, Put) and step.value == "a job":
                self.start_job(call.key)
                return Wait("a job", JOB_S, "job", (JOBS, "owner"))
            return f"{name} {process.chance.randrange(100)}"

        return run


@dataclass(frozen=True)
class Home:
    """A channel that wants to know when a wait is closed."""

    checker: Checker
    process: Process

    async def send(self, thread: Thread, event: Event) -> Sent:
        await self.process.pause(f"to send {event.type}", RISK)
        self.checker.tried[thread.id, event.seq] += 1
        self.process.may_fail("channel", "the channel")
        self.checker.sent.add((thread.id, event.seq))
        await self.process.pause(f"after {event.type} was sent", RISK)
        self.process.may_fail("channel", "the channel")
        return Sent(receipt={"sent": event.seq} if event.type == "paused" else {})

"""Checks a simulated world while it runs: every event, effect, lease and promise to somebody."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from agent.engine.context.window import Prompt
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Call
from agent.engine.loop.advance import MAX_DELIVERIES
from agent.engine.loop.store import Claim

from .reading import Reading

CHARGED = ("step", "invalid_step", "discarded", "compacted")
"""Events that record what a reply of the model cost."""

SHORT = ("text", "call", "step", "start", "wait", "verdict", "kind", "ref", "error", "message")
"""What the story says of an event."""
CLOCK_S = 0.001
"""More than a time since 1970 may be wrong by, as a float."""


@dataclass
class Lease:
    holder: str
    until: float


@dataclass
class Checker:
    reliable: bool = False
    """No process dies or is late in this world, so none is taken for dead."""
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    problems: list[str] = field(default_factory=list)
    threads: dict[str, Reading] = field(default_factory=lambda: defaultdict(Reading))
    story: list[str] = field(default_factory=list)
    """What happened, in words."""
    sent: set[tuple[str, int]] = field(default_factory=set)
    """The events that people were notified of, by thread."""
    tried: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often somebody tried to notify them."""
    _promised: list[tuple[str, str]] = field(default_factory=list)
    """Messages whose sender was told that they are stored: thread and key."""
    _prompts: dict[str, str] = field(default_factory=dict)
    _replies: set[str] = field(default_factory=set)
    _leases: dict[str, Lease] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    """Deleted threads."""
    _ran: set[tuple[str, int]] = field(default_factory=set)

    def note(self, what: str) -> None:
        """Tell the next bit of the story."""
        self.story.append(f"{asyncio.get_running_loop().time():8.2f}  {what}")

    def fail(self, problem: str) -> None:
        self.problems.append(problem)
        self.note(f"BROKEN: {problem}")
        self.broken.set()

    def see_call(self, method: str, args: tuple[Any, ...], result: Any) -> None:
        """See a call of the store, at the moment it was done."""
        match method:
            case "append":
                for event in result.events[args[0].state.version :]:
                    self.see_event(result.id, event)
                if result.events != tuple(self.threads[result.id].log):
                    self.fail(f"{result.id}: an older event has changed")
            case "forget":
                self.note(f"{args[0].id[:4]} is deleted")
                if not self.threads.pop(args[0].id).ended:
                    self.fail(f"{args[0].id} is deleted, and had not ended")
                self._gone.add(args[0].id)
            case "claim" if result:
                self._see_claim(result, *args[:2])
            case "renew":
                for lease in self._leases.values():
                    if lease.holder in args[0]:
                        lease.until = asyncio.get_running_loop().time() + args[1]
            case "release":
                held = self._leases.get(args[1].id)
                if held and held.holder == args[0]:
                    del self._leases[args[1].id]

    def see_event(self, thread_id: str, event: Event) -> None:
        about = {name: each for name, each in event.data.items() if name in SHORT}
        self.note(f"{thread_id[:4]}: {event.seq} {event.type} by {event.actor} {about}")
        reading = self.threads[thread_id]
        if thread_id in self._gone:
            self.fail(f"{thread_id} is deleted, and has a new event")
        for problem in reading.read(event):
            self.fail(f"{thread_id}, event {event.seq}: {problem}")
        if event.type == "step":
            prompt = self._prompts[event.data["model"]]
            for past in reading.log[:-1]:
                if past.data.get("source") == "user" and past.data["text"] not in prompt:
                    self.fail(f"{thread_id}: step {event.seq} does not know message {past.seq}")
        if event.type in CHARGED and "model" in event.data:
            if event.data["model"] in self._replies:
                self.fail(f"{thread_id}, event {event.seq}: one reply is charged twice")
            self._replies.add(event.data["model"])
        if event.data.get("source") == "user":
            texts = [past.data.get("text") for past in reading.log if past.type == "message"]
            if texts.count(event.data["text"]) > 1:
                self.fail(f"{thread_id}, event {event.seq}: one message is there twice")

    def _see_claim(self, claim: Claim, holder: str, ttl_s: float) -> None:
        thread_id = claim.thread_id
        if self.reliable and claim.crashes:
            self.fail(f"{thread_id} is taken over, and its runner lives")
        held, now = self._leases.get(thread_id), asyncio.get_running_loop().time()
        if held and held.holder != holder and held.until > now + CLOCK_S:
            self.fail(f"{thread_id} is claimed while somebody holds its lease")
        self._leases[thread_id] = Lease(holder, now + ttl_s)

    def see_reply(self, prompt: Prompt, reply: str) -> None:
        """See what the model read before a reply, which has a name of its own."""
        self._prompts[reply] = "\n".join(prompt.blocks)

    def see_effect(self, step: Any, call: Call) -> None:
        """See that a tool changes the world."""
        thread, start = call.thread.id, call.thread.events[-1]
        if thread in self._gone:
            return
        reading, arguments = self.threads[thread], step.model_dump()
        self.note(f"{thread[:4]}: {arguments} happens")
        if start not in reading.log[-1:] + reading.log[start.seq - 1 : start.seq]:
            self.fail(f"{thread}: {step.intent} runs, and no start is in the log")
        elif start.type != "tool_started" or start.data["idempotency_key"] != call.key:
            self.fail(f"{thread}: {step.intent} runs, and event {start.seq} is not its start")
        elif reading.runs[start.seq] != arguments:
            self.fail(f"{thread}: {arguments} runs instead of {reading.runs[start.seq]}")
        if (thread, start.seq) in self._ran:
            self.fail(f"{thread}: the start {start.seq} is run twice")
        self._ran.add((thread, start.seq))

    def see_stored(self, thread_id: str, delivery: str) -> None:
        """See that a sender was told that a message is stored."""
        self._promised.append((thread_id, f"in:{delivery}"))

    def see_answered(self, thread: Thread, wait: int, **answer: Any) -> None:
        """See that a person was told that their answer counts."""
        if thread.id in self._gone:
            return
        log = self.threads[thread.id].log
        found = [each for each in log if each.key == f"answer:{wait}"]
        if not found or found[0].actor != answer["actor"]:
            self.fail(f"{thread.id}: the answer to {wait} is not that of {answer['actor']}")
        elif found[0].data["verdict"] != answer["verdict"]:
            self.fail(f"{thread.id}: the answer to {wait} is not {answer['verdict']}")
        shown = log[wait - 1].data.get("digest", "")
        if answer["verdict"] == "approve" and answer["digest"] != shown:
            self.fail(f"{thread.id}: {answer['actor']} approved another call than they were shown")

    def see_end(self) -> None:
        """Check what must be true once nothing fails any more and people have answered."""
        for thread_id, reading in self.threads.items():
            keys = {event.key for event in reading.log}
            if not reading.ended:
                self.fail(f"{thread_id} does not come to an end")
            polls = reading.log[0].data["reply_to"] == "poll:"
            for event in () if polls else reading.log:
                if event.type == "finished" and f"delivered:{event.seq}" not in keys:
                    self.fail(f"{thread_id}: nobody was notified of event {event.seq}")
            for data in [each.data for each in reading.log if each.type == "delivered"]:
                place = (thread_id, data["ref"])
                died = "process died" in data.get("error", "")
                gone = died or ("error" in data and self.tried[place] >= MAX_DELIVERIES)
                if place not in self.sent and "same_as" not in data and not gone:
                    self.fail(f"{thread_id}: event {data['ref']} is delivered and was never sent")
        for thread_id, key in self._promised:
            keys = {event.key for event in self.threads[thread_id].log}
            if key not in keys and thread_id not in self._gone:
                self.fail(f"{thread_id}: the message {key!r} is lost")

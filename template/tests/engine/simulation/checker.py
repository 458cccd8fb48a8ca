"""Checks a simulated world while it runs: every event, effect, lease and promise to somebody."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent.engine.context.window import Prompt
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Call
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
    clock: Callable[[], float] = time.time
    """That of the store, which people set."""
    forks: int = 0
    """How many requests to copy a thread were made."""
    released: set[tuple[str, int]] = field(default_factory=set)
    """Waits whose cause a person continued: they close without an answer."""
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    problems: list[str] = field(default_factory=list)
    threads: dict[str, Reading] = field(default_factory=lambda: defaultdict(Reading))
    story: list[str] = field(default_factory=list)
    """What happened, in words."""
    sent: set[tuple[str, int]] = field(default_factory=set)
    """The events that people were notified of, by thread."""
    tried: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often somebody tried to notify them."""
    promised: list[tuple[str, str]] = field(default_factory=list)
    """Messages whose sender was told that they are stored: thread and key."""
    gone: set[str] = field(default_factory=set)
    """Deleted threads."""
    _latest: float = 0.0
    """The latest time that the clock has shown."""
    _copies: int = 0
    _notices: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When a notice of each cause was claimed last, and which one."""
    _claimed: set[tuple[str, str]] = field(default_factory=set)
    """Causes, and those who might notify people of them."""
    _prompts: dict[str, str] = field(default_factory=dict)
    _replies: set[str] = field(default_factory=set)
    _leases: dict[str, Lease] = field(default_factory=dict)
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
                new = result.events[args[0].state.version :]
                copied = any(event.type == "forked" for event in new)
                for event in new:
                    self.see_event(result.id, event, copied)
                self._copies += copied
                if self._copies > self.forks:
                    self.fail(f"{result.id}: one request made two copies of a thread")
                if result.events != tuple(self.threads[result.id].log):
                    self.fail(f"{result.id}: an older event has changed")
            case "forget":
                self.note(f"{args[0].id[:4]} is deleted")
                if self._is_held(args[0].id):
                    self.fail(f"{args[0].id} is deleted while somebody runs it")
                if not self.threads.pop(args[0].id).ended:
                    self.fail(f"{args[0].id} is deleted, and had not ended")
                self.gone.add(args[0].id)
            case "claim_notice" if result:
                self._see_notice(*args)
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

    def see_time(self) -> datetime:
        """See what time it is; return the latest that it ever was."""
        self._latest = max(self._latest, self.clock())
        return datetime.fromtimestamp(self._latest, UTC)

    def see_event(self, thread_id: str, event: Event, copied: bool) -> None:
        about = {name: each for name, each in event.data.items() if name in SHORT}
        self.note(f"{thread_id[:4]}: {event.seq} {event.type} by {event.actor} {about}")
        reading = self.threads[thread_id]
        if thread_id in self.gone:
            self.fail(f"{thread_id} is deleted, and has a new event")
        waited = reading.wait
        for problem in reading.read(event, self.see_time()):
            self.fail(f"{thread_id}, event {event.seq}: {problem}")
        if copied:
            return
        if waited and event.data.get("verdict") == "continue" and event.actor != "system":
            self._release(thread_id, waited.data.get("cause"), event.actor)
        if event.data.get("definite") and (thread_id, event.data.get("start")) in self._ran:
            self.fail(f"{thread_id}, event {event.seq}: it says that nothing happened")
        if event.type == "step":
            prompt = self._prompts[event.data["model"]]
            short = [past.data["upto"] for past in reading.log if past.type == "compacted"]
            for past in reading.log[max(short, default=0) : -1]:
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

    def _release(self, thread_id: str, cause: str | None, by: str) -> None:
        """Remember which waits end because somebody continued another one with the same cause."""
        for other, reading in self.threads.items():
            wait = reading.wait
            if cause and wait and wait.data.get("cause") == cause and other != thread_id:
                self.released |= {(other, wait.seq)} if by in wait.data["audience"] else set()

    def _see_notice(self, cause: str, every_s: float, by: str) -> None:
        at, last = self._notices.get(cause, (-every_s, by))
        if by != last and self.clock() - at < every_s:
            self.fail(f"people are notified of one cause by {last} and by {by}")
        self._notices[cause] = (self.clock(), by)
        self._claimed.add((cause, by))

    def see_sent(self, thread_id: str, event: Event) -> None:
        """See that people are notified of an event."""
        self.sent.add((thread_id, event.seq))
        cause = event.data.get("cause")
        if cause and (cause, f"{thread_id}:{event.seq}") not in self._claimed:
            self.fail(f"{thread_id}: people are notified of {event.seq} once for each thread")

    def _see_claim(self, claim: Claim, holder: str, ttl_s: float) -> None:
        thread_id = claim.thread_id
        if self.reliable and claim.crashes:
            self.fail(f"{thread_id} is taken over, and its runner lives")
        if self._is_held(thread_id) and self._leases[thread_id].holder != holder:
            self.fail(f"{thread_id} is claimed while somebody holds its lease")
        self._leases[thread_id] = Lease(holder, asyncio.get_running_loop().time() + ttl_s)

    def _is_held(self, thread_id: str) -> bool:
        now, held = asyncio.get_running_loop().time(), self._leases.get(thread_id)
        return held is not None and held.until > now + CLOCK_S

    def see_reply(self, prompt: Prompt, reply: str) -> None:
        """See what the model read before a reply, which has a name of its own."""
        self._prompts[reply] = "\n".join(prompt.blocks)

    def see_effect(self, step: Any, call: Call) -> None:
        """See that a tool changes the world."""
        thread, start = call.thread.id, call.thread.events[-1]
        if thread in self.gone:
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
        self.promised.append((thread_id, f"in:{delivery}"))

    def see_answered(self, thread: Thread, wait: int, **answer: Any) -> None:
        """See that a person was told that their answer counts."""
        if thread.id in self.gone:
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

    def see_refused(self, thread_id: str, wait: int, **answer: Any) -> None:
        """See that a person's answer is refused: then the log has another one than theirs."""
        log = self.threads[thread_id].log if thread_id in self.threads else []
        shown = log[wait - 1].data.get("digest", "") if log else ""
        meant = {**answer, "standing": "standing" in answer, "call": answer.get("call")}
        for past in [each for each in log if each.key == f"answer:{wait}"]:
            data = past.data
            known = {"verdict": data["verdict"], "actor": past.actor, "digest": shown}
            if meant == known | {"standing": "standing" in data, "call": data.get("call")}:
                self.fail(f"{thread_id}: {past.actor} is refused their own answer to {wait}")

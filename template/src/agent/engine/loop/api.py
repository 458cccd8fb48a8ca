"""Factor 6: launch, pause and resume with simple APIs.

Every way in ends here: a trigger authenticates somebody and calls one of these. Each appends
one fact and returns; none runs the loop. Pausing needs no call: the loop returns.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

from ..log.errors import Forgotten, Refused, Unavailable
from ..log.events import CallJson, Event, compute_digest, make_event
from ..log.state import is_person
from ..log.thread import Thread, idempotency_key
from .clock import keep_time
from .conversations import NAMESPACE, address, find_conversation
from .ports import Ports
from .record import append_fact, append_once, find_end
from .verdicts import check_answer, check_edit, find_open_wait


def name_thread(trigger: str, scope: str, conversation: str) -> str:
    """Name the thread of a conversation: the same on every machine, and no trigger's own
    can name another's."""
    return str(uuid5(NAMESPACE, json.dumps([trigger, scope, conversation])))


async def launch(
    ports: Ports,
    thread_id: str,
    text: str,
    *,
    actor: str,
    delivery: str,
    source: str,
    reply_to: str = "poll:",
    agent: str = "",
    strict: bool = False,
) -> Thread:
    """Append a message to a thread, which starts with it if it is new.

    `delivery` names this one message at its sender: the same one is stored once, however often
    it arrives. `agent` names whom a new thread is for, the default agent if it is empty; `strict`
    refuses a thread that is another agent's. When this returns, the message cannot be lost.

    Raises:
        AgentGone: there is no such agent.
        Refused: `strict`, and the thread is another agent's.
        Forgotten: this very message was for a thread that was deleted.
    """
    name = ports.get_agent_named(agent).name
    where = {"source": source, "reply_to": reply_to, "agent": name}
    said = make_event("message", actor, f"in:{delivery}", text=text, **where)

    async def start(thread: Thread) -> Event:
        known = thread.state.agent or ports.default.name
        if strict and thread.events and known != name:
            raise Refused(f"this conversation is with the agent {known!r}, not {name!r}")
        return await address(ports.store, thread, said)

    while True:
        try:
            return await append_fact(ports.store, Thread(thread_id), start)
        except Forgotten:
            thread_id = await find_conversation(ports.store, thread_id, f"in:{delivery}")


async def append_message(
    ports: Ports, thread_id: str, text: str, *, actor: str, delivery: str, source: str
) -> Thread:
    """Append a message to a thread that exists.

    Raises:
        ThreadNotFound: no such thread.
        Refused: it was delegated and has ended; its parent has the result.
    """
    said = make_event("message", actor, f"in:{delivery}", text=text, source=source)

    async def check(thread: Thread) -> Event:
        parent, known = thread.state.parent, thread.find(f"in:{delivery}")
        if parent and thread.state.ended and not known:
            raise Refused(f"this thread has ended; write to the one that delegated it, {parent}")
        return await address(ports.store, thread, said)

    return await append_fact(ports.store, await ports.store.load(thread_id), check)


async def resume(
    ports: Ports,
    thread_id: str,
    wait: int,
    verdict: str,
    *,
    actor: str,
    text: str = "",
    digest: str = "",
    call: CallJson | None = None,
    standing: bool = False,
) -> Thread:
    """Factor 7: close a wait with a person's verdict (`VERDICTS`), checked on the newest version.
    The same answer of the same person, given again, changes nothing and is not refused.

    `digest` is that of the call the person was shown. `call` is what an `edit` puts in its place,
    and then the digest is that of `preview_edit`, or of the call before it. `standing` approves
    later calls of the thread too, those within the scope that was shown.

    Raises:
        ThreadNotFound: no such thread.
        Refused: the wait is closed, the actor is not asked, or the verdict does not fit.
    """

    def answer(thread: Thread) -> Event:
        waiting = find_open_wait(thread, wait)
        check_answer(waiting, verdict, actor, digest, standing)
        data: dict[str, Any] = {"wait": wait, "verdict": verdict, "text": text}
        if verdict == "edit":
            data["call"] = check_edit(ports, thread, waiting, call, actor)
            if digest not in (compute_digest(data["call"]), waiting.data["digest"]):
                raise Refused("this is not the call you were shown; look again")
        if standing:
            scope = waiting.data["standing"]
            data["standing"] = {"intent": waiting.data["call"]["intent"], "values": scope}
        return make_event("resumed", actor, f"answer:{wait}", **data)

    thread = await keep_time(ports, await ports.store.load(thread_id))
    return await append_once(ports, thread, answer, lambda newest: newest.find(f"answer:{wait}"))


@dataclass(frozen=True)
class Preview:
    """An edit as it would run."""

    call: CallJson
    digest: str
    """Send it with the verdict `edit`."""


async def preview_edit(
    ports: Ports, thread_id: str, wait: int, call: CallJson | None, *, actor: str
) -> Preview:
    """Return the call that an edit would run, written as it will be kept. Records nothing.

    Raises:
        ThreadNotFound: no such thread.
        Refused: the wait is closed, the actor is not asked, or the call does not fit.
    """
    thread = await keep_time(ports, await ports.store.load(thread_id))
    waiting = find_open_wait(thread, wait)
    check_answer(waiting, "edit", actor, "")
    edited = check_edit(ports, thread, waiting, call, actor)
    return Preview(edited, compute_digest(edited))


async def revoke(ports: Ports, thread_id: str, approval: int, *, actor: str) -> Thread:
    """Revoke a standing approval, which is named by the event that gave it.

    Raises:
        ThreadNotFound: no such thread.
        Refused: there is none of that name (any more), or the actor is a machine.
    """

    def withdraw(thread: Thread) -> Event:
        if not is_person(actor):
            raise Refused(f"{actor} is not a person")
        if all(each.seq != approval for each in thread.state.standing):
            raise Refused(f"{approval} is not a standing approval (any more)")
        return make_event("revoked", actor, f"revoked:{approval}", approval=approval)

    thread, key = await ports.store.load(thread_id), f"revoked:{approval}"
    return await append_once(ports, thread, withdraw, lambda newest: newest.find(key))


async def rate(
    ports: Ports, thread_id: str, step: int, rating: str, *, actor: str, text: str = ""
) -> Thread:
    """Record what a person thinks of a step: `good` or `bad`. The last word of each counts.

    Raises:
        ThreadNotFound: no such thread.
        Refused: there is no such step, or it is none of the two words.
    """

    def judge(thread: Thread) -> Event:
        if rating not in ("good", "bad"):
            raise Refused(f"a step is good or bad, not {rating!r}")
        if step not in [past.seq for past in thread.events if past.type == "step"]:
            raise Refused(f"event {step} is not a step")
        return make_event("rated", actor, step=step, rating=rating, text=text)

    return await append_fact(ports.store, await ports.store.load(thread_id), judge)


async def report(ports: Ports, key: str, text: str, *, actor: str) -> Thread:
    """Close the wait that a tool returned; `key` is the one that the tool was called with.

    Raises:
        ThreadNotFound: the key is of no thread here.
        Refused: nothing waits for this (any more).
        Unavailable: the tool has not returned yet, or may have died of it; report again.
    """
    thread = await ports.store.load(key.rpartition(".")[0])
    unclear = thread.state.status in ("running", "waiting:in_doubt", "waiting:approval")
    if unclear and thread.state.step and idempotency_key(thread) == key:
        raise Unavailable("the tool that began this has not returned yet")
    wait = next((past.seq for past in reversed(thread.events) if past.data.get("job") == key), 0)
    return await resume(ports, thread.id, wait, "done", actor=actor, text=text)


async def cancel(ports: Ports, thread_id: str, *, actor: str, reason: str = "") -> Thread:
    """End a thread; a tool that runs may still report, and a message opens it again.

    Raises:
        ThreadNotFound: no such thread.
        Refused: it has ended already.
    """

    def stop(thread: Thread) -> Event:
        if thread.state.ended:
            raise Refused(f"the thread is {thread.state.status} already")
        return make_event("cancelled", actor, reason=reason)

    return await append_once(ports, await ports.store.load(thread_id), stop, find_end)


async def fork(ports: Ports, thread_id: str, at: int, *, actor: str, delivery: str) -> Thread:
    """Copy the first `at` events into a new thread that goes its own way.

    `delivery` names this one request: the same one is one copy, however often it arrives.

    It is cut back to before an open step and talks only to whoever follows it, so it repeats
    no effect and answers nobody in the original's conversation.

    Raises:
        ThreadNotFound: no such thread.
        Refused: `at` is none of its events, or nothing is left after the cut.
    """
    origin = await ports.store.load(thread_id)
    if not 1 <= at <= origin.state.version:
        raise Refused(f"{at} is not one of the events 1 to {origin.state.version}")
    events = origin.events[:at]
    while step := Thread("", events).state.step:
        if step.seq == 1:
            raise Refused(f"nothing is left of the thread before event {at}")
        events = events[: step.seq - 1]
    forked = make_event("forked", actor, f"forked:{thread_id}", thread=thread_id, seq=at)
    copy = Thread(name_thread("fork", thread_id, delivery))
    return await append_fact(ports.store, copy, lambda _: forked, *events)

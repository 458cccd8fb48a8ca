"""Factor 10: small, focused agents. Gives a task to another agent, in a thread of its own.

A child is named by the call that starts it, so there is one child however often the call is run.
What the threads of a family have to know of each other goes through their outboxes, and is never
given up: the end of a child, the cancellation of a parent, and what a person writes to a parent in
answer to a question of a child.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..log.errors import Forgotten, InvalidStep, Refused, ThreadNotFound, Unavailable
from ..log.events import Event, make_event
from ..log.thread import Thread, idempotency_key
from . import api
from .actions import Task, Wait
from .outcome import Outcome
from .ports import Ports
from .record import append_fact

MAX_DEPTH = 5
"""How many threads may be above one. It ends a circle of agents that delegate to each other."""


@dataclass(frozen=True)
class ChildWait(Wait):
    child: str = ""
    """The thread whose end is the result."""


def check_task(ports: Ports, thread: Thread, task: Task) -> None:
    """Raises InvalidStep where a thread cannot delegate a task."""
    if task.agent not in ports.agents:
        raise InvalidStep(f"there is no agent {task.agent!r} in app.py: {', '.join(ports.agents)}")
    if _count_above(thread) >= MAX_DEPTH:
        raise InvalidStep(f"{MAX_DEPTH} threads are above this one already, so it cannot delegate")


def describe_start(thread: Thread, task: Task) -> dict[str, Any]:
    """Return what `tool_started` records of the child that it starts."""
    child = api.name_thread("delegate", "", idempotency_key(thread))
    return {"child": child, "task": {"agent": task.agent, "text": task.text}}


async def start_child(ports: Ports, thread: Thread, task: Task) -> Outcome:
    """Start the child of the call whose start is the last event, and return a wait for its end.

    If an earlier run of the call started the child and it has ended, return its result.
    """
    start = thread.events[-1]
    try:
        child = await _create(ports, thread, start)
    except Forgotten:
        return Outcome(error=f"the thread of {task.agent} was deleted")
    if child.state.ended:
        verdict, text = _describe_end(find_end_of(child))
        return Outcome(text) if verdict == "done" else Outcome(error=text)
    doing = f"{task.agent} works on: {child.state.title}"
    return Outcome(ChildWait(doing, task.timeout_s, "job", (f"agent:{task.agent}",), child.id))


def list_children(thread: Thread) -> list[str]:
    """Return every thread that a thread delegated to, oldest first."""
    started = [past for past in thread.events if past.type == "tool_started"]
    forked = max((past.seq for past in thread.events if past.type == "forked"), default=0)
    ids = (
        str(past.data["child"]) for past in started if "child" in past.data and past.seq > forked
    )
    return list(dict.fromkeys(ids))


def concerns_family(thread: Thread, event: Event) -> bool:
    """Say whether the parent or a child of a thread has to know of an event."""
    passed = event.type == "message" and "to" in event.data
    return passed or (_is_end(event) and bool(thread.state.parent or thread.state.children))


async def deliver_to_family(ports: Ports, thread: Thread, event: Event) -> bool:
    """Let a thread's parent and children know of an event; return whether people are concerned.

    Raises:
        Unavailable: it has to be delivered again later.
    """
    if event.type == "message" and "to" in event.data:
        await _pass_on(ports, event)
        return False
    if not _is_end(event):
        return True
    if thread.state.parent:
        await report_end(ports, thread, event)
    if event.type == "finished":
        return not thread.state.parent
    await _cancel_children(ports, thread, event)
    return thread.before(event.seq).state.wait is not None


async def report_end(ports: Ports, child: Thread, end: Event) -> None:
    """Close the parent's wait with the end of a child, or record the end if it comes too late.

    Raises:
        Unavailable: the call that started the child has not returned yet, or the parent is not in
            this store; report again.
    """
    verdict, text = _describe_end(end)
    about = {"child": child.id, "end": end.seq, "spent": _count_spent(child, end)}

    def report(parent: Thread) -> Event:
        if any(_is_report(past, about) for past in parent.events):
            raise Refused("it was reported before")
        if (start := _find_start(parent, child.id)) is None:
            raise Refused("it was delegated by another thread")
        wait, step = parent.state.wait, parent.state.step
        if wait and parent.state.child == child.id:
            data = {"wait": wait.seq, "verdict": verdict, "text": text}
            return make_event("resumed", wait.audience[0], f"answer:{wait.seq}", **data, **about)
        if step and step.seq == start.data["step"] and not parent.state.ended:
            raise Unavailable("the call that started this thread has not returned yet")
        kind, data = "tool_finished", {"output": text}
        if verdict == "failed":
            kind, data = "tool_failed", {"error": text, "definite": True}
        late = {"step": start.data["step"], "start": start.seq, "late": True}
        return make_event(kind, "agent", f"late:{child.id}:{end.seq}", **late, **data, **about)

    try:
        parent = await ports.store.load(child.state.parent)
        with suppress(Refused, Forgotten):
            await append_fact(ports.store, parent, report)
    except Forgotten:
        return
    except ThreadNotFound as error:
        raise Unavailable(f"its parent cannot be notified: {error}") from error


async def _create(ports: Ports, parent: Thread, start: Event) -> Thread:
    """Return the child of a call, and append its first message if it does not exist yet."""
    task, state = start.data["task"], parent.state
    message: dict[str, Any] = {"text": task["text"], "source": "agent", "agent": task["agent"]}
    message |= {"reply_to": state.reply_to, "owner": state.owner, "parent": parent.id}
    message |= {"depth": _count_above(parent) + 1}
    by = f"agent:{state.agent or ports.default.name}"
    first = make_event("message", by, f"in:{start.data['idempotency_key']}", **message)
    return await append_fact(ports.store, Thread(start.data["child"]), lambda _: first)


async def _pass_on(ports: Ports, message: Event) -> None:
    """Append what a person wrote to the thread whose question it answers.

    Nothing is appended if the question is closed meanwhile: the parent has the message.
    """
    said = {"text": message.data["text"], "source": message.data["source"]}
    answer = make_event("message", message.actor, f"passed:{message.key}", **said)

    def check(child: Thread) -> Event:
        wait = child.state.wait
        if not (wait and wait.kind == "question" and wait.admits(message.actor)):
            raise Refused("nothing is asked any more")
        return answer

    with suppress(Refused, ThreadNotFound):
        await append_fact(ports.store, await ports.store.load(message.data["to"]), check)


async def _cancel_children(ports: Ports, parent: Thread, event: Event) -> None:
    """Cancel what a cancelled thread delegated, including what is about to be started."""
    for child_id in parent.state.children:
        with suppress(Refused, ThreadNotFound):
            if start := _find_start(parent, child_id):
                await _create(ports, parent, start)
            why = event.data.get("reason") or event.data.get("text") or ""
            reason = f"the thread that delegated this was cancelled{': ' * bool(why)}{why}"
            await api.cancel(ports, child_id, actor=event.actor, reason=reason)


def _is_report(event: Event, about: dict[str, Any]) -> bool:
    return all(event.data.get(name) == about[name] for name in ("child", "end"))


def _find_start(thread: Thread, child_id: str) -> Event | None:
    """Return the event that started a child; None where the log does not have it."""
    started = (past for past in thread.events if past.type == "tool_started")
    return next((past for past in started if past.data.get("child") == child_id), None)


def _is_end(event: Event) -> bool:
    stops = event.type == "resumed" and event.data["verdict"] == "stop"
    return stops or event.type in ("finished", "cancelled")


def find_end_of(ended: Thread) -> Event:
    """Return the event with which a thread ended."""
    return next(filter(_is_end, reversed(ended.events)))


def _describe_end(end: Event) -> tuple[str, str]:
    """Return the verdict on the parent's wait, and the result or the reason why there is none."""
    if end.type == "finished":
        return "done", str(end.data["message"])
    why = end.data.get("reason") or end.data.get("text") or ""
    return "failed", f"cancelled by {end.actor}{': ' * bool(why)}{why}"


def _count_spent(child: Thread, end: Event) -> dict[str, Any]:
    """Return what a child spent since the end before this one, with what its own children spent."""
    past = child.events[: end.seq]
    first = max((each.seq for each in past[:-1] if _is_end(each)), default=0)
    spent = [each.spent for each in past[first:]]
    return {"tokens": sum(tokens for tokens, _ in spent), "cost": sum(cost for _, cost in spent)}


def _count_above(thread: Thread) -> int:
    """Return how many threads are above one."""
    return int(thread.event(1).data.get("depth", 0)) if thread.state.parent else 0

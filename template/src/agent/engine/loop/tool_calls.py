"""Running the call the model chose: at most once where that matters, and never silently lost.

`tool_started` is written before the world is touched, and winning that append is the mutex.
A start without a result is a runner that died or stalled: what may be repeated is, with the
same key; of what may not, a person is asked.
"""

from dataclasses import dataclass
from typing import Any

from ..log.errors import Conflict, InvalidStep, ToolError
from ..log.events import CallJson, Event, compute_digest, make_event
from ..log.state import OpenStep, State
from ..log.thread import Thread, idempotency_key
from .actions import Ask, Call, Finish, Plain, Run, Task, Wait
from .consult import bind_model
from .delegate import ChildWait, check_task, describe_start, start_child
from .outcome import Outcome, attempt
from .ports import BoundAgent, Ports
from .record import (
    append_fact,
    compute_times,
    format_reason,
    list_approvers,
    make_wait,
    resolve_audience,
    resolve_or_owner,
    spell_out,
)

MAX_STARTS = 3


@dataclass(frozen=True)
class Planned:
    """What `decide` made of the open step."""

    event: Event
    """To be appended: the start of the tool, a wait, the end, or why it is refused."""
    agent: BoundAgent | None = None
    run: Run | None = None
    """The tool to call, once its start is in the log."""
    step: Any = None
    approver: str = ""


async def plan_action(ports: Ports, agent: BoundAgent, thread: Thread) -> Planned:
    """Ask `decide` about the open step, which may not be stored yet. Appends nothing.

    Raises:
        NobodyKnown: a person is to be asked, and nobody is known by that name.
    """
    step = _open(thread)
    try:
        typed, action = _decide(ports, agent, thread, step)
    except (InvalidStep, ToolError) as error:
        return Planned(make_event("tool_failed", step=step.seq, error=str(error), definite=True))
    match action:
        case Finish(message):
            return Planned(make_event("finished", message=message))
        case Ask():
            form = {"format": action.format, "choices": action.choices}
            options = {"urgency": action.urgency, **form}
            asked = _ask(ports, thread, action, "question", action.question, options=options)
            return Planned(await asked)
        case Wait(text, seconds, kind, audience):
            return Planned(await make_wait(ports, thread, kind, text, audience, seconds))
        case Run():
            call = agent.steps.write(typed)
            approver = _find_approver(ports, thread, step, action, call)
            if approver is None:
                return Planned(await _ask_approval(ports, thread, action, call))
            return Planned(_make_start(thread, approver, action), agent, action, typed, approver)


async def act(ports: Ports, agent: BoundAgent, thread: Thread) -> Thread:
    """Do what `decide` says of the open step, or ask for approval first."""
    planned = await plan_action(ports, agent, thread)
    return await run_planned(ports, await ports.store.append(thread, planned.event), planned)


async def run_planned(ports: Ports, thread: Thread, planned: Planned) -> Thread:
    """Call the tool whose start is the last event of a thread, if there is one to be called."""
    if planned.run is None or planned.agent is None:
        return thread
    action, ask_model = planned.run, bind_model(ports, planned.agent, thread)
    call = Call(idempotency_key(thread), planned.approver, thread, ask_model)
    if isinstance(action.tool, Task):
        outcome = await start_child(ports, thread, action.tool)
    else:
        outcome = await attempt(action.tool, planned.step, call, timeout_s=action.timeout_s)
    if action.effect == "once" and not outcome.definite:
        return await _doubt(ports, thread, list_approvers(thread, action), str(outcome.error))
    return await _report(ports, thread, thread.state.version, outcome)


def _make_start(thread: Thread, approver: str, action: Run) -> Event:
    about = {"approved_by": approver} if approver else {}
    about |= describe_start(thread, action.tool) if isinstance(action.tool, Task) else {}
    key = idempotency_key(thread)
    return make_event("tool_started", step=_open(thread).seq, idempotency_key=key, **about)


async def _ask_approval(ports: Ports, thread: Thread, action: Run, call: CallJson) -> Event:
    scope = {name: call[name] for name in action.standing}
    data: dict[str, Any] = {"call": call, "digest": compute_digest(call, scope)}
    data |= {"standing": scope} if scope else {}
    title = " ".join(str(action.title or "").split()) or spell_out(call["intent"])
    return await _ask(ports, thread, action, "approval", title, **data)


async def _ask(
    ports: Ports, thread: Thread, action: Run | Ask, kind: str, text: str, **data: Any
) -> Event:
    """Ask those the action names, or where they did not answer in time, those it escalates to."""
    asked = action.approvers if isinstance(action, Run) else action.audience
    if thread.state.escalated:
        asked = action.escalate or asked
    elif action.escalate:
        data |= {"escalate": resolve_audience(ports, thread, action.escalate)}
    times = {"expires_s": action.expires_s, "remind_s": action.remind_s}
    return await make_wait(ports, thread, kind, text, asked, **times, **data)


async def recover(ports: Ports, agent: BoundAgent, thread: Thread) -> Thread:
    """Settle a call that was started and never reported: crashed, stalled or killed."""
    step, later = _open(thread), thread.events[_open(thread).seq :]
    stopped = any(event.type == "cancelled" for event in later)
    why = "the process stopped before it reported a result"
    try:
        typed, action = _decide(ports, agent, thread, step)
    except (InvalidStep, ToolError) as error:
        return await _doubt(ports, thread, (), f"{why}, and today {error}")
    named = list_approvers(thread, action) if isinstance(action, Run) else ()
    unclear = not isinstance(action, Run) or action.effect == "once" or stopped
    if not isinstance(action, Run) or (unclear and not isinstance(action.tool, Task)):
        return await _doubt(ports, thread, named, why)
    approver = _find_approver(ports, thread, step, action, agent.steps.write(typed))
    if approver is None:
        why = f"{why}, and {step.approved_by or 'nobody'} may not approve it today"
        return await _doubt(ports, thread, named, why)
    if step.starts < MAX_STARTS:
        again = Planned(_make_start(thread, approver, action), agent, action, typed, approver)
        return await run_planned(ports, await ports.store.append(thread, again.event), again)
    why = f"{why}, {step.starts} times"
    if action.effect == "idempotent":
        return await _doubt(ports, thread, named, why)
    return await _report(ports, thread, 0, Outcome(error=why, definite=False))


def _open(thread: Thread) -> OpenStep:
    assert thread.state.step, "plan() never says act or recover without an open step"
    return thread.state.step


def _decide(ports: Ports, agent: BoundAgent, thread: Thread, step: OpenStep) -> tuple[Any, Plain]:
    """Ask the owner's policy, which knows the log up to the step: its answer stays the same."""
    typed = agent.steps.validate(step.call)
    try:
        action = agent.choose_action(typed, thread.before(step.seq))
    except (InvalidStep, ToolError):
        raise
    except Exception as error:
        raise InvalidStep(f"decide() failed: {type(error).__name__}: {error}") from error
    if not isinstance(action, Plain):
        raise InvalidStep(f"decide() has no case for {step.call['intent']!r}")
    if isinstance(action, Run) and action.standing:
        call = agent.steps.write(typed)
        if wrong := [name for name in action.standing if name not in call]:
            raise InvalidStep(f"standing names {wrong[0]!r}, which the call does not have")
    if isinstance(action, Run) and isinstance(action.tool, Task):
        check_task(ports, thread, action.tool)
    return typed, action


def _is_same(step: OpenStep, call: CallJson) -> bool:
    """Say whether a call is the one of the step, perhaps with defaults that its shape gained."""
    return compute_digest({name: call.get(name) for name in step.call}) == compute_digest(step.call)


def _find_approver(
    ports: Ports, thread: Thread, step: OpenStep, action: Run, call: CallJson
) -> str | None:
    """Return who approved the call: "" where none is needed, None where an approval is missing.

    An approval counts for the call that was shown, and only if whoever gave it may do so today. A
    standing one counts for the values of exactly those arguments that the policy names today.
    """
    if not action.approvers:
        return step.approved_by
    may = set(resolve_audience(ports, thread, list_approvers(thread, action)))
    given = [step.approved_by] if _is_same(step, call) else []
    given += [
        each.by
        for each in thread.state.standing
        if each.values.keys() == {*action.standing} and each.covers(call)
    ]
    return next((by for by in given if by and not may.isdisjoint({by, "anyone"})), None)


async def _report(ports: Ports, thread: Thread, start: int, outcome: Outcome) -> Thread:
    """Append the result of the start at `start`, 0 where it is given up: the first result of a step
    counts, a later one is only recorded. A tool that waits for its own result opens a wait."""
    step, call = _open(thread).seq, _open(thread).call
    key, wait = f"result:{step}", outcome.output if isinstance(outcome.output, Wait) else None

    async def result(newest: Thread) -> Event:
        first = newest.find(key)
        late = first is not None and first.data["start"] != start
        kind, data = "tool_finished", {"output": wait.text if wait else outcome.output}
        if outcome.error is not None:
            kind, data = "tool_failed", {"error": outcome.error, "definite": outcome.definite}
        elif wait and _is_running(newest.state, step):
            asked = {"text": wait.text, "kind": wait.kind, "call": call}
            job: dict[str, Any] = {"job": idempotency_key(newest)}
            if isinstance(wait, ChildWait):
                job |= {"child": wait.child, "audience": wait.audience}
            else:
                job |= {"audience": resolve_or_owner(ports, newest, wait.audience)}
            times = await compute_times(ports.store, expires_at=wait.seconds)
            kind, data = "paused", asked | job | times
        unique = f"late:{start}" if late else key
        return make_event(kind, "agent", unique, step=step, start=start, late=late, **data)

    return await append_fact(ports.store, thread, result)


def _is_running(state: State, step: int) -> bool:
    alive = state.status in ("running", "waiting:in_doubt")
    return alive and state.step is not None and state.step.seq == step


async def _doubt(ports: Ports, thread: Thread, approvers: tuple[str, ...], why: str) -> Thread:
    """Ask a person what became of the open step, unless that is known or asked by now."""
    step = _open(thread)
    title = f"Did this go through: {spell_out(step.call['intent'])}? {format_reason(why)}"
    about: dict[str, Any] = {"call": step.call, "step": step.seq}
    while thread.state.step and thread.state.step.seq == step.seq:
        if thread.state.wait or thread.state.ended:
            break
        about["idempotency_key"] = idempotency_key(thread)
        try:
            asked = make_wait(ports, thread, "in_doubt", title, approvers or ("owner",), **about)
            return await ports.store.append(thread, await asked)
        except Conflict:
            thread = await ports.store.load(thread.id)
    return thread

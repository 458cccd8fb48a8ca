"""Running the call the model chose: at most once where that matters, and never silently lost.

`tool_started` is written before the world is touched, and winning that append is the mutex.
A start without a result is a runner that died or stalled: what may be repeated is, with the
same key; of what may not, a person is asked.
"""

from ..log.errors import Conflict, InvalidStep, ToolError
from ..log.events import Event, compute_digest, make_event
from ..log.state import OpenStep, State
from ..log.thread import Thread, idempotency_key
from .actions import Action, Ask, Call, Finish, Run, Step, Wait
from .outcome import Outcome, attempt
from .ports import BoundAgent, Ports
from .record import append_fact, compute_expiry, pause, resolve_audience, resolve_responsible

MAX_STARTS = 3


async def act(ports: Ports, agent: BoundAgent, thread: Thread) -> Thread:
    """Do what `decide` says of the open step, or ask for approval first."""
    step = _open(thread)
    try:
        typed, action = _decide(agent, thread, step)
    except (InvalidStep, ToolError) as error:
        nothing = make_event("tool_failed", step=step.seq, error=str(error), definite=True)
        return await ports.store.append(thread, nothing)
    match action:
        case Finish(message):
            return await ports.store.append(thread, make_event("finished", message=message))
        case Ask(question, urgency, form, choices, audience, expires_s):
            asked = {"urgency": urgency, "format": form, "choices": choices}
            return await pause(
                ports, thread, "question", question, audience, expires_s, options=asked
            )
        case Wait(text, seconds, kind, audience):
            return await pause(ports, thread, kind, text, audience, seconds)
        case Run(approvers=approvers) if not _is_approved(thread, step, approvers):
            call = {"call": step.call, "digest": compute_digest(step.call)}
            text = f"May I run {step.call['intent']}?"
            return await pause(ports, thread, "approval", text, approvers, action.expires_s, **call)
        case Run():
            return await _run(ports, thread, action, typed)


async def recover(ports: Ports, agent: BoundAgent, thread: Thread) -> Thread:
    """Settle a call that was started and never reported: crashed, stalled or killed."""
    step, later = _open(thread), thread.events[_open(thread).seq :]
    stopped = any(event.type == "cancelled" for event in later)
    why = "its runner stopped before the outcome was known"
    try:
        typed, action = _decide(agent, thread, step)
    except (InvalidStep, ToolError) as error:
        return await _doubt(ports, thread, (), f"{why}, and today {error}")
    if not isinstance(action, Run) or action.effect == "once" or stopped:
        return await _doubt(ports, thread, getattr(action, "approvers", ()), why)
    if not _is_approved(thread, step, action.approvers):
        why = f"{why}, and {step.approved_by or 'nobody'} may not approve it today"
        return await _doubt(ports, thread, action.approvers, why)
    if step.starts < MAX_STARTS:
        return await _run(ports, thread, action, typed)
    why = f"{why}, {step.starts} times"
    if action.effect == "idempotent":
        return await _doubt(ports, thread, action.approvers, why)
    return await _report(ports, thread, thread.state.version, Outcome(error=why, definite=False))


def _open(thread: Thread) -> OpenStep:
    assert thread.state.step, "plan() never says act or recover without an open step"
    return thread.state.step


def _decide(agent: BoundAgent, thread: Thread, step: OpenStep) -> tuple[Step, Action]:
    """Ask the owner's policy, which knows the log up to the step: its answer stays the same."""
    typed = agent.steps.validate(step.call)
    action = agent.decide(typed, thread.before(step.seq))
    if not isinstance(action, Action):
        raise InvalidStep(f"decide() has no case for {step.call['intent']!r}")
    return typed, action


def _is_approved(thread: Thread, step: OpenStep, approvers: tuple[str, ...]) -> bool:
    """Say whether the call may run: an approval counts only of those who may give it today."""
    if not approvers:
        return True
    may = resolve_audience(thread, approvers)
    return bool(step.approved_by) and not {step.approved_by, "anyone"}.isdisjoint(may)


async def _run(ports: Ports, thread: Thread, action: Run, typed: Step) -> Thread:
    step, key = _open(thread), idempotency_key(thread)
    started = make_event("tool_started", step=step.seq, idempotency_key=key)
    thread = await ports.store.append(thread, started)
    call = Call(key, step.approved_by, thread)
    outcome = await attempt(action.tool, typed, call, timeout_s=action.timeout_s)
    if action.effect == "once" and not outcome.definite:
        return await _doubt(ports, thread, action.approvers, str(outcome.error))
    return await _report(ports, thread, thread.state.version, outcome)


async def _report(ports: Ports, thread: Thread, start: int, outcome: Outcome) -> Thread:
    """Append the result of the start at `start`: the first result of a step counts, a later
    one is only recorded. A tool that waits for its own result opens a wait."""
    step, call = _open(thread).seq, _open(thread).call
    key, wait = f"result:{step}", outcome.output if isinstance(outcome.output, Wait) else None

    async def result(newest: Thread) -> Event:
        first = next((past for past in newest.events[step:] if past.key == key), None)
        late = first is not None and first.data["start"] != start
        kind, data = "tool_finished", {"output": wait.text if wait else outcome.output}
        if outcome.error is not None:
            kind, data = "tool_failed", {"error": outcome.error, "definite": outcome.definite}
        elif wait and not late and _is_running(newest.state, step):
            asked = {"text": wait.text, "audience": resolve_audience(newest, wait.audience)}
            job = {"kind": wait.kind, "call": call, "job": idempotency_key(newest)}
            kind, data = "paused", asked | job | await compute_expiry(ports.store, wait.seconds)
        unique = f"late:{start}" if late else key
        return make_event(kind, "agent", unique, step=step, start=start, late=late, **data)

    return await append_fact(ports.store, thread, result)


def _is_running(state: State, step: int) -> bool:
    alive = state.status in ("running", "waiting:in_doubt")
    return alive and state.step is not None and state.step.seq == step


async def _doubt(ports: Ports, thread: Thread, approvers: tuple[str, ...], why: str) -> Thread:
    """Ask a person what became of the open step, unless that is known or asked by now."""
    step = _open(thread)
    text = f"Did {step.call['intent']} happen? {why}."
    audience = approvers or resolve_responsible(thread)
    while thread.state.step and thread.state.step.seq == step.seq:
        if thread.state.wait or thread.state.ended:
            break
        try:
            return await pause(
                ports, thread, "in_doubt", text, audience, call=step.call, step=step.seq
            )
        except Conflict:
            thread = await ports.store.load(thread.id)
    return thread

"""Factor 12: make your agent a stateless reducer.

`reduce` is pure and total: any log folds, however its events came to follow each other.
"""

from typing import Any

from .events import Event, compute_digest
from .state import OpenWait, Standing, State, is_person

MAX_TITLE = 200
"""Characters."""


def reduce(state: State, event: Event) -> State:
    """Return the state after `event`; who was shown a wait will be shown what closed it."""
    after = _add_people(_apply(state, event), event)
    after = after.close_wait(state.wait, event) if state.wait and not after.wait else after
    if after.ended == state.ended or after.ended not in ("finished", "cancelled"):
        return after
    # Its parent is sent its end, and its children that it was cancelled.
    concerns = after.parent or (after.children and after.ended == "cancelled")
    return after.send(event.seq) if concerns else after


def _add_people(state: State, event: Event) -> State:
    if event.actor == "agent" and event.type != "paused":
        return state
    named = {event.actor, *event.data.get("audience", ())} - state.people
    named |= {state.owner} - state.people if state.version == 1 else set()
    people = {name for name in named if is_person(name) and name not in ("anyone", "owner")}
    return state._replace(people=state.people | people) if people else state


def _apply(state: State, event: Event) -> State:
    data = event.data
    mine = state.step and state.step.seq == data.get("step") and not data.get("late")
    state = state._replace(version=event.seq)
    if "tokens" in data or "spent" in data:
        tokens, cost = event.spent
        state = state._replace(tokens=state.tokens + tokens, cost=state.cost + cost)
    if "child" in data:
        state = _apply_child(state, event)
    match event.type:
        case "message":
            return _apply_message(state, event)
        case "step":
            return state.add_step(event)
        case "invalid_step":
            return state._replace(errors=state.errors + 1, steps=state.steps + 1)
        case "tool_started" if mine and state.step:
            return state._replace(step=state.step._replace(starts=state.step.starts + 1))
        case "tool_finished" if mine:
            return _settle(state, errors=0)
        case "tool_failed" if mine:
            close = _settle if data.get("definite") else _close
            return close(state, errors=state.errors + 1)
        case "paused":
            wait = OpenWait.of(event)
            sent = () if "child" in data or _reads_itself(state, wait) else (event.seq,)
            return state._replace(wait=wait, outbox=(*_forget(state), *sent))
        case "reminded" if state.wait and state.wait.seq == data["wait"]:
            sent = () if _reads_itself(state, state.wait) else (event.seq,)
            reminded = state.wait._replace(reminder=event.seq)
            return state._replace(wait=reminded, outbox=(*state.outbox, *sent))
        case "resumed" if state.wait and state.wait.seq == data["wait"]:
            return _apply_answer(state, state.wait, event)
        case "revoked":
            left = tuple(each for each in state.standing if each.seq != data["approval"])
            return state._replace(standing=left)
        case "delivered":
            return _apply_delivery(state, data["ref"], data.get("receipt"))
        case "finished" | "cancelled" | "forked":
            return _apply_end(state._replace(standing=()), event)
    return state


def _apply_child(state: State, event: Event) -> State:
    """Keep the child that a call starts among the children, until its end was reported."""
    child = str(event.data["child"])
    if event.type == "paused" or (event.type == "tool_started" and child in state.children):
        return state
    if event.type == "tool_started":
        return state._replace(children=(*state.children, child))
    return state._replace(children=tuple(each for each in state.children if each != child))


def _apply_end(state: State, event: Event) -> State:
    match event.type:
        case "finished":
            ended = _close(state)
            ended = ended._replace(ended="finished")
            return ended if _reads_itself(state) else ended.send(event.seq)
        case "cancelled":
            return _drop(state, ended="cancelled")
    wait = state.wait and state.wait._replace(shown=False)
    people = frozenset[str]()
    fork = state._replace(outbox=(), wait=wait, closed=(0, 0), parent="", children=())
    return fork._replace(owner=event.actor, reply_to="poll:", people=people)


def _apply_message(state: State, event: Event) -> State:
    wait, step, first = state.wait, state.step, not state.owner
    if "to" in event.data:  # it answers a question of a child, which is sent it
        return _reset_counts(state, event).send(event.seq)
    if wait:
        keeps = wait.kind in ("job", "in_doubt") or (
            wait.kind == "question" and not wait.admits(event.actor)
        )
        state = state if keeps else _drop(state)
    elif step and not step.starts and not step.approved_by:
        state = _close(state)
    if first:
        data = event.data
        agent, reply_to = data.get("agent", ""), data.get("reply_to", state.reply_to)
        owner, parent = data.get("owner", event.actor), data.get("parent", "")
        state = state._replace(agent=agent, owner=owner, reply_to=reply_to, parent=parent)
    if not state.title and "text" in event.data:
        state = state._replace(title=" ".join(str(event.data["text"]).split())[:MAX_TITLE])
    return _reset_counts(state, event)._replace(ended=None)


def _apply_answer(state: State, wait: OpenWait, event: Event) -> State:
    step, verdict = state.step, event.data["verdict"]
    answered = _reset_counts(state, event)._replace(wait=None, outbox=_forget(state))
    if scope := event.data.get("standing"):
        given = Standing(event.seq, scope["intent"], scope["values"], event.actor)
        answered = answered._replace(standing=(*state.standing, given))
    match verdict:
        case "approve" if step:
            # The call that was shown, which may be the step in the words of a newer schema.
            approved = step._replace(call=wait.data.get("call", step.call), approved_by=event.actor)
            return answered._replace(step=approved)
        case "expired" if step and wait.data.get("escalate"):
            return answered._replace(escalated=True)
        case "edit" if step:
            edited = step._replace(call=event.data["call"], approved_by=event.actor)
            return answered._replace(step=edited)
        case "retry" if step:
            # Somebody said to run it: what is said next does not take that back.
            by = step.approved_by or event.actor
            return answered._replace(step=step._replace(starts=0, approved_by=by))
        case "happened" | "done":
            return _settle(answered)
        case "failed":
            return _settle(answered, errors=answered.errors + 1)
        case "continue":
            return answered
        case "stop":
            return _drop(answered, ended="cancelled", standing=())
    return _close(answered)


def _apply_delivery(state: State, ref: int, receipt: object) -> State:
    delivered = state._replace(outbox=_remove(state.outbox, ref))
    if ref == state.closed[1]:
        return delivered._replace(closed=(0, 0))
    if receipt and ref == state.closed[0]:  # it was closed while it was sent
        return delivered._replace(closed=(0, 0)).send(state.closed[1])
    if receipt and delivered.wait and delivered.wait.seq == ref:
        return delivered._replace(wait=delivered.wait._replace(shown=True))
    return delivered


def _reset_counts(state: State, event: Event) -> State:
    if not is_person(event.actor):
        return state
    return state._replace(steps=0, errors=0, tokens=0, cost=0.0)


def _settle(state: State, **changes: Any) -> State:
    call = (compute_digest(state.step.call),) if state.step else ()
    return _close(state, settled=state.settled + call, **changes)


def _close(state: State, **changes: Any) -> State:
    closed = {"step": None, "wait": None, "outbox": _forget(state), "escalated": False}
    return state._replace(**closed | changes)


def _drop(state: State, **changes: Any) -> State:
    """Close the wait and the step, but for one that started and may still report."""
    reported = state.wait and "job" in state.wait.data
    started = state.step if state.step and state.step.starts and not reported else None
    return _close(state, step=started, **changes)


def _reads_itself(state: State, wait: OpenWait | None = None) -> bool:
    """Say whether those concerned follow the thread themselves, so that nobody is notified."""
    return state.reply_to.startswith("poll:") and (wait is None or wait.admits(state.owner))


def _forget(state: State) -> tuple[int, ...]:
    """Return the outbox without what people were still to be notified of about the open wait."""
    wait = state.wait
    return _remove(_remove(state.outbox, wait.seq), wait.reminder) if wait else state.outbox


def _remove(outbox: tuple[int, ...], ref: int) -> tuple[int, ...]:
    return tuple(other for other in outbox if other != ref)

"""Factor 8: own your control flow.

`advance` is the only loop: it takes the action that `plan` names, and appends the result. A step
and the start of its tool are one append. The loop is safe to kill anywhere and safe to run twice: a
decision is valid only for the version it was taken on, and is discarded if the thread has grown.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from ..characters import clean
from ..context.window import Prompt, Window, find_values
from ..index import hash_cause
from ..log.errors import (
    AgentError,
    Conflict,
    InvalidStep,
    Misconfigured,
    ModelRefused,
    PromptTooLong,
    Unavailable,
)
from ..log.events import MAX_TEXT, Event, make_event
from ..log.state import find_limit, plan
from ..log.thread import Thread
from .compaction import compact
from .delegate import deliver_to_family
from .outcome import attempt
from .ports import CHARGE, BoundAgent, Delivery, Ports
from .record import append_fact, format_reason, make_notice, make_wait
from .tool_calls import Planned, act, plan_action, recover, run_planned

MAX_DELIVERIES = 5
PREFETCH = "prefetch"
PREFETCH_S = 30.0
MAX_COMPACTIONS = 3
"""Summaries in a row, if the provider rejects the prompt as too long after each."""
NOTICE_S = 3600.0
"""People are notified of one cause at most once in this time."""


@dataclass(frozen=True)
class Advanced:
    """How far a thread got."""

    thread: Thread
    problem: AgentError | None = None
    """Why it cannot go on now; what happened so far is in the log."""


async def advance(
    ports: Ports, thread: Thread, attempts: int = 0, stopping: asyncio.Event | None = None
) -> Advanced:
    """Go on until there is nothing to do but wait, or until a model, a channel or the store fails.

    `attempts`: how many runs before this one ended with a problem; once `stopping` is set, return
    after the step at hand.
    """
    first, postponed = thread.state.version, dict[int, AgentError]()
    try:
        agent = ports.get_agent(thread)
        window = Window(agent.render)
        while not (stopping and stopping.is_set()):
            try:
                match plan(thread.state, agent.limits, frozenset(postponed)):
                    case "deliver":
                        tries = attempts + 1 if thread.state.version == first else 1
                        thread = await _deliver(ports, thread, postponed, tries)
                    case "think":
                        thread = await _think(ports, agent, thread, window)
                    case "act":
                        thread = await act(ports, agent, thread)
                    case "recover":
                        thread = await recover(ports, agent, thread)
                    case "escalate":
                        thread = await escalate(ports, thread)
                    case "idle":
                        break
            except Conflict:
                thread = await ports.store.load(thread.id)
    except AgentError as error:
        return Advanced(thread, error)
    return Advanced(thread, next(iter(postponed.values()), None))


async def escalate(ports: Ports, thread: Thread, why: str = "") -> Thread:
    """Ask a person whether to go on (factor 9: errors are limited, then somebody looks)."""
    about: dict[str, Any] = {"limit": "crashes"}
    if not why:
        why, about = _describe_limit(ports, thread)
    text = f"Go on? {format_reason(why)}"
    asked = await make_wait(ports, thread, "limit", text, ("owner",), **about)
    return await ports.store.append(thread, asked)


async def _stop_for(ports: Ports, thread: Thread, error: ModelRefused) -> Thread:
    """Ask the people responsible for the agent whether to continue after a permanent model error.

    Continuing one thread continues all threads of the agent with the same cause.
    """
    agent, problem = ports.get_agent(thread), str(error)
    text, cause = f"Go on? {format_reason(problem)}", hash_cause(agent.name, error.cause)
    about: dict[str, Any] = {"limit": "model", "cause": cause, "problem": problem}
    asked = await make_wait(ports, thread, "limit", text, agent.responsible, **about)
    return await ports.store.append(thread, asked)


_LIMITS = {
    "errors": "it made {:,} of {:,} errors in a row",
    "steps": "it used {:,} of {:,} steps",
    "tokens": "it used {:,} of {:,} tokens",
    "cost": "it cost {:,.4f} of {:,.4f} {}",
}


def _describe_limit(ports: Ports, thread: Thread) -> tuple[str, dict[str, Any]]:
    """Return which limit a thread reached, in words and by name, and its last error."""
    state, agent = thread.state, ports.get_agent(thread)
    name = find_limit(state, agent.limits)
    counts = (getattr(state, name), getattr(agent.limits, name))
    currency = (agent.price or {}).get("currency", "")
    errors = [past.data["error"] for past in thread.events if "error" in past.data]
    last = {"error": str(errors[-1])} if errors and state.errors else {}
    return _LIMITS[name].format(*counts, currency).strip(), {"limit": name, **last}


async def _think(ports: Ports, agent: BoundAgent, thread: Thread, window: Window) -> Thread:
    if prepared := await _prefetch(ports, agent, thread) or await _fill(ports, agent, thread):
        return prepared
    try:
        agent, prompt = agent.for_thread(thread), window.prompt(thread, agent.prompts)
        decision = await _decide(agent, thread, prompt)
    except ModelRefused as error:
        return await _stop_for(ports, thread, error)
    planned = await _plan_ahead(ports, agent, thread, decision)
    try:
        events = [decision, planned.event] if planned else [decision]
        thread = await ports.store.append(thread, *events)
    except Conflict:
        # Somebody spoke meanwhile: the reply knew nothing of it, but it was paid for.
        paid = {name: decision.data[name] for name in CHARGE if name in decision.data}
        spent = make_event("discarded", **paid)
        return await append_fact(ports.store, thread, lambda _: spent)
    return await run_planned(ports, thread, planned) if planned else thread


async def _decide(agent: BoundAgent, thread: Thread, prompt: Prompt) -> Event:
    """Ask the model for a step, or first for a summary if the prompt is too long."""
    if prompt.exceeds(agent.limits.context):
        return await compact(agent, thread, prompt)
    try:
        return await _ask_model(agent, prompt)
    except PromptTooLong:
        last = [past.type for past in thread.events[-MAX_COMPACTIONS:]]
        if len(prompt.blocks) < 2 or last == ["compacted"] * MAX_COMPACTIONS:
            raise
        return await compact(agent, thread, prompt)


async def _plan_ahead(
    ports: Ports, agent: BoundAgent, thread: Thread, decision: Event
) -> Planned | None:
    """Return what comes of a step that is not stored yet, so that one commit has both.

    Whatever goes wrong is left to `act`: the step was paid for, and is stored before that.
    """
    if decision.type != "step":
        return None
    ahead = thread.plus(replace(decision, seq=thread.state.version + 1))
    try:
        return await plan_action(ports, agent, ahead)
    except Exception:
        return None


async def _ask_model(agent: BoundAgent, prompt: Prompt) -> Event:
    reply = await agent.llm(prompt, agent.steps.schema)
    cost = agent.charge(reply) | {"prompt_sha": prompt.sha}
    try:
        if reply.stop != "end" or len(reply.text) > MAX_TEXT:
            stop = "too long" if reply.stop == "end" else reply.stop
            raise InvalidStep(f"the reply was {stop}; answer with one complete JSON object")
        return make_event("step", call=agent.steps.read(reply.text), **cost)
    except InvalidStep as error:
        return make_event("invalid_step", error=str(error), output=reply.text, **cost)


async def _prefetch(ports: Ports, agent: BoundAgent, thread: Thread) -> Thread | None:
    """Factor 13: fetch what the model will ask for anyway, before its first decision."""
    started = any(past.type == "step" or past.key == PREFETCH for past in thread.events)
    if started or agent.prefetch is None:
        return None
    outcome = await attempt(agent.prefetch, thread, timeout_s=PREFETCH_S)
    facts = outcome.output if outcome.error is None else {"prefetch_error": outcome.error}
    by_name = facts if isinstance(facts, dict) else {"prefetched": facts} if facts else {}
    found = make_event("message", "system", PREFETCH, source="prefetch", facts=by_name)
    return await ports.store.append(thread, found)


async def _fill(ports: Ports, agent: BoundAgent, thread: Thread) -> Thread | None:
    """Record what the markers of the system prompt stand for, once, before the first step."""
    if agent.variables is None or any(find_values(past) is not None for past in thread.events):
        return None
    outcome = await attempt(agent.variables, thread, timeout_s=PREFETCH_S)
    if not isinstance(outcome.output, dict):
        found = outcome.error or f"it returned {outcome.output!r}, not values by name"
        raise Misconfigured(f"variables of the agent {agent.name!r} failed: {found}")
    values = {name: clean(str(value)) for name, value in outcome.output.items()}
    if unused := agent.prompts.find_unused(values):
        raise Misconfigured(f"system.md of the agent {agent.name!r} has no {{{unused[0]}}}")
    recorded = make_event("message", "system", facts={}, source="prefetch", variables=values)
    return await ports.store.append(thread, recorded)


async def _deliver(
    ports: Ports, thread: Thread, postponed: dict[int, AgentError], tries: int
) -> Thread:
    """Notify people of one event; what fails is postponed, and after so many tries given up.

    What a parent or a child has to know is never given up.
    """
    ref = next(ref for ref in thread.state.outbox if ref not in postponed)
    event = make_notice(ports, thread, thread.event(ref))
    cause = event.data.get("cause", "")
    if cause and not await ports.store.claim_notice(cause, NOTICE_S, f"{thread.id}:{ref}"):
        return await record_delivery(ports, thread, ref, same_as="another thread with this cause")
    try:
        concerns_people = await deliver_to_family(ports, thread, event)
    except Unavailable as error:
        postponed[ref] = error
        return thread
    delivery = await ports.notifier.notify(thread, event) if concerns_people else Delivery()
    if delivery.problem and tries < MAX_DELIVERIES:
        postponed[ref] = delivery.problem
        return thread
    how: dict[str, Any] = {"receipt": delivery.receipt, "reached": delivery.reached}
    if delivery.problem:
        how = {"error": str(delivery.problem)} | {name: each for name, each in how.items() if each}
    return await record_delivery(ports, thread, ref, **how)


async def record_delivery(ports: Ports, thread: Thread, ref: int, **how: Any) -> Thread:
    """Record who was notified of event `ref` by which channel (`reached`), with the channels'
    `receipt`, or why somebody was not."""
    delivered = make_event("delivered", "agent", f"delivered:{ref}", ref=ref, **how)
    return await append_fact(ports.store, thread, lambda _: delivered)

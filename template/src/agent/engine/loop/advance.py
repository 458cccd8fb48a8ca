"""Factor 8: own your control flow.

`advance` is the only loop: it does the word that `plan` says and appends what came of it, one
event at a time. It is safe to kill anywhere and safe to run twice: a decision is valid only
for the version it was taken on, and what is decided here from an old one is discarded.
"""

import asyncio
from typing import Any

from .compaction import compact
from .context import Prompt, Window
from .errors import AgentError, Conflict, InvalidStep, Unavailable
from .events import MAX_TEXT, Event, event
from .outcome import attempt
from .ports import Agent
from .record import fact, pause, responsible
from .state import plan
from .thread import Thread
from .tool_calls import act, recover

MAX_DELIVERIES = 5
PREFETCH = "prefetch"
PREFETCH_S = 30.0


async def advance(
    agent: Agent, thread: Thread, attempts: int = 0, stopping: asyncio.Event | None = None
) -> Thread:
    """Go on until there is nothing to do but wait, and return the thread as it is then.

    `attempts`: how many runs before this one ended in `Unavailable`; once `stopping` is set,
    return after the step at hand.

    Raises:
        AgentError: the model, a channel or the store cannot go on now; what happened so far is
            in the log, up to the error's `version`.
    """
    first, postponed, window = thread.state.version, dict[int, AgentError](), Window()
    while not (stopping and stopping.is_set()):
        try:
            match plan(thread.state, agent.limits, frozenset(postponed)):
                case "deliver":
                    tries = attempts + 1 if thread.state.version == first else 1
                    thread = await _deliver(agent, thread, postponed, tries)
                case "think":
                    thread = await _think(agent, thread, window)
                case "act":
                    thread = await act(agent, thread)
                case "recover":
                    thread = await recover(agent, thread)
                case "escalate":
                    thread = await escalate(agent, thread)
                case "idle":
                    break
        except Conflict:
            thread = await agent.store.load(thread.id)
        except AgentError as error:
            error.version = thread.state.version
            raise
    for undelivered in postponed.values():
        undelivered.version = thread.state.version
        raise undelivered
    return thread


async def escalate(agent: Agent, thread: Thread, why: str = "") -> Thread:
    """Ask a person whether to go on (factor 9: errors are limited, then somebody looks)."""
    state = thread.state
    why = why or f"{state.steps} steps, {state.errors} errors in a row, {state.tokens} tokens"
    text = f"This thread is at its limit: {why}. Go on?"
    return await pause(agent, thread, "limit", text, responsible(thread))


async def _think(agent: Agent, thread: Thread, window: Window) -> Thread:
    if prefetched := await _prefetched(agent, thread):
        return prefetched
    prompt = window.prompt(thread, agent.prompts)
    too_long = prompt.exceeds(agent.limits.context)
    decision = await (compact(agent, thread, prompt) if too_long else _step(agent, prompt))
    try:
        return await agent.store.append(thread, decision)
    except Conflict:
        # Somebody spoke meanwhile: the reply knew nothing of it, but it was paid for.
        spent = event("discarded", tokens=decision.tokens)
        return await fact(agent.store, thread, lambda _: spent)


async def _step(agent: Agent, prompt: Prompt) -> Event:
    reply = await agent.llm(prompt, agent.steps.schema)
    cost = {"tokens": reply.tokens, "model": reply.model, "prompt_sha": agent.prompts.sha}
    try:
        if reply.stop != "end" or len(reply.text) > MAX_TEXT:
            stop = "too long" if reply.stop == "end" else reply.stop
            raise InvalidStep(f"the reply was {stop}; answer with one complete JSON object")
        return event("step", call=agent.steps.read(reply.text), **cost)
    except InvalidStep as error:
        return event("invalid_step", error=str(error), output=reply.text, **cost)


async def _prefetched(agent: Agent, thread: Thread) -> Thread | None:
    """Factor 13: fetch what the model will ask for anyway, before its first decision."""
    begun = any(past.type == "step" or past.key == PREFETCH for past in thread.events)
    if begun or agent.prefetch is None:
        return None
    outcome = await attempt(agent.prefetch, thread.events[0].data["text"], timeout_s=PREFETCH_S)
    facts = outcome.output if outcome.error is None else {"prefetch_error": outcome.error}
    named = facts if isinstance(facts, dict) else {"prefetched": facts} if facts else {}
    found = event("message", "system", PREFETCH, source="prefetch", facts=named)
    return await agent.store.append(thread, found)


async def _deliver(
    agent: Agent, thread: Thread, postponed: dict[int, AgentError], tries: int
) -> Thread:
    """Show a person one event; what fails is postponed, and after so many tries given up."""
    ref = next(ref for ref in thread.state.outbox if ref not in postponed)
    try:
        receipt = await agent.channel.send(thread, thread.event(ref))
    except Unavailable as error:
        if tries >= MAX_DELIVERIES:
            return await told(agent, thread, ref, error=str(error), **error.kept)
        postponed[ref] = error
        return thread
    return await told(agent, thread, ref, receipt=receipt)


async def told(agent: Agent, thread: Thread, ref: int, **how: Any) -> Thread:
    """Record that people were shown event `ref`, with the channel's `receipt`, or why not."""
    shown = event("delivered", "agent", f"told:{ref}", ref=ref, **how)
    return await fact(agent.store, thread, lambda _: shown)

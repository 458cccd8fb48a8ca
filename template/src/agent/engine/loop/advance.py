"""Factor 8: own your control flow.

`advance` is the only loop: it does the word that `plan` says and appends what came of it, one
event at a time. It is safe to kill anywhere and safe to run twice: a decision is valid only
for the version it was taken on, and what is decided here from an old one is discarded.
"""

import asyncio
from typing import Any

from ..context.window import Prompt, Window
from ..log.errors import AgentError, Conflict, InvalidStep, Unavailable
from ..log.events import MAX_TEXT, Event, event
from ..log.state import plan
from ..log.thread import Thread
from .compaction import compact
from .outcome import attempt
from .ports import Ports
from .record import fact, pause, responsible
from .tool_calls import act, recover

MAX_DELIVERIES = 5
PREFETCH = "prefetch"
PREFETCH_S = 30.0


async def advance(
    ports: Ports, thread: Thread, attempts: int = 0, stopping: asyncio.Event | None = None
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
            match plan(thread.state, ports.limits, frozenset(postponed)):
                case "deliver":
                    tries = attempts + 1 if thread.state.version == first else 1
                    thread = await _deliver(ports, thread, postponed, tries)
                case "think":
                    thread = await _think(ports, thread, window)
                case "act":
                    thread = await act(ports, thread)
                case "recover":
                    thread = await recover(ports, thread)
                case "escalate":
                    thread = await escalate(ports, thread)
                case "idle":
                    break
        except Conflict:
            thread = await ports.store.load(thread.id)
        except AgentError as error:
            error.version = thread.state.version
            raise
    for undelivered in postponed.values():
        undelivered.version = thread.state.version
        raise undelivered
    return thread


async def escalate(ports: Ports, thread: Thread, why: str = "") -> Thread:
    """Ask a person whether to go on (factor 9: errors are limited, then somebody looks)."""
    state = thread.state
    why = why or f"{state.steps} steps, {state.errors} errors in a row, {state.tokens} tokens"
    text = f"This thread is at its limit: {why}. Go on?"
    return await pause(ports, thread, "limit", text, responsible(thread))


async def _think(ports: Ports, thread: Thread, window: Window) -> Thread:
    if prefetched := await _prefetched(ports, thread):
        return prefetched
    prompt = window.prompt(thread, ports.prompts)
    too_long = prompt.exceeds(ports.limits.context)
    decision = await (compact(ports, thread, prompt) if too_long else _step(ports, prompt))
    try:
        return await ports.store.append(thread, decision)
    except Conflict:
        # Somebody spoke meanwhile: the reply knew nothing of it, but it was paid for.
        spent = event("discarded", tokens=decision.tokens)
        return await fact(ports.store, thread, lambda _: spent)


async def _step(ports: Ports, prompt: Prompt) -> Event:
    reply = await ports.llm(prompt, ports.steps.schema)
    cost = {"tokens": reply.tokens, "model": reply.model, "prompt_sha": ports.prompts.sha}
    try:
        if reply.stop != "end" or len(reply.text) > MAX_TEXT:
            stop = "too long" if reply.stop == "end" else reply.stop
            raise InvalidStep(f"the reply was {stop}; answer with one complete JSON object")
        return event("step", call=ports.steps.read(reply.text), **cost)
    except InvalidStep as error:
        return event("invalid_step", error=str(error), output=reply.text, **cost)


async def _prefetched(ports: Ports, thread: Thread) -> Thread | None:
    """Factor 13: fetch what the model will ask for anyway, before its first decision."""
    begun = any(past.type == "step" or past.key == PREFETCH for past in thread.events)
    if begun or ports.prefetch is None:
        return None
    outcome = await attempt(ports.prefetch, thread.events[0].data["text"], timeout_s=PREFETCH_S)
    facts = outcome.output if outcome.error is None else {"prefetch_error": outcome.error}
    named = facts if isinstance(facts, dict) else {"prefetched": facts} if facts else {}
    found = event("message", "system", PREFETCH, source="prefetch", facts=named)
    return await ports.store.append(thread, found)


async def _deliver(
    ports: Ports, thread: Thread, postponed: dict[int, AgentError], tries: int
) -> Thread:
    """Show a person one event; what fails is postponed, and after so many tries given up."""
    ref = next(ref for ref in thread.state.outbox if ref not in postponed)
    try:
        receipt = await ports.channel.send(thread, thread.event(ref))
    except Unavailable as error:
        if tries >= MAX_DELIVERIES:
            return await told(ports, thread, ref, error=str(error), **error.kept)
        postponed[ref] = error
        return thread
    return await told(ports, thread, ref, receipt=receipt)


async def told(ports: Ports, thread: Thread, ref: int, **how: Any) -> Thread:
    """Record that people were shown event `ref`, with the channel's `receipt`, or why not."""
    shown = event("delivered", "agent", f"told:{ref}", ref=ref, **how)
    return await fact(ports.store, thread, lambda _: shown)

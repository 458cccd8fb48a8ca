"""A context window that grew too long gets a new beginning: a summary of its older half.

The model is asked to, with the owner's `prompts/compact.md`. Where it cannot or will not, each
older block becomes a line. Errors that were overcome are left out either way.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..context.rendering import render_event
from ..context.window import Prompt, estimate_tokens, render_prompt, select_visible
from ..log.errors import InvalidStep, Misconfigured
from ..log.events import Event, cut, make_event
from ..log.thread import Thread
from .ports import BoundAgent


def render_next_prompt(agent: BoundAgent, thread: Thread) -> Prompt:
    """Return what the model would be asked next: for a step, or first for a summary."""
    prompt = render_prompt(thread, agent.prompts, agent.render)
    too_long = prompt.exceeds(agent.limits.context)
    return _render_question(agent, thread, prompt)[1] if too_long else prompt


async def compact(agent: BoundAgent, thread: Thread, prompt: Prompt) -> Event:
    """Return the `compacted` event after which the prompt of `thread` fits again.

    Raises:
        Unavailable: the model cannot be asked now.
    """
    upto, question = _render_question(agent, thread, prompt)
    text, cost = "\n".join(_render_line(block) for block in question.blocks), dict[str, Any]()
    with suppress(InvalidStep, Misconfigured):  # a script has no line for it, a recording no reply
        reply = await agent.llm(question, agent.summaries.schema)
        cost = agent.charge(reply)
        if reply.stop == "end":
            text = agent.summaries.read(reply.text)["summary"].strip() or text
    shorter = cut(text, 200 + sum(map(len, question.blocks)) // 10)
    return make_event("compacted", upto=upto, text=shorter, **cost)


def _render_question(agent: BoundAgent, thread: Thread, prompt: Prompt) -> tuple[int, Prompt]:
    """Choose up to which event to summarize, and ask for that.

    What stays begins with a step, so none is split from its result.
    """
    shown = [(past, render_event(thread, past, agent.render)) for past in select_visible(thread)]
    room = sum(estimate_tokens(*blocks) for _, blocks in shown) // 2
    upto = thread.state.version
    for past, blocks in reversed(shown):
        room -= estimate_tokens(*blocks)
        if room < 0:
            break
        upto = past.seq - 1 if past.type in ("step", "invalid_step") else upto
    succeeded = max((past.seq for past in thread.events if past.type == "tool_finished"), default=0)
    older = tuple(
        block
        for past, blocks in shown
        if past.seq <= upto or past.type == "compacted"
        for block in blocks
        if "error" not in past.data or past.seq > succeeded
    )
    return upto, replace(prompt, blocks=older, seen=0, ask=agent.prompts.compact)


def _render_line(block: str) -> str:
    tag, _, rest = block.partition("\n")
    lines = [line.strip() for line in rest.splitlines()[:-1]]
    return "\n".join(lines) if tag == "<earlier_events>" else f"{tag[1:-1]}: {' '.join(lines)}"

"""A context window that grew too long gets a new beginning: its older half, told in short.

The model is asked to, with the owner's `prompts/compact.md`. Where it cannot or will not, each
older block becomes a line. Errors that were overcome are left out either way.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from ..context.rendering import blocks_of
from ..context.window import Prompt, estimate, render, visible
from ..log.errors import InvalidStep, Misconfigured
from ..log.events import Event, cut, event
from ..log.thread import Thread
from .actions import Step
from .ports import Ports


class Summarize(Step):
    """Tell in short what happened so far."""

    intent: Literal["summarize"]
    summary: str


def next_prompt(ports: Ports, thread: Thread) -> Prompt:
    """Return what the model would be asked next: for a step, or first for a summary."""
    prompt = render(thread, ports.prompts)
    return _question(ports, thread, prompt)[1] if prompt.exceeds(ports.limits.context) else prompt


async def compact(ports: Ports, thread: Thread, prompt: Prompt) -> Event:
    """Return the `compacted` event after which the prompt of `thread` fits again.

    Raises:
        Unavailable: the model cannot be asked now.
    """
    upto, question = _question(ports, thread, prompt)
    text, cost = "\n".join(_line(block) for block in question.blocks), dict[str, Any]()
    with suppress(InvalidStep, Misconfigured):  # a script has no line for it, a recording no reply
        reply = await ports.llm(question, ports.summaries.schema)
        cost = {"tokens": reply.tokens, "model": reply.model}
        if reply.stop == "end":
            text = ports.summaries.read(reply.text)["summary"].strip() or text
    shorter = cut(text, 200 + sum(map(len, question.blocks)) // 10)
    return event("compacted", upto=upto, text=shorter, **cost)


def _question(ports: Ports, thread: Thread, prompt: Prompt) -> tuple[int, Prompt]:
    """Choose up to which event all is told in short, and ask for that.

    What stays begins with a step, so none is split from its result.
    """
    shown = [(past, blocks_of(thread, past)) for past in visible(thread)]
    room = sum(estimate(*blocks) for _, blocks in shown) // 2
    upto = thread.state.version
    for past, blocks in reversed(shown):
        room -= estimate(*blocks)
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
    return upto, replace(prompt, blocks=older, seen=0, ask=ports.prompts.compact)


def _line(block: str) -> str:
    tag, _, rest = block.partition("\n")
    lines = [line.strip() for line in rest.splitlines()[:-1]]
    return "\n".join(lines) if tag == "<earlier_events>" else f"{tag[1:-1]}: {' '.join(lines)}"

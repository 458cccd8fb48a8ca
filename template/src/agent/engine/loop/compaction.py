"""A context window that grew too long gets a new beginning: a summary of its older half.

The model is asked to, with the owner's `prompts/compact.md`. Where it cannot or will not, each
older block becomes a line. What people wrote stays word for word beside the summary, and what does
not fit is said. Errors that were overcome are left out either way.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..context.blocks import render_block
from ..context.rendering import render_event
from ..context.values import fit_rows
from ..context.window import Prompt, render_prompt, select_visible
from ..log.errors import InvalidStep, Misconfigured
from ..log.events import MAX_TEXT, Event, cut, make_event
from ..log.thread import Thread
from ..tokens import estimate_tokens
from .ports import BoundAgent

SHARE = 4
"""A summary has at most a quarter of the tokens of what it summarizes."""


def render_next_prompt(agent: BoundAgent, thread: Thread) -> Prompt:
    """Return what the model would be asked next: for a step, or first for a summary."""
    prompt = render_prompt(thread, agent.prompts, agent.render)
    if not prompt.exceeds(agent.limits.context):
        return prompt
    return _make_question(agent, prompt, _select_older(agent, thread)[1])


async def compact(agent: BoundAgent, thread: Thread, prompt: Prompt) -> Event:
    """Return the `compacted` event after which the prompt of `thread` fits again.

    Raises:
        Unavailable: the model cannot be asked now.
    """
    upto, older = _select_older(agent, thread)
    question = _make_question(agent, prompt, older)
    limit, size = agent.limits.context, sum(map(len, question.blocks))
    words = min(size, 4 * limit) // SHARE // 2
    lines = "\n".join(_render_line(*each) for each in older).split("\n")
    text, cost = "\n".join(fit_rows(lines, words, "events")), dict[str, Any]()
    with suppress(InvalidStep, Misconfigured):  # a script has no line for it, a recording no reply
        reply = await agent.llm(question, agent.summaries.schema)
        cost = agent.charge(reply)
        if reply.stop == "end":
            text = agent.summaries.read(reply.text)["summary"].strip() or text
    text = _shorten(text, min(estimate_tokens(*question.blocks), limit) // SHARE)
    return make_event("compacted", upto=upto, text=text, verbatim=words, **cost)


def _select_older(agent: BoundAgent, thread: Thread) -> tuple[int, list[tuple[Event, str]]]:
    """Choose up to which event to summarize; return it, and the blocks to be summarized.

    What stays has at most half of the tokens that fit, and begins with a step, so that none is
    split from its result.
    """
    shown = [(past, render_event(thread, past, agent.render)) for past in select_visible(thread)]
    tokens = sum(estimate_tokens(*blocks) for _, blocks in shown)
    room = min(tokens, agent.limits.context) // 2
    upto = thread.state.version
    for past, blocks in reversed(shown):
        room -= estimate_tokens(*blocks)
        if room < 0:
            break
        upto = past.seq - 1 if past.type in ("step", "invalid_step") else upto
    succeeded = max((past.seq for past in thread.events if past.type == "tool_finished"), default=0)
    return upto, [
        (past, block)
        for past, blocks in shown
        if past.seq <= upto or past.type == "compacted"
        for block in blocks
        if "error" not in past.data or past.seq > succeeded
    ]


def _make_question(agent: BoundAgent, prompt: Prompt, older: list[tuple[Event, str]]) -> Prompt:
    blocks = tuple(block for _, block in older)
    return replace(prompt, blocks=blocks, seen=0, ask=agent.prompts.compact)


def _render_line(event: Event, block: str) -> str:
    if event.type == "compacted":
        return str(event.data["text"])
    tag, _, rest = block.partition("\n")
    return f"{tag[1:-1]}: {' '.join(line.strip() for line in rest.splitlines()[:-1])}"


def _shorten(summary: str, tokens: int) -> str:
    """Cut a summary that has more tokens than that as a block, and say so in it."""
    size = estimate_tokens(render_block("", summary, 4 * MAX_TEXT))
    return cut(summary, max(len(summary) * tokens // size, 200)) if size > tokens else summary

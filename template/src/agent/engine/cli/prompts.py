"""Prompts as people read them: what the model is sent, what is cached, and what it cost."""

import json
from collections import Counter

from ..log.events import Event
from ..log.thread import Thread
from ..loop.compaction import render_next_prompt
from ..loop.ports import Ports
from ..tokens import estimate_tokens

ESTIMATED = "[Tokens are estimated.]"


def format_prompt(ports: Ports, thread: Thread) -> str:
    """Return exactly what the model would be sent next, with a line in brackets after each part.

    The line says how long the part is; no block contains such a line.
    """
    agent = ports.get_agent(thread)
    prompt, schema = render_next_prompt(agent, thread), agent.steps.schema
    complete = getattr(agent.llm, "complete", None)
    sent = complete(prompt, schema) if complete else prompt
    beside = [json.dumps(schema, ensure_ascii=False)] if sent == prompt else []
    prompt = sent
    parts = {
        "system prompt, cache mark": [prompt.system],
        "events the call before had, cache mark": prompt.blocks[: prompt.seen],
        "new events, cache mark": prompt.blocks[prompt.seen :],
        "question, never cached": [prompt.ask],
        "schema of the answer, sent beside the prompt": beside,
    }
    shown = [_format_part(name, *texts) for name, texts in parts.items() if texts]
    forms = (past.data["format"] for past in reversed(thread.events) if "format" in past.data)
    asked = [f"[The last reply was asked for as {form}]" for form in forms][:1]
    return "\n\n".join([*shown, *asked, ESTIMATED])


def note_changed_prompts(thread: Thread, event: Event) -> str:
    """Return a note if the owner's prompts have changed since the step before."""
    asked = ("step", "invalid_step")
    for seq in range(event.seq - 1, 0, -1) if event.type in asked else ():
        if (before := thread.event(seq)).type in asked:
            sha = event.data.get("prompt_sha")
            return f" (prompts changed, now {sha})" if before.data.get("prompt_sha") != sha else ""
    return ""


def format_tokens(thread: Thread) -> str:
    """Return the tokens of all the model calls of a thread; "" if there were none."""
    total = sum((Counter(past.tokens) for past in thread.events), Counter[str]())
    cached = f" ({total['cached']:,} cached)" if total["cached"] else ""
    return f"tokens: {total['input']:,} in{cached}, {total['output']:,} out" if total else ""


def _format_part(name: str, *texts: str) -> str:
    text = "\n\n".join(text.strip("\n") for text in texts)
    return f"{text}\n[{name}; about {estimate_tokens(*texts):,} tokens]"

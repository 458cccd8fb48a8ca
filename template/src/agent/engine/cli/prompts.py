"""Prompts as people read them: what the model is sent, what of it is cached, what it all cost."""

from collections import Counter

from ..context.window import estimate
from ..log.events import Event
from ..log.thread import Thread
from ..loop.compaction import next_prompt
from ..loop.ports import Ports

ESTIMATED = "[tokens are estimated, at four bytes each; the schema of the answer comes on top]"


def prompt_text(ports: Ports, thread: Thread) -> str:
    """Return what the model would be sent next: exactly that, but for the lines in brackets.

    Each of them stands after a part and says how long it is; no block has such a line.
    """
    prompt = next_prompt(ports.agent_of(thread), thread)
    parts = {
        "system prompt, cache mark": [prompt.system],
        "events the call before had, cache mark": prompt.blocks[: prompt.seen],
        "new events, cache mark": prompt.blocks[prompt.seen :],
        "question, never cached": [prompt.ask],
    }
    shown = [_part(name, *texts) for name, texts in parts.items() if texts]
    return "\n\n".join([*shown, ESTIMATED])


def changed(thread: Thread, event: Event) -> str:
    """Return a note where the owner's prompts are not those of the step before."""
    asked = ("step", "invalid_step")
    for seq in range(event.seq - 1, 0, -1) if event.type in asked else ():
        if (before := thread.event(seq)).type in asked:
            sha = event.data.get("prompt_sha")
            return f" (prompts changed, now {sha})" if before.data.get("prompt_sha") != sha else ""
    return ""


def spent(thread: Thread) -> str:
    """Return the tokens of all the model calls of a thread."""
    total = sum((Counter(past.tokens) for past in thread.events), Counter[str]())
    cached = f" ({total['cached']:,} cached)" if total["cached"] else ""
    return f"{total['input']:,} in{cached}, {total['output']:,} out" if total else "-"


def _part(name: str, *texts: str) -> str:
    text = "\n\n".join(text.strip("\n") for text in texts)
    return f"{text}\n[{name}; about {estimate(*texts):,} tokens]"

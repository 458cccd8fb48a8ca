"""Factor 3: own your context window. Factor 9: compact errors into it.

Every event the model should know of becomes one block in the form of the guide's examples:
the tag is what happened, the body compact YAML. Data can never open or close a tag. A block
is final once it was sent, so each prompt begins with the bytes of the one before, until a
`compacted` event makes a new beginning: that is what prompt caches live on.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from .blocks import block
from .events import Call, Event, cut
from .thread import Thread

MAX_CONTEXT = 400_000
"""Characters of all blocks, about 100,000 tokens; beyond it the older half is compacted."""


@dataclass(frozen=True)
class Prompts:
    """The owner's words: `prompts/system.md` and `prompts/next_step.md`."""

    system: str
    next_step: str

    @property
    def sha(self) -> str:
        """Recorded with each step, so that the log says which prompt led to it."""
        return hashlib.sha256(f"{self.system}\0{self.next_step}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Prompt:
    """What one model call reads, in this order."""

    system: str
    blocks: tuple[str, ...]
    seen: int
    """How many of the blocks the previous call had already."""
    ask: str
    """The closing question; never cached."""

    @property
    def is_too_long(self) -> bool:
        return sum(map(len, self.blocks)) > MAX_CONTEXT


def render(thread: Thread, prompts: Prompts) -> Prompt:
    """Turn a thread into the next prompt."""
    blocks: list[str] = []
    seen = 0
    for event in _visible(thread):
        if event.type in ("step", "invalid_step", "discarded"):
            seen = len(blocks)
        if block := _block(thread, event):
            blocks.append(block)
    return Prompt(prompts.system, tuple(blocks), seen, prompts.next_step)


def compacted(thread: Thread) -> dict[str, Any]:
    """Return the data of a `compacted` event: the older half of the blocks, a line each.

    Errors among them are left out. Only for a thread with no open step or wait, so that no
    call is cut off from its result.
    """
    shown = [(event, block) for event in _visible(thread) if (block := _block(thread, event))]
    half = sum(len(block) for _, block in shown) // 2
    cutoff, kept = len(shown), 0
    while cutoff > 1 and (kept < half or shown[cutoff][0].type not in ("step", "message")):
        cutoff -= 1
        kept += len(shown[cutoff][1])
    lines = [_line(block) for event, block in shown[:cutoff] if "error" not in event.data]
    upto = shown[cutoff][0].seq - 1
    return {"upto": upto, "text": cut("\n".join(lines), MAX_CONTEXT // 10)}


def _visible(thread: Thread) -> list[Event]:
    for event in reversed(thread.events):
        if event.type == "compacted":
            later = thread.events[event.data["upto"] :]
            return [event, *(other for other in later if other.type != "compacted")]
    return list(thread.events)


def _line(block: str) -> str:
    tag, _, body = block.partition("\n")
    return f"{tag.strip('<>')}: {' '.join(body.rpartition('</')[0].split())}"


def _block(thread: Thread, event: Event) -> str:
    """Return the block of one event, or nothing where the model need not know of it."""
    data = event.data
    match event.type:
        case "message" if "facts" in data:
            return "\n\n".join(block(name, value) for name, value in data["facts"].items())
        case "message":
            said = {"from": event.actor, "text": data["text"]}
            return _not_run(thread, event) + block(f"{data.get('source', 'user')}_message", said)
        case "step":
            return block(data["call"]["intent"], _call(thread, event))
        case "invalid_step":
            return block("invalid_step", {"error": data["error"], "output": data["output"]})
        case "tool_finished":
            return block(f"{_intent(thread, data['step'])}_result", data["output"])
        case "tool_failed":
            return block("error", f"error running {_intent(thread, data['step'])}: {data['error']}")
        case "resumed":
            return _answer(thread, event)
        case "cancelled":
            return block("cancelled", {"by": event.actor, "reason": data.get("reason", "")})
        case "compacted":
            return block("earlier_events", data["text"], MAX_CONTEXT)
    return ""


def _answer(thread: Thread, event: Event) -> str:
    data = event.data
    wait = thread.event(data["wait"]).data
    said = {"from": event.actor, "response": data["text"]} if data.get("text") else {}
    match data["verdict"]:
        case "approve" | "edit":
            return block("human_response", {"approved": True, **said})
        case "reject":
            return block("human_response", {"approved": False, **said})
        case "expired":
            return block("human_response", f"nobody answered in time: {wait.get('text', '')}")
        case "happened":
            return block(f"{wait['call']['intent']}_result", {"confirmed": True, **said})
        case "abort":
            return block("error", f"{wait['call']['intent']} was given up, outcome unknown")
        case "done":
            return block("wait_result", said or "the time has come")
        case "retry":
            return ""
    return block("human_response", said)


def _not_run(thread: Thread, message: Event) -> str:
    """Say of a call that this message overtook that it was never run."""
    for seq in range(message.seq - 1, 0, -1):
        event = thread.event(seq)
        if event.type == "paused" and event.data["kind"] == "approval":
            intent = event.data["call"]["intent"]
            return block(f"{intent}_result", "not run: the next message came first") + "\n\n"
        if event.type != "delivered":
            break
    return ""


def _call(thread: Thread, step: Event) -> Call:
    """Return the call of a step as a person left it: an edit replaces it everywhere."""
    for seq in range(step.seq + 1, len(thread.events) + 1):
        event = thread.event(seq)
        if event.type == "resumed" and event.data["verdict"] == "edit":
            return dict(event.data["call"])
        if event.type not in ("paused", "delivered"):
            break
    return dict(step.data["call"])


def _intent(thread: Thread, seq: int) -> str:
    return str(thread.event(seq).data["call"]["intent"])

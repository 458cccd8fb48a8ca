"""Factor 3: own your context window. Factor 9: compact errors into it.

Every event the model should know of becomes one block in the form of the guide's examples:
the tag is what happened, the body compact YAML. Data can never open or close a tag. A block
is final once it was sent, so each prompt begins with the bytes of the one before, until a
`compacted` event makes a new beginning: that is what prompt caches live on.
"""

import hashlib
from dataclasses import dataclass

from .blocks import MAX_BLOCK, block
from .events import Call, Event
from .state import is_person
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
    events = visible(thread)
    beginning = events[0].seq if events else 0
    for event in events:
        # A `discarded` reply knew less than what stands here by now: it says nothing of `seen`.
        if event.type in ("step", "invalid_step") and event.seq > beginning:
            seen = len(blocks)
        blocks += blocks_of(thread, event)
    return Prompt(prompts.system, tuple(blocks), seen, prompts.next_step)


def visible(thread: Thread) -> list[Event]:
    """Return the events the model may still read, the last `compacted` first."""
    for event in reversed(thread.events):
        if event.type == "compacted":
            later = thread.events[event.data["upto"] :]
            return [event, *(other for other in later if other.type != "compacted")]
    return list(thread.events)


def blocks_of(thread: Thread, event: Event) -> list[str]:
    """Return what the model reads of one event; nothing where it need not know of it."""
    data = event.data
    match event.type:
        case "message" if "facts" in data:
            limit = 4 * MAX_BLOCK // max(4, len(data["facts"]))
            return [block(name, value, limit) for name, value in data["facts"].items()]
        case "message":
            said = {"from": event.actor, "text": data["text"]}
            return [*_not_run(thread, event), block(f"{data.get('source', 'user')}_message", said)]
        case "step":
            return [block(data["call"]["intent"], _call(thread, event))]
        case "invalid_step":
            return [block("invalid_step", {"error": data["error"], "output": data["output"]})]
        case "tool_finished":
            return [block(f"{_intent(thread, data['step'])}_result", data["output"])]
        case "tool_failed":
            intent = _intent(thread, data["step"])
            return [block("error", f"error running {intent}: {data['error']}")]
        case "resumed" if data["verdict"] != "retry":
            return [_answer(thread, event)]
        case "cancelled":
            return [block("cancelled", {"by": event.actor, "reason": data.get("reason", "")})]
        case "compacted":
            return [block("earlier_events", data["text"], MAX_CONTEXT)]
    return []


def _answer(thread: Thread, event: Event) -> str:
    data = event.data
    wait = thread.event(data["wait"]).data
    said = {"from": event.actor} | ({"response": data["text"]} if data.get("text") else {})
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
            return block("wait_result", said if is_person(event.actor) else "the time has come")
    return block("human_response", {"response": data["verdict"]} | said)


def _not_run(thread: Thread, message: Event) -> list[str]:
    """Say of a call that this message overtook that it was never run."""
    reported = set()
    for seq in range(message.seq - 1, 0, -1):
        event = thread.event(seq)
        if event.type.startswith("tool_"):
            reported.add(event.data["step"])
        elif event.type == "step" and seq not in reported:
            intent = event.data["call"]["intent"]
            return [block(f"{intent}_result", "not run: the next message came first")]
        elif event.type not in ("paused", "delivered", "discarded") or _asks(event):
            break
    return []


def _asks(event: Event) -> bool:
    return event.type == "paused" and event.data["kind"] != "approval"


def _call(thread: Thread, step: Event) -> Call:
    """Return the call of a step as a person left it: an edit replaces it everywhere."""
    for seq in range(step.seq + 1, len(thread.events) + 1):
        event = thread.event(seq)
        if event.type == "resumed" and event.data["verdict"] == "edit":
            return dict(event.data["call"])
        if event.type == "step":
            break
    return dict(step.data["call"])


def _intent(thread: Thread, seq: int) -> str:
    return str(thread.event(seq).data["call"]["intent"])

"""Factor 9: compact errors into the context window. How each event reads there.

The form is that of the guide's examples: the tag is what happened, the body compact YAML, which
does not repeat the tag. An event that says nothing new has no block. Nothing here may depend on a
clock, on chance or on what comes after the next prompt: a block is final once it was sent.
"""

from collections.abc import Callable
from typing import Any

from ..log.events import MAX_TEXT, CallJson, Event, cut
from ..log.state import is_person
from ..log.thread import Thread
from .blocks import MAX_BLOCK, render_block
from .values import render_value

Block = tuple[str, Any] | tuple[str, Any, int]
"""What `render_block` takes."""

MAX_WORDS = MAX_BLOCK // 4
"""Characters of one message that stays word for word behind a summary."""

_SILENT = ("paused", "reminded", "delivered", "discarded", "revoked", "rated", "consulted")
"""Events that say nothing of what became of a call."""

Render = Callable[[Event, Thread], str | None]
"""How an owner renders an event: its block, None to leave it to the engine, "" to leave it out."""


def render_event(thread: Thread, event: Event, render: Render | None = None) -> list[str]:
    """Return what the model reads of one event; nothing where it need not know of it."""
    before = _not_run(thread, event) if event.type == "message" and "text" in event.data else []
    own = render(event, thread) if render else None
    if own is not None:
        return [*before, own] if own else before
    return [*before, *(render_block(*each) for each in _list_blocks(thread, event, render))]


def _list_blocks(thread: Thread, event: Event, render: Render | None) -> list[Block]:
    data = event.data
    match event.type:
        case "message" if "facts" in data:
            limit = 4 * MAX_BLOCK // max(4, len(data["facts"]))
            return [(name, value, limit) for name, value in data["facts"].items()]
        case "message":
            said = {"from": event.actor, "text": data["text"]}
            return [(f"{data.get('source', 'user')}_message", said)]
        case "step":
            return [(data["call"]["intent"], _find_arguments(thread, event) or "")]
        case "invalid_step":
            return [("invalid_step", {"error": data["error"], "output": data["output"]})]
        case "tool_finished":
            return [(f"{_find_intent(thread, data['step'])}_result", data["output"])]
        case "tool_failed":
            intent = _find_intent(thread, data["step"])
            return [("error", f"error running {intent}: {data['error']}")]
        case "resumed" if data["verdict"] != "retry":
            wait = thread.event(data["wait"]).data
            escalated = data["verdict"] == "expired" and wait.get("escalate")
            return [] if escalated else [_describe_answer(event, wait)]
        case "cancelled":
            return [("cancelled", {"by": event.actor, "reason": data.get("reason", "")})]
        case "compacted":
            room = data.get("verbatim", 0)
            words = _list_words(thread, event, render) if room else []
            past = {"summary": data["text"], "people_said": "\n".join(render_value(words, room))}
            return [("earlier_events", past if words else data["text"], 4 * MAX_TEXT)]
    return []


def _describe_answer(event: Event, wait: dict[str, Any]) -> Block:
    data = event.data
    said = {"from": event.actor} | ({"response": data["text"]} if data.get("text") else {})
    match data["verdict"]:
        case "approve" | "edit":
            return "human_response", {"approved": True, **said}
        case "reject":
            return "human_response", {"approved": False, **said}
        case "expired":
            return "human_response", f"nobody answered in time: {wait.get('text', '')}"
        case "happened":
            return f"{wait['call']['intent']}_result", {"confirmed": True, **said}
        case "abort":
            return "error", f"{wait['call']['intent']} was given up, outcome unknown"
        case "failed":
            return (
                "error",
                f"{wait.get('call', {}).get('intent', 'it')} failed: {data.get('text', '')}",
            )
        case "done":
            tag = f"{wait['call']['intent']}_result" if "call" in wait else "wait_result"
            return tag, "the time has come" if event.actor == "system" else said
    return "human_response", {"response": data["verdict"]} | said


def _not_run(thread: Thread, message: Event) -> list[str]:
    """Say of a call that this message overtook that it was never run."""
    reported = set()
    for seq in range(message.seq - 1, 0, -1):
        event = thread.event(seq)
        if event.type.startswith("tool_"):
            reported.add(event.data["step"])
        elif event.type == "step" and seq not in reported:
            intent = event.data["call"]["intent"]
            return [render_block(f"{intent}_result", "not run: the next message came first")]
        elif event.type not in _SILENT or _is_question(event):
            break
    return []


def _is_question(event: Event) -> bool:
    return event.type == "paused" and event.data["kind"] != "approval"


def _list_words(thread: Thread, summary: Event, render: Render | None) -> list[dict[str, str]]:
    """Return what people wrote of what is summarized, but for events that the owner renders."""
    return [
        {"from": event.actor, "text": cut(event.data["text"], MAX_WORDS)}
        for event in thread.events[: summary.data["upto"]]
        if event.type in ("message", "resumed") and event.data.get("text")
        if is_person(event.actor) and not (render and render(event, thread) is not None)
    ]


def _find_arguments(thread: Thread, step: Event) -> CallJson:
    """Return the arguments of a step as a person left them: an edit replaces them everywhere."""
    edited = step
    for seq in range(step.seq + 1, len(thread.events) + 1):
        event = thread.event(seq)
        if event.type == "resumed" and event.data["verdict"] == "edit":
            edited = event
        if event.type == "step" or edited is event:
            break
    return {name: item for name, item in edited.data["call"].items() if name != "intent"}


def _find_intent(thread: Thread, seq: int) -> str:
    return str(thread.event(seq).data["call"]["intent"])

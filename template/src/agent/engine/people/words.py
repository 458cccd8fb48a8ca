"""Events as sentences for people: who did what. The terminal and the pages use the same ones."""

import json
from dataclasses import dataclass
from typing import Any

from ..log.events import CallJson, Event
from ..log.thread import Thread


@dataclass(frozen=True)
class Sentence:
    who: str
    did: str
    """Follows `who`, such as "approved deploy_backend"."""
    about: Any = ""
    """What was said, asked or returned: text or JSON, after a colon."""
    call: CallJson | None = None
    """The object of `did`, such as of "chose"."""
    more: Any = ""
    """Text or JSON that is too long for a line; a page shows it below."""

    @property
    def line(self) -> str:
        """The sentence without its subject, on one line."""
        done = f"{self.did} {format_call(self.call)}" if self.call else self.did
        return shorten(f"{done}: {format_value(self.about)}" if self.about else done)


def describe_event(thread: Thread, event: Event) -> Sentence:
    """Say who did what in an event of `thread`. A type of a later version is shown as it is."""
    who, data = event.actor, event.data
    match event.type:
        case "message" if "facts" in data:
            return _describe_prefetch(event)
        case "message":
            return Sentence(who, f"said{_format_source(event)}", data["text"])
        case "step":
            away = data.get("instead_of")
            did = f"chose in place of {away}, which is away:" if away else "chose"
            return Sentence(who, did, call=data["call"])
        case "invalid_step":
            return Sentence(who, "returned an invalid step", data["error"], more=data["output"])
        case "tool_started" | "tool_finished" | "tool_failed":
            return _describe_tool(thread, event)
        case "paused":
            return Sentence(who, _describe_request(event), data.get("text", ""))
        case "reminded":
            return Sentence(who, f"reminded people of the {_name_wait(thread, data['wait'])}")
        case "revoked":
            return Sentence(who, f"revoked the standing approval of event {data['approval']}")
        case "rated":
            rated = f"rated step {data['step']} as {data['rating']}"
            return Sentence(who, rated, data.get("text", ""))
        case "resumed":
            return _describe_answer(thread, event)
        case "delivered":
            return _describe_delivery(thread, event)
        case "finished":
            return Sentence(who, "finished", data["message"])
        case "cancelled":
            return Sentence(who, "cancelled the thread", data.get("reason", ""))
        case "forked":
            return Sentence(who, f"forked thread {data['thread']} after event {data['seq']}")
        case "discarded":
            return Sentence(who, "discarded a reply because the thread changed meanwhile")
        case "consulted":
            return _describe_question(event)
        case "compacted":
            return Sentence(who, f"summarized the events up to {data['upto']}", more=data["text"])
    return Sentence(who, event.type, data)


def format_call(call: CallJson) -> str:
    """Return a call as Python would write it, on one line, for a place where it may be cut."""
    given = (f"{name}={format_value(value, quoted=True)}" for name, value in _arguments(call))
    return shorten(f"{call['intent']}({', '.join(given)})")


def format_value(value: Any, width: int = 0, quoted: bool = False) -> str:
    """Return text as it is unless `quoted`, and data as JSON, indented if it exceeds `width`."""
    if isinstance(value, str) and not quoted:
        return value
    flat = json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, indent=2) if 0 < width < len(flat) else flat


def format_title(thread: Thread) -> str:
    """Return how a thread began, on one line."""
    return shorten(thread.state.title or thread.id, 120)


def shorten(text: str, limit: int = 300) -> str:
    """Return `text` on one line, and cut its end if it is longer than `limit`."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def _describe_prefetch(event: Event) -> Sentence:
    facts = event.data["facts"]
    if values := event.data.get("variables"):
        return Sentence(event.actor, "filled in the system prompt", more=values)
    if "prefetch_error" in facts:
        return Sentence(event.actor, "could not prefetch", facts["prefetch_error"])
    return Sentence(event.actor, f"prefetched {', '.join(facts) or 'nothing'}", more=facts or "")


def _format_source(event: Event) -> str:
    """Name the way a message came, unless its author's name says so, such as `cli:ana`."""
    source = event.data.get("source", "user")
    return "" if source in ("user", event.actor.partition(":")[0]) else f" via {source}"


def _describe_tool(thread: Thread, event: Event) -> Sentence:
    data, step = event.data, event.data["step"]
    intent = _find(thread, step).data["call"]["intent"]
    late = " too late to count" if data.get("late") else ""
    if event.type == "tool_started":
        started = any(past.type == "tool_started" for past in thread.events[step : event.seq - 1])
        again = " again, as the last run reported no result" if started else ""
        return Sentence(event.actor, f"started {intent}{again}")
    if event.type == "tool_finished":
        return Sentence(intent, f"returned{late}", data["output"])
    unsure = "" if data.get("definite") else ", outcome unknown"
    return Sentence(intent, f"failed{late}{unsure}", data["error"])


def _describe_question(event: Event) -> Sentence:
    data, did = event.data, "asked the model inside the tool"
    if "call" in data:
        return Sentence(event.actor, f"{did}, which answered", call=data["call"])
    return Sentence(event.actor, did, data["error"], more=data["output"])


def _describe_request(event: Event) -> str:
    audience = event.data.get("audience", ("anyone",))
    asked = "asked" if "anyone" in audience else f"asked {' or '.join(audience)}"
    match event.data["kind"]:
        case "job" if "child" in event.data:
            return f"started waiting for {audience[0].partition(':')[2]}"
        case "approval":
            return f"{asked} for approval"
        case "limit":
            return f"{asked} whether to go on"
        case "in_doubt":
            return f"{asked} what happened"
        case "job":
            return "started waiting for a job"
        case "timer":
            return "started a timer"
    return asked


_NOUNS = {
    "approval": "approval request",
    "limit": "limit",
    "in_doubt": "unknown outcome",
    "job": "job",
    "timer": "timer",
}
"""What people are notified of, by the kind of the wait; `question` otherwise."""

_ANSWERS = {
    "answer": "answered",
    "approve": "approved {intent}",
    "edit": "edited and approved",
    "reject": "rejected {intent}",
    "done": "reported the job as done",
    "failed": "reported the job as failed",
    "continue": "decided to go on",
    "stop": "decided to stop",
    "happened": "confirmed that {intent} went through",
    "retry": "decided to run {intent} again",
    "abort": "gave up on {intent}",
    "expired": "closed the {noun} because nobody answered in time",
}


def _describe_answer(thread: Thread, event: Event) -> Sentence:
    data, wait = event.data, _find(thread, event.data["wait"]).data
    intent = (wait.get("call") or {}).get("intent", "the call")
    ends = data["verdict"] == "done" and wait.get("kind") == "timer"
    known = "ended the timer" if ends else _ANSWERS.get(data["verdict"], "")
    noun = _NOUNS.get(wait.get("kind", ""), "question")
    did = known.format(intent=intent, noun=noun) if known else str(data["verdict"])
    if scope := data.get("standing"):
        same = ", ".join(
            f"{name}={format_value(item, quoted=True)}" for name, item in scope["values"].items()
        )
        did += f", and every later one with {same} in this thread"
    if released_by := data.get("released_by"):
        did = f"continued, as {released_by} continued another thread that stopped for this reason"
    return Sentence(event.actor, did, data.get("text", ""), data.get("call"))


def _describe_delivery(thread: Thread, event: Event) -> Sentence:
    error, shown = event.data.get("error", ""), _find(thread, event.data["ref"])
    if passed := _describe_family(thread, shown):
        return Sentence(event.actor, passed, error)
    past = reversed(thread.events[: shown.seq])
    wait = next((each.seq for each in past if each.type == "paused"), 0)
    noun, reached = _name_wait(thread, wait), event.data.get("reached") or {}
    news = {"paused": f"of the {noun}", "reminded": f"of the {noun}", "finished": "of the result"}
    news["step"] = "that another model stands in"
    of = news.get(shown.type, f"that the {noun} is closed")
    ways = [f"{' and '.join(people)} by {name}" for name, people in reached.items()]
    again = " again" if shown.type == "reminded" else ""
    did = f"notified {', '.join(ways) or 'nobody'} {of}{again}"
    if shown.type not in news and not ways:
        did = f"updated the messages about the {noun}"
    return Sentence(
        event.actor, did if not error or ways else f"could not notify anybody {of}", error
    )


def _describe_family(thread: Thread, shown: Event) -> str:
    """Say what a delivery to the parent or to a child of a thread was; "" for one to people."""
    if "to" in shown.data:
        return "passed the message on to the thread whose question it answers"
    if shown.type == "finished" and thread.state.parent:
        return "reported the result to the thread that delegated it"
    closes = shown.seq > 0 and thread.before(shown.seq).state.wait
    if shown.type == "cancelled" and not closes:
        return "notified the other threads of the cancellation"
    return ""


def _name_wait(thread: Thread, wait: int) -> str:
    return _NOUNS.get(_find(thread, wait).data.get("kind", ""), "question")


def _find(thread: Thread, seq: int) -> Event:
    """Return an event that another one refers to; an empty one where the log was cut."""
    return thread.event(seq) if 0 < seq <= len(thread.events) else Event("", {})


def _arguments(call: CallJson) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in call.items() if name != "intent"]

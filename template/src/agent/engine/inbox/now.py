"""The status of a thread, as the top of its page shows it.

A page shows one such state, and offers the next one instead of changing under a reader's hand.
"""

from dataclasses import dataclass
from hashlib import sha256

from ..characters import clean
from ..log.events import Event
from ..log.thread import Thread
from ..people.cards import KINDS, explain_message, format_scope, title_wait
from ..people.words import shorten


@dataclass(frozen=True)
class Now:
    key: str
    """Another one for every state that a page shows."""
    news: str
    """What became of the state before."""
    hint: str
    """What a message would do, for this reader."""
    ending: Event | None
    """What ended the thread."""
    standing: list[tuple[int, str, str]]
    """The approvals for the whole thread: their events, scopes, and who gave each."""


def describe_now(thread: Thread, reader: str, problem: str = "") -> Now:
    state = thread.state
    standing = [
        (one.seq, format_scope({"standing": one.values, "call": {"intent": one.intent}}), one.by)
        for one in state.standing
    ]
    what = str(state.wait.seq) if state.wait else state.ended or "working"
    what += f"!{sha256(problem.encode()).hexdigest()[:8]}" if problem else ""
    ending = next((past for past in reversed(thread.events) if past.type == state.ended), None)
    what += f"@{ending.seq}" if ending else ""
    key = ":".join([what, *(str(seq) for seq, _, _ in standing)])
    hint = explain_message(state.wait, reader) or _explain_message(thread)
    return Now(key, _describe_news(thread, problem), hint, ending, standing)


def _describe_news(thread: Thread, problem: str) -> str:
    wait = thread.state.wait
    if problem and not wait:
        return "The agent cannot go on now."
    if wait:
        kind = KINDS.get(wait.kind, clean(wait.kind))
        return shorten(f"{kind}: {title_wait(wait.data)}", 160)
    if thread.state.ended:
        return f"The thread is {thread.state.ended}."
    return "The agent is working again."


def _explain_message(thread: Thread) -> str:
    if thread.state.ended and thread.state.parent:
        return "This thread has ended. Write to the thread that delegated it."
    if thread.state.ended:
        return "A message opens the thread again."
    return "The agent reads a message before it goes on."

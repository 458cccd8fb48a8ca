"""The turns of a thread: each goes from what started the thread to its next pause or its end."""

from dataclasses import dataclass, replace
from hashlib import sha256

from ..log.events import Event
from ..log.thread import Thread


@dataclass(frozen=True)
class Turn:
    """A trace, named by the event that started it."""

    thread_id: str
    seq: int

    @property
    def trace_id(self) -> int:
        return make_id(16, self.thread_id, self.seq)

    @property
    def span_id(self) -> int:
        """The id of the root, whose children are all other spans of the trace."""
        return make_id(8, self.thread_id, self.seq)


def ends_turn(event: Event) -> bool:
    stopped = event.type == "resumed" and event.data["verdict"] == "stop"
    return stopped or event.type in ("paused", "finished", "cancelled")


def find_turn(thread: Thread, seq: int) -> Turn:
    """Return the turn of event `seq`.

    It starts with the answer to a pause, else with the first event after the pause. An event that
    only reports on the previous turn does not start one.
    """
    first = 0
    for each in map(thread.event, range(seq, 0, -1)):
        if each.type == "forked" or (first and ends_turn(each)):
            break
        if each.type == "resumed":
            return Turn(thread.id, each.seq)
        if each.type not in ("delivered", "discarded"):
            first = each.seq
    return Turn(thread.id, first or seq)


def find_previous(thread: Thread, seq: int) -> Turn | None:
    """Return the last turn that ended before event `seq`; in a fork it may be the origin's."""
    thread_id = thread.id
    for earlier in map(thread.event, range(seq - 1, 0, -1)):
        if ends_turn(earlier):
            return replace(find_turn(thread, earlier.seq), thread_id=thread_id)
        if earlier.type == "forked":
            thread_id = earlier.data["thread"]
    return None


def make_id(size: int, *parts: object) -> int:
    digest = sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:size], "big")

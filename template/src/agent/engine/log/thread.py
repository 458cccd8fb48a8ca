"""A thread: a log together with what it folds into. It is a value; the store has the only state."""

import functools
import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from .events import Event, compute_digest
from .fold import reduce
from .results import Result, S, list_results
from .state import State


@dataclass(frozen=True)
class Thread:
    """A log and what it comes to. Nothing of it changes: what is appended makes a new one."""

    id: str
    events: tuple[Event, ...] = ()

    @cached_property
    def state(self) -> State:
        return functools.reduce(reduce, self.events, State())

    def plus(self, *events: Event) -> Self:
        grown = replace(self, events=self.events + events)
        grown.__dict__["state"] = functools.reduce(reduce, events, self.state)
        return grown

    def before(self, seq: int) -> Self:
        """Return the thread as it was before event `seq`."""
        return replace(self, events=self.events[: seq - 1])

    def event(self, seq: int) -> Event:
        return self.events[seq - 1]

    @property
    def owner(self) -> str:
        """Who started the thread."""
        return self.state.owner

    @property
    def last_speaker(self) -> str:
        """Who said something last: the actor of the last message, or of the last answer."""
        return self._last_words[0]

    @property
    def last_message(self) -> str:
        """What they said."""
        return self._last_words[1]

    @cached_property
    def _last_words(self) -> tuple[str, str]:
        for past in reversed(self.events):
            answers = past.type == "resumed" and past.data["verdict"] == "answer"
            if answers or (past.type == "message" and "text" in past.data):
                return past.actor, past.data["text"]
        return "", ""

    def results(self, shape: type[S]) -> "list[Result[S]]":
        """Return what the calls of a shape brought in this thread, in the order of the results.

        One result a call, as it ran: an edit by a person is in its `step`. What a person confirmed
        and what another system reported are among them, marked by `source`. A call that no longer
        fits the shape keeps its values as they were recorded, unchecked.
        """
        return list_results(self.events, shape)

    def find(self, key: str) -> Event | None:
        return next((event for event in self.events if event.key == key), None)


def idempotency_key(thread: Thread) -> str:
    """Name the effect of the open step.

    The same when the same call is started again or proposed again after an unclear outcome;
    a new one after an outcome that is certain. Begins with the thread's id; 64 characters."""
    assert thread.state.step, "only an open step has an effect to name"
    call = compute_digest(thread.state.step.call)
    name = f"{thread.id}:{call}:{thread.state.settled.count(call)}"
    return f"{thread.id}.{hashlib.sha256(name.encode()).hexdigest()[:27]}"

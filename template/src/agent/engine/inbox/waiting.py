"""The open waits of some threads, in the order in which they concern a person."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..http.answers import find_urgency
from ..log.state import OpenWait
from ..log.thread import Thread


@dataclass(frozen=True)
class Asked:
    """An open wait in a list."""

    thread: Thread
    wait: OpenWait
    mine: bool
    """The reader may answer."""

    @property
    def urgency(self) -> str:
        return find_urgency(self.wait)

    @property
    def place(self) -> tuple[Any, ...]:
        """Those for the reader first, then the urgent ones, then those that wait longest."""
        at = self.thread.event(self.wait.seq).at
        return not self.mine, ("high", "medium", "low").index(self.urgency), at


def list_questions(threads: Iterable[Thread], name: str) -> list[Asked]:
    """List the open waits of some threads, those that concern a person most first."""
    waiting = (
        Asked(thread, wait, wait.admits(name)) for thread in threads if (wait := thread.state.wait)
    )
    return sorted(waiting, key=lambda one: one.place)

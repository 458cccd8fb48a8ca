"""Open waits in the order in which they concern a person."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..http.answers import find_urgency
from ..index import Summary, Waiting
from ..log.state import OpenWait


@dataclass(frozen=True)
class Asked:
    """An open wait in a list."""

    thread: Summary
    wait: OpenWait
    at: Any
    """When it was opened."""
    mine: bool
    """The reader may answer."""
    others: int = 0
    """Number of other threads with the same cause, which continue with this one."""

    @property
    def urgency(self) -> str:
        return find_urgency(self.wait)

    @property
    def place(self) -> tuple[Any, ...]:
        """Those for the reader first, then the urgent ones, then those that wait longest."""
        return not self.mine, ("high", "medium", "low").index(self.urgency), self.at


def list_questions(found: Iterable[tuple[Waiting, int]], name: str) -> list[Asked]:
    """List open waits, most relevant for a person first."""
    asked = list[Asked]()
    for waiting, others in found:
        wait, at = OpenWait.of(waiting.paused), waiting.paused.at
        asked.append(Asked(waiting.thread, wait, at, wait.admits(name), others))
    return sorted(asked, key=lambda one: one.place)

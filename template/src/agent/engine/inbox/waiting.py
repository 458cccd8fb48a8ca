"""Open waits in the order in which they concern a person."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..http.answers import find_urgency
from ..index import Summary
from ..log.state import OpenWait
from ..people import waiting


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


def list_questions(found: Iterable[waiting.Asked], name: str) -> list[Asked]:
    """List open waits, most relevant for a person first."""
    asked = list[Asked]()
    for one in found:
        thread, paused = one.waiting.thread, one.waiting.paused
        wait = OpenWait.of(paused)
        asked.append(Asked(thread, wait, paused.at, wait.admits(name), one.others))
    return sorted(asked, key=lambda one: one.place)

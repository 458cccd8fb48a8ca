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

    @property
    def urgency(self) -> str:
        return find_urgency(self.wait)

    @property
    def place(self) -> tuple[Any, ...]:
        """Those for the reader first, then the urgent ones, then those that wait longest."""
        return not self.mine, ("high", "medium", "low").index(self.urgency), self.at


def list_questions(found: Iterable[Waiting], name: str) -> list[Asked]:
    """List open waits, those that concern a person most first."""
    waits = [(each, OpenWait.of(each.paused)) for each in found]
    asked = [Asked(each.thread, wait, each.paused.at, wait.admits(name)) for each, wait in waits]
    return sorted(asked, key=lambda one: one.place)

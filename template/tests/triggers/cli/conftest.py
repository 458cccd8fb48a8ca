"""A desk with a terminal that is none: commands are run as from a script, by `ana`."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

from agent.events import Event
from agent.ports import Agent
from agent.runners.local import LocalRunner
from agent.stores.memory import MemoryStore
from agent.thread import Thread
from agent.triggers import App
from agent.triggers.cli import commands
from agent.triggers.cli.screen import Screen

from ...domain import Says, World, agent_of, stored

T = TypeVar("T")


@dataclass
class Desk:
    store: MemoryStore
    world: World
    llm: Says = field(default_factory=Says)
    built: list[str] = field(default_factory=list)
    """The models that were asked for."""

    @property
    def plugged(self) -> Agent:
        return agent_of(self.store, self.llm, self.world)

    def build(self, model: str) -> App:
        self.built.append(model)
        return App(self.plugged, LocalRunner(self.plugged, poll_s=0.01))

    def agent(self, *words: str) -> Any:
        """Run one command."""
        return CliRunner().invoke(commands(self.build), words, catch_exceptions=False)

    def says(self, *replies: Any) -> None:
        self.llm.replies += replies

    def happened(self, *events: Event, thread_id: str = "t") -> Thread:
        return now(stored(self.store, *events, thread_id=thread_id))

    def thread(self, thread_id: str = "t") -> Thread:
        return now(self.store.load(thread_id))

    def only(self) -> Thread:
        (row,) = now(self.store.threads())
        return self.thread(row.id)


def now(work: Awaitable[T]) -> T:
    async def awaited() -> T:
        return await work

    return asyncio.run(awaited())


@pytest.fixture
def desk(store: MemoryStore, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_USER", "ana")
    monkeypatch.setenv("MODEL", "says:this")
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr("agent.triggers.cli.lookup.PATIENCE_S", 0)
    Path("people.toml").write_text('[ana]\ncli = "ana"\n', "utf-8")
    return Desk(store, world)


class Typist(Screen):
    """A person at a terminal who types these lines, one an ask, and then Ctrl-D."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.lines = list(lines)
        self.asked: list[str] = []

    async def ask(self, question: str) -> str | None:
        self.asked.append(question)
        return self.lines.pop(0) if self.lines else None

    def forget_typed(self) -> None:
        pass

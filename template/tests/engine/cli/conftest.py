"""A desk with a terminal that is none: commands are run as from a script, by `ana`."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

from agent.engine.cli import build_commands, evals
from agent.engine.cli.screen import Screen
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.ports import LLM, Ports
from agent.engine.people.identity import AnyName
from agent.engine.people.poll import PollChannel
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..domain import Direct, Says, World, build_agent, store_thread

T = TypeVar("T")

ROOT = Path(__file__).parents[3]
PROGRAM = (sys.executable, "-m", "tests.engine.cli.test_terminal")
PATIENCE_S = 20


@dataclass
class Desk:
    store: MemoryStore
    world: World
    llm: Says = field(default_factory=Says)
    built: list[str] = field(default_factory=list)
    """The models that were asked for."""
    names: tuple[str, ...] = ("test",)
    """Of its agents, the default first."""
    models: dict[str, LLM] = field(default_factory=dict)
    """Those that are not `llm`, by their name in MODEL."""

    def bind(self, model_of: ModelOf) -> Ports:
        agents = {
            name: build_agent(
                self._find_llm(model_of(name)), self.world, name=name, model=model_of(name)
            )
            for name in self.names
        }
        return Ports(self.store, Direct(PollChannel()), agents, AnyName())

    def _find_llm(self, model: str) -> LLM:
        return self.models.get(model, self.llm)

    @property
    def plugged(self) -> Ports:
        return self.bind(lambda _: "says:this")

    def build(self, model_of: ModelOf) -> App:
        self.built.append(model_of("test"))
        ports = self.bind(model_of)
        return App(ports, LocalRunner(ports, poll_s=0.01))

    def agent(self, *words: str) -> Any:
        """Run one command."""
        cli = build_commands(self.build, evals.mount)
        return CliRunner().invoke(cli, words, catch_exceptions=False)

    def says(self, *replies: Any) -> None:
        self.llm.replies += replies

    def happened(self, *events: Event, thread_id: str = "t") -> Thread:
        return now(store_thread(self.store, *events, thread_id=thread_id))

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
    monkeypatch.setattr("agent.engine.cli.answers.PATIENCE_S", 0)
    Path("people.toml").write_text('[ana]\ncli = "ana"\n', "utf-8")
    return Desk(store, world)


@pytest.fixture
def several(desk: Desk) -> Desk:
    """The same with a second agent."""
    desk.names = ("test", "second")
    return desk


class Typist(Screen):
    """A person at a terminal who types these lines, one an ask, and then Ctrl-D."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.lines = list(lines)
        self.asked: list[str] = []

    async def ask(self, question: str) -> str | None:
        self.asked.append(question)
        return self.lines.pop(0) if self.lines else None

    def discard_typed(self) -> None:
        pass


def environment(*replies: Any, **changes: str) -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "UV")}
    ours = {
        "PYTHONPATH": paths,
        "MODEL": "says:x",
        "AGENT_USER": "ana",
        "SAYS": json.dumps(replies),
    }
    return kept | {"TERM": "xterm"} | ours | changes


def piped(
    cwd: Path, *words: str, env: dict[str, str] | None = None, command: Sequence[str] = PROGRAM
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *words],
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

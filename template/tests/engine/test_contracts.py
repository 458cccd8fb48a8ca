"""The adapters that every agent has, against the contracts of their ports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.engine.llms.recorded import RecordedLLM
from agent.engine.llms.scripted import ScriptedLLM
from agent.engine.loop.ports import Ports
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore

from .conftest import Clock
from .llms.contract import SEARCH, SERVE, LLMContract
from .runners.contract import Pass, RunnerContract
from .stores.contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        return MemoryStore(clock, clock.uptime)


class TestSqliteStore(StoreContract):
    @pytest.fixture
    async def store(self, clock: Clock, tmp_path: Path) -> AsyncIterator[SqliteStore]:
        store = SqliteStore(tmp_path / "threads.db", clock, clock.uptime)
        yield store
        await store.close()


class TestScriptedLLM(LLMContract):
    @pytest.fixture
    def llm(self) -> ScriptedLLM:
        return ScriptedLLM.of(SEARCH, SERVE)


class TestRecordedLLM(LLMContract):
    @pytest.fixture
    def llm(self, tmp_path: Path) -> RecordedLLM:
        return RecordedLLM(ScriptedLLM.of(SEARCH, SERVE), tmp_path / "replies.jsonl")


class TestLocalRunner(RunnerContract):
    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        return MemoryStore(clock, clock.uptime)

    @pytest.fixture
    def passes(self, clock: Clock) -> Pass:
        async def passed(seconds: float) -> None:
            clock.tick(seconds)

        return passed

    def runner(self, ports: Ports) -> LocalRunner:
        return LocalRunner(ports, poll_s=0.01)

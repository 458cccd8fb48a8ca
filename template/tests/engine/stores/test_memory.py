"""The store in memory."""

import pytest

from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from .contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        return MemoryStore(clock)

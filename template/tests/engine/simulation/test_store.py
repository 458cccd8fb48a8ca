"""The store of the simulation keeps the contract of stores, as far as nothing fails."""

import asyncio
from random import Random

import pytest

from agent.engine.log.errors import Unavailable
from agent.engine.log.thread import Thread
from agent.engine.loop.store import Store
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import make_message
from ..stores.contract import StoreContract
from .process import Faults, Process
from .store import connect


def make_store(shared: MemoryStore, faults: Faults) -> Store:
    return connect(shared, Process("test", Random(1), faults))


class TestSimulatedStore(StoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return make_store(MemoryStore(clock, clock.uptime), Faults())


@pytest.mark.parametrize(("faults", "stored"), [({"unavailable": 1.0}, 0), ({"lost": 1.0}, 1)])
async def test_a_failure_comes_before_or_after_the_event_is_stored(
    store: MemoryStore, faults: dict[str, float], stored: int
) -> None:
    with pytest.raises(Unavailable):
        await make_store(store, Faults(**faults)).append(Thread("t"), make_message())
    assert len(await store.ids()) == stored


async def test_a_process_that_was_killed_reaches_the_store_no_more(store: MemoryStore) -> None:
    process = Process("test", Random(1), Faults())
    process.kill()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await connect(store, process).append(Thread("t"), make_message())
    assert await store.ids() == []

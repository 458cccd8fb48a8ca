"""What has to be true of every thread, whoever wrote into it."""

from agent.engine.cli.admin import format_thread, parse_thread
from agent.engine.log.events import make_safe
from agent.engine.log.thread import Thread
from agent.engine.loop.store import Store
from agent.engine.stores.memory import MemoryStore


def check_stored(thread: Thread) -> None:
    """Check that every store can keep a thread as it is, and that it can be moved to another."""
    for event in thread.events:
        assert make_safe(event.data) == event.data
        assert make_safe([event.actor, event.key]) == [event.actor, event.key]
    assert parse_thread(format_thread(thread)).state.version == thread.state.version


class ReusedStore(MemoryStore):
    """Is emptied for each example, where an application that holds it is slow to build."""

    def empty(self) -> None:
        self._rows.clear()
        self._forgotten.clear()


async def check_all_stored(store: Store) -> None:
    for name in await store.ids():
        check_stored(await store.load(name))

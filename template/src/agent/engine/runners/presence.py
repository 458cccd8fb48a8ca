"""Stores that this process runs threads, so that other processes know of it and of its totals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ..index import Worker
from ..log.errors import AgentError
from ..loop.store import Store
from .ending import end
from .reports import Reports

EVERY_S = 10.0
TTL_S = 30.0
"""How long other processes believe that a process runs that no longer says so."""
GOODBYE_S = 1.0


@asynccontextmanager
async def announce(store: Store, reports: Reports) -> AsyncIterator[None]:
    """Store at once and then every 10 seconds that this process runs threads."""

    async def keep_announcing() -> None:
        while True:
            with suppress(AgentError):  # the runner reports that the store is not available
                await store.announce(reports.describe(), TTL_S)
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(keep_announcing())
    try:
        yield
    finally:
        await end(task)
        with suppress(AgentError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await store.announce(reports.describe(), 0)


def describe_worker(worker: Worker, agent: str) -> str:
    """Return a process in words: `process 4711 on myhost (openai:gpt-5)`."""
    host, _, rest = worker.id.partition(":")
    model = worker.models.get(agent) or "no model"
    return f"process {rest.partition(':')[0]} on {host} ({model})"

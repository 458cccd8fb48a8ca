"""Says that this process runs threads: in the store, so that other processes know of it and of its
totals, and by a file, for whoever has to restart a process that hangs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ..index import Worker
from ..log.errors import AgentError, Misconfigured
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


@asynccontextmanager
async def beat(path: Path) -> AsyncIterator[None]:
    """Touch a file at once and every 10 seconds, as long as the event loop runs; delete it at the
    end. A store that does not respond is no reason to restart, so it does not matter here.

    Raises:
        Misconfigured: the file cannot be written. Later it is left to grow old.
    """

    async def keep_beating() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            with suppress(Misconfigured):
                _touch(path)

    _touch(path)
    task = asyncio.create_task(keep_beating())
    try:
        yield
    finally:
        await end(task)
        _delete(path)


def describe_worker(worker: Worker, agent: str) -> str:
    """Return a process in words: `process 4711 on myhost (openai:gpt-5)`."""
    host, _, rest = worker.id.partition(":")
    model = worker.models.get(agent) or "no model"
    return f"process {rest.partition(':')[0]} on {host} ({model})"


def _touch(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        why = f"cannot write the heartbeat {str(path)!r}: {error.strerror}"
        raise Misconfigured(f"{why}. Name a file in a folder that you may write to.") from error


def _delete(path: Path) -> None:
    with suppress(OSError):
        path.unlink()

"""Deletes threads `RETENTION_DAYS` after they ended, if the setting is given."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from ..index import Which
from ..log.errors import AgentError, Misconfigured, ThreadNotFound
from ..loop.deletion import forget
from ..loop.ports import Ports
from ..settings import optional
from .ending import end

EVERY_S = 3600.0
AT_ONCE = 500
"""Threads per query."""

log = logging.getLogger(__name__)


def read_retention() -> timedelta | None:
    """Return how long ended threads are kept, None for forever. Raises Misconfigured."""
    text = optional("RETENTION_DAYS")
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise Misconfigured(f"RETENTION_DAYS={text!r} is not a number of days")
    return timedelta(days=int(text))


async def sweep(ports: Ports, kept: timedelta) -> int:
    """Delete the threads that ended more than `kept` ago, and return their number."""
    number = 0
    which = Which(status="finished", before=await ports.store.now() - kept)
    while rows := await ports.store.threads(which, AT_ONCE):
        before = number
        for row in rows:
            try:
                await forget(ports, row.id, actor="system")
            except ThreadNotFound:  # another process was faster
                pass
            except AgentError as error:
                log.warning("thread %s was not deleted: %s", row.id, error)
            else:
                number += 1
        if number == before:
            break
    return number


@asynccontextmanager
async def keep_clean(ports: Ports) -> AsyncIterator[None]:
    """Sweep at once and then every hour, until the context ends. Raises Misconfigured."""
    kept = read_retention()

    async def keep_sweeping(kept: timedelta) -> None:
        while True:
            try:
                if number := await sweep(ports, kept):
                    log.info("deleted %d threads that ended %d days ago", number, kept.days)
            except AgentError as error:
                log.warning("%s; deleting old threads is retried in an hour", error)
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(keep_sweeping(kept)) if kept else None
    try:
        yield
    finally:
        if task:
            await end(task)

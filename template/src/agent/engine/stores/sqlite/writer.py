"""The one thread of a process that writes to the database.

What waits for it is committed together, so many appends share one sync, and no disk blocks the
event loop.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from .file import Connected

T = TypeVar("T")
MOST = 256
"""Jobs of one transaction."""


@dataclass(eq=False)
class Job:
    """Work in a transaction, and what came of it."""

    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():  # whoever waited for it was cancelled
            return
        if self.error:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    def __init__(self, connected: Connected) -> None:
        self._connected = connected
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: Thread | None = None

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returned, once all that it did is on disk.

        If it raises, nothing of it is done; if this is cancelled, it is done all the same.

        Raises:
            sqlite3.Error, OSError: of a commit that failed it is unknown whether it is on disk.
        """
        if self._thread is None:
            self._thread = Thread(target=self._run, name="sqlite", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        job = Job(work, loop, loop.create_future())
        self._jobs.put(job)
        result: T = await job.future
        return result

    def stop(self) -> None:
        """End the thread once all is done that waits for it."""
        self._jobs.put(None)

    def _run(self) -> None:
        while self._do_next():
            pass
        self._connected.close()

    def _do_next(self) -> bool:
        """Do what waits; False at the end. Afterwards the thread holds nothing of it."""
        batch = self._take()
        if batch:
            self.commit(batch)
        for loop in {job.loop for job in batch}:
            with suppress(RuntimeError):  # it was closed
                loop.call_soon_threadsafe(_settle, [job for job in batch if job.loop is loop])
        return bool(batch)

    def _take(self) -> list[Job]:
        """Wait for a job, and return it with those behind it; nothing at the end."""
        batch: list[Job] = []
        while not batch or (len(batch) < MOST and not self._jobs.empty()):
            job = self._jobs.get()
            if job is None:
                if batch:
                    self.stop()
                break
            batch.append(job)
        return batch

    def commit(self, batch: Sequence[Job]) -> None:
        """Do all jobs in one transaction, except those that raise."""
        try:
            db = self._connected.get()
            try:
                db.execute("BEGIN IMMEDIATE")
                for job in batch:
                    _try(db, job)
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        except Exception as error:
            for job in batch:
                job.error = job.error or error


def _try(db: sqlite3.Connection, job: Job) -> None:
    db.execute("SAVEPOINT job")
    try:
        job.result = job.work(db)
    except Exception as error:
        if not db.in_transaction:  # a full disk, say, ended the transaction of them all
            raise
        job.error = error
        db.execute("ROLLBACK TO job")
    db.execute("RELEASE job")


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()

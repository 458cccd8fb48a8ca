"""Writes to the database in a thread of its own, so that the disk never blocks the event loop.

All jobs in the queue are committed in one transaction: under load, many appends share one sync.
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
"""Jobs per transaction."""


@dataclass(eq=False)
class Job:
    """A function to call in a transaction, and its result or error."""

    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():  # the caller was cancelled
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
        """Call `work` in a transaction, and return its result after the commit is on disk.

        If `work` raises, its changes are rolled back. If the caller is cancelled, the job still
        runs.

        Raises:
            sqlite3.Error, OSError: the commit may or may not be on disk.
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
        """End the thread after the jobs in the queue."""
        self._jobs.put(None)

    def _run(self) -> None:
        while self._do_next():
            pass
        self._connected.close()

    def _do_next(self) -> bool:
        """Run the next batch and drop all references to it. Returns False after `stop`."""
        batch = self._take()
        if batch:
            self.commit(batch)
        for loop in {job.loop for job in batch}:
            with suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(_settle, [job for job in batch if job.loop is loop])
        return bool(batch)

    def _take(self) -> list[Job]:
        """Wait for a job, and return it with the jobs behind it; an empty list after `stop`."""
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
        """Run all jobs in one transaction. A job that raises is rolled back by itself."""
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
        if not db.in_transaction:  # SQLite ended the whole transaction, on a full disk for example
            raise
        job.error = error
        db.execute("ROLLBACK TO job")
    db.execute("RELEASE job")


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()

"""Runs threads on any number of machines, whose workers find them through Procrastinate's jobs.

A job is a hint that something is due, and may be lost or doubled without harm: a worker that takes
it runs the thread that has been due longest. The job is deferred in the same transaction that makes
a thread due. A sweep finds threads that are due later, were released or lost their worker. Leases
and the log do the rest, so Procrastinate's locks and its retries of stalled jobs are not used.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection

from ...log.errors import Misconfigured, StoreFailed, Unavailable
from ...loop.ports import Ports
from ...stores.postgres import PostgresStore
from ...stores.postgres.outages import is_outage
from ...stores.postgres.pool import format_error
from ...stores.postgres.schema import Schema
from ..ending import end
from ..local import GRACE_S, LocalRunner, ThreadTask
from ..reports import explain
from .connector import Connector

log = logging.getLogger(__name__)

SWEEP_S = 5
"""How late a thread that is due by the clock may be found; a divisor of 60."""


class ProcrastinateRunner(LocalRunner):
    """Runs threads like the local runner, but waits for jobs instead of polling for threads."""

    elsewhere = True

    def __init__(
        self,
        ports: Ports,
        concurrency: int = 16,
        lease_s: float = 15.0,
        poll_s: float = 1.0,
        sweep_s: int = SWEEP_S,
    ) -> None:
        super().__init__(ports, concurrency, lease_s, poll_s)
        if not isinstance(ports.store, PostgresStore):
            raise Misconfigured("the runner 'procrastinate' needs the store 'postgres'")
        self._database = ports.store.database
        self._database.schemas["procrastinate"] = _build_schema()
        ports.store.when_due = self._defer_hint
        ports.store.when_forgotten = self._drop_hints
        self._sweep_s = sweep_s
        self._running = set[ThreadTask]()
        self._stopping = asyncio.Event()
        self._jobs = App(connector=Connector(ports.store.database))
        self._advance = self._jobs.task(name="advance", queue="threads")(self._run_due)
        sweep = self._jobs.task(name="sweep", queue="threads")(self._sweep)
        self._jobs.periodic(cron=f"* * * * * */{sweep_s}")(sweep)

    def wake(self, thread_id: str) -> None:
        """Do nothing: the append has already deferred a job."""

    async def work(self, concurrency: int | None = None) -> None:
        self._concurrency = concurrency or self._concurrency
        async with self._keep_up():
            try:
                while True:
                    await self._take_jobs()
                    await asyncio.sleep(self._poll_s)
            finally:
                self._stopping.set()
                if self._running:
                    await asyncio.wait(self._running, timeout=GRACE_S)
                    for task in self._running:
                        task.cancel()
                    with suppress(ConnectorException):  # others run what was released here
                        await self._advance.defer_async(more=True)

    async def _take_jobs(self) -> None:
        """Take jobs until the database is away or this is cancelled; running threads continue.

        Raises:
            StoreFailed: the database rejects Procrastinate's statements.
        """
        worker = asyncio.create_task(self._run_worker())
        try:
            await asyncio.wait({worker})
        except asyncio.CancelledError:
            self._stopping.set()
            await end(worker)
            raise
        try:
            await worker
        except (ConnectorException, Unavailable) as error:
            why = format_error(error.__cause__ or error)
            if isinstance(error.__cause__, psycopg.Error) and not is_outage(error.__cause__):
                raise StoreFailed(f"cannot take jobs: {why}") from error
            log.warning("cannot take jobs: %s; retrying", why)

    async def _drop_hints(self, db: AsyncConnection, thread_id: str) -> None:
        await db.execute(
            "DELETE FROM procrastinate_jobs WHERE args->>'thread_id' = %s", [thread_id]
        )

    async def open_app(self) -> App:
        """Return Procrastinate's app, connected to the database."""
        await self._jobs.open_async(await self._database.open_pool())
        return self._jobs

    async def _run_worker(self) -> None:
        await (await self.open_app()).run_worker_async(
            queues=["threads"],
            concurrency=self._concurrency,
            fetch_job_polling_interval=min(self._sweep_s, SWEEP_S),
            shutdown_graceful_timeout=0,
            delete_jobs="always",
            install_signal_handlers=False,
        )

    async def _run_due(self, thread_id: str = "", more: bool = False) -> None:
        """Run due threads until there are none; with `more`, let other workers help.

        `thread_id` is only for people who look at the jobs: the thread due longest comes first.
        """
        try:
            while not self._stopping.is_set() and (task := await self._claim(self._stopping)):
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                task.add_done_callback(self._log_end)
                if more:
                    await self._advance.defer_async(more=True)
                await asyncio.wait({task})
        except Unavailable as error:
            log.warning("%s; retrying", explain(error))

    async def _sweep(self, timestamp: int) -> None:
        for job in await self._jobs.job_manager.get_stalled_jobs():
            with suppress(ConnectorException):  # another sweep was faster
                await self._jobs.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        await self._run_due(more=True)

    async def _defer_hint(self, db: AsyncConnection, thread_id: str) -> None:
        try:
            await self._advance.configure(connection=db).defer_async(thread_id=thread_id)
        except ConnectorException as error:
            raise error.__cause__ or error from None


def _build_schema() -> Schema:
    """Return Procrastinate's own tables; their version is the number of its migrations."""
    migrations = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))

    def scripts(version: int) -> Iterator[str]:
        if version == 0:
            yield SchemaManager.get_schema()
        else:
            yield from (path.read_text("utf-8") for path in migrations[version:])

    return Schema("procrastinate", len(migrations), scripts)

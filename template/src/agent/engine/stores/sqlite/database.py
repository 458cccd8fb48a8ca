"""The database of one process: writes go to a thread, and reads run in the event loop."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar
from weakref import finalize

from ...blocking import run_in_thread
from ...log.errors import AgentError, Misconfigured, StoreFailed, Unavailable
from .file import Connected
from .schema import connect
from .writer import Writer

OUTAGES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,  # two processes opened the write-ahead log at once
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,  # such as a disk that was mounted again after an error
    sqlite3.SQLITE_NOMEM,
}
"""Results of SQLite that may be different the next time: https://www.sqlite.org/rescode.html"""

T = TypeVar("T")
Values = Sequence[Any] | Mapping[str, Any]


class Database:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._connected = Connected(path)
        self._opened = False
        self.writer = Writer(Connected(path))
        # Since Python 3.13, a connection that nobody closed is a warning.
        finalize(self, self._connected.close)
        finalize(self, self.writer.stop)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work` in a transaction; see `Writer.do`.

        Raises:
            Unavailable: the file is locked, or the disk or the memory fails; try again later.
            StoreFailed: any other error of SQLite, such as a missing column or a damaged file.
        """
        async with self._translate_errors():
            return await self.writer.do(work)

    async def fetch_rows(self, query: str, values: Values = (), *, slow: bool = False) -> list[Any]:
        """Return the rows of a query that only reads. Raises as `write` does.

        An indexed query takes less time than handing it to a thread, so it runs here; a `slow` one
        runs in a thread with a connection of its own. Writers do not block readers. While the
        whole database is locked, the query waits in the writer's thread.
        """

        def fetch(db: sqlite3.Connection) -> list[Any]:
            return db.execute(query, values).fetchall()

        async with self._translate_errors():
            if slow:
                await self._open()
                found: list[Any] = await run_in_thread(self._fetch_apart, query, values)
                return found
            try:
                return fetch(await self._open())
            except sqlite3.OperationalError as error:
                if _read_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
            return await self.writer.do(fetch)

    def _fetch_apart(self, query: str, values: Values) -> list[Any]:
        with closing(connect(self.path)) as db:
            return db.execute(query, values).fetchall()

    async def compact(self) -> None:
        """Rewrite the file without its free pages, then empty the write-ahead log.

        The log is not emptied while another process reads.
        """
        async with self._translate_errors():
            await self._open()
            await run_in_thread(self._vacuum)

    def _vacuum(self) -> None:
        with closing(connect(self.path)) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        self._connected.close()
        self.writer.stop()

    async def _open(self) -> sqlite3.Connection:
        """Return the connection for reads. The writer creates or migrates the tables first."""
        if self._opened:
            return self._connected.get()
        await self.writer.do(lambda db: None)
        db = self._connected.get()
        db.execute("PRAGMA busy_timeout = 0")
        db.execute("PRAGMA query_only = ON")
        self._opened = True
        return db

    @asynccontextmanager
    async def _translate_errors(self) -> AsyncIterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            away = isinstance(error, OSError) or _read_code(error) in OUTAGES
            kind = Unavailable if away else StoreFailed
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise self._locate(kind(f"the database failed: {why}")) from error
        except (Unavailable, Misconfigured) as error:
            raise self._locate(error) from error.__cause__

    def _locate(self, error: AgentError) -> AgentError:
        """Add where the file is, for the log and the terminal: `str(error)` is shown to anyone."""
        if not hasattr(error, "__notes__"):
            error.add_note(f"SQLITE_PATH is {str(self.path)!r}.")
        return error


def _read_code(error: sqlite3.Error) -> int | None:
    """Return the primary result code; None for an error of Python's module itself."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF

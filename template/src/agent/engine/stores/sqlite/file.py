"""A connection to the database file that notices when the file is deleted or replaced."""

import sqlite3
from pathlib import Path

from ...log.errors import Unavailable
from .schema import connect


class Connected:
    """A connection that is opened on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def get(self) -> sqlite3.Connection:
        """Return the open connection.

        Raises:
            Unavailable: the file was deleted or replaced; SQLite would write into the old file.
            sqlite3.Error, OSError, Misconfigured: it cannot be opened.
        """
        if self._db is None:
            self._db = connect(self.path)
            self._identity = self._identify()
        elif (identity := self._identify()) != self._identity:
            became = "replaced; restart this process" if identity else "deleted"
            raise Unavailable(f"the database was {became}")
        return self._db

    def close(self) -> None:
        if self._db:
            self._db.close()
        self._db = None

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

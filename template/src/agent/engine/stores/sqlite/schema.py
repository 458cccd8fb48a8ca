"""The tables of the SQLite store, and how its database is opened, created and migrated."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from ...files import make_private, make_private_folder
from ...log.errors import Misconfigured

BUSY_S = 5.0
"""How long a statement waits for another process to finish."""

PAGE_SIZE = 1024
"""Bytes. A commit writes each page it touches twice, and an event is small."""

MIGRATIONS = (
    """
    CREATE TABLE events (
        thread_id TEXT, seq INTEGER, type TEXT NOT NULL, key TEXT, actor TEXT NOT NULL,
        data TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (thread_id, seq)
    );
    CREATE UNIQUE INDEX named ON events (thread_id, key) WHERE key IS NOT NULL;
    CREATE TABLE threads (
        id TEXT PRIMARY KEY, version INTEGER NOT NULL, status TEXT NOT NULL, agent TEXT NOT NULL,
        owner TEXT NOT NULL, title TEXT NOT NULL, wait INTEGER, parent TEXT, problem TEXT,
        cause TEXT, released_by TEXT, created REAL NOT NULL, updated REAL NOT NULL,
        wake_at REAL, holder TEXT,
        lease_from REAL, lease_until REAL, attempts INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX due ON threads (wake_at) WHERE wake_at IS NOT NULL;
    CREATE INDEX held ON threads (holder) WHERE holder IS NOT NULL;
    CREATE INDEX changed ON threads (updated);
    CREATE INDEX waiting ON threads (updated) WHERE wait IS NOT NULL;
    CREATE INDEX stopped ON threads (cause) WHERE cause IS NOT NULL;
    CREATE INDEX children ON threads (parent) WHERE parent IS NOT NULL;
    CREATE INDEX running ON threads (updated) WHERE status = 'running';
    CREATE TABLE participants (
        name TEXT, thread_id TEXT, updated REAL NOT NULL, PRIMARY KEY (name, thread_id)
    ) WITHOUT ROWID;
    CREATE INDEX read ON participants (name, updated);
    CREATE INDEX readers_of ON participants (thread_id);
    CREATE TABLE causes (
        cause TEXT PRIMARY KEY, noticed REAL NOT NULL, noticed_by TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY, proof TEXT NOT NULL, expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE forgotten (
        thread_id TEXT PRIMARY KEY, deliveries TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE workers (
        id TEXT PRIMARY KEY, about TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE readers (version INTEGER NOT NULL);
    INSERT INTO readers VALUES (1)
    """,
)
"""One script a schema version, oldest first; never change one that was released. A script that
older code cannot work with sets `readers` to its own version."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the database; create or migrate it if necessary.

    Raises:
        Misconfigured: a newer version of this code wrote it; it is left untouched.
    """
    make_private_folder(path.parent)
    _create_private(path)
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # of a new file
        if _read_version(db) != len(MIGRATIONS):
            _migrate(db)
        # WAL with FULL: a commit is on disk before the world is touched, even if the power fails.
        _use_wal(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
    except BaseException:
        db.close()
        raise
    return db


def _create_private(path: Path) -> None:
    """Keep the file for this user alone; the files that SQLite creates beside it get its mode.

    It is not opened under its name: closing such a file would end the locks of this process on it.
    """
    if path.exists():
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            make_private(file)
        return
    empty = path.with_name(f"{path.name}-{uuid4().hex}")
    os.close(os.open(empty, os.O_CREAT | os.O_EXCL, 0o600))
    with suppress(OSError):  # another process was faster, or there are no links
        os.link(empty, path)
    empty.unlink()


def _use_wal(db: sqlite3.Connection) -> None:
    """Retry as long as any statement may wait: this one does not use the busy handler."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    version = _read_version(db)
    if version > len(MIGRATIONS):
        readable = _is_readable(db)
        db.execute("ROLLBACK")
        if readable:
            return
        raise Misconfigured(
            f"the database was written by a newer version of this agent (schema {version}, this "
            f"one knows {len(MIGRATIONS)}). Update the code, or set SQLITE_PATH to another file."
        )
    for script in MIGRATIONS[version:]:
        for statement in script.split(";"):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute("COMMIT")


def _is_readable(db: sqlite3.Connection) -> bool:
    """Say whether newer tables are still for this version of the code."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'readers'").fetchone():
        return False
    return bool(db.execute("SELECT version FROM readers").fetchone()[0] <= len(MIGRATIONS))


def _read_version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])

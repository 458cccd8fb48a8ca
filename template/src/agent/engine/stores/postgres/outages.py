"""Tells an outage of PostgreSQL, after which a retry may succeed, from a fault that stays."""

import psycopg

OUTAGES = (
    "08",  # the connection; also everything that PgBouncer reports
    "25006",  # read only: a standby that is not promoted yet
    "25P03",  # this process froze in a transaction
    "25P04",
    "40",  # a deadlock, or a conflict with another transaction
    "53",  # no disk space, no memory, too many connections
    "55P03",  # a lock was not available in time
    "57",  # the server stops, starts or cancelled the statement
    "58",  # the disk or the operating system of the server
)
"""Classes and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html"""


def is_outage(error: Exception) -> bool:
    """Say whether the same statement may succeed later.

    An error without a code comes from the client: there is no connection, or it was lost.
    """
    if is_lost_statement(error):
        return False
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    if code is None:
        return isinstance(error, OSError | psycopg.OperationalError | psycopg.InterfaceError)
    return code.startswith(OUTAGES)


def is_lost_statement(error: Exception) -> bool:
    """Say whether a prepared statement is missing or another's, as it is behind a pooler."""
    return isinstance(error, psycopg.Error) and "prepared statement" in str(error)

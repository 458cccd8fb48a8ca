"""The SQL of the PostgreSQL store, and how its tables are created and migrated.

`upgrade` is safe at any moment and from any number of processes: one takes the lock, and the others
find the work done. If the tables are up to date, it only reads.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from psycopg import AsyncConnection

from ...log.errors import Misconfigured

_LOCK = 0x12FAC702
"""The key of `pg_advisory_xact_lock`; the same in every version of this code."""

MIGRATIONS = (
    r"""
    CREATE TABLE events (
        thread_id text COLLATE "C", seq integer, type text NOT NULL, key text, actor text NOT NULL,
        data json NOT NULL, at timestamptz NOT NULL,
        PRIMARY KEY (thread_id, seq)
    );
    -- A hash, because a key may be longer than an index entry.
    CREATE UNIQUE INDEX once ON events (thread_id, sha256(replace(key, '\', '\\')::bytea));
    CREATE TABLE threads (
        id text COLLATE "C" PRIMARY KEY, version integer NOT NULL, status text NOT NULL,
        agent text NOT NULL, created timestamptz NOT NULL, updated timestamptz NOT NULL,
        wake_at timestamptz, holder text, lease_until timestamptz,
        attempts integer NOT NULL DEFAULT 0, crashes integer NOT NULL DEFAULT 0
    );
    CREATE INDEX due ON threads (wake_at) WHERE wake_at IS NOT NULL;
    CREATE INDEX held ON threads (holder) WHERE holder IS NOT NULL;
    CREATE INDEX changed ON threads (updated);
    """,
)
"""One script a schema version, oldest first; never change one that was released."""

LOAD = "SELECT type, data, actor, key, seq, at FROM events WHERE thread_id = %s ORDER BY seq"
APPEND = """
    INSERT INTO events (thread_id, seq, type, key, actor, data, at)
    SELECT %(id)s, seq, type, key, actor, data::json, coalesce(at, clock_timestamp())
    FROM unnest(%(seqs)s::integer[], %(types)s::text[], %(keys)s::text[], %(actors)s::text[],
        %(data)s::text[], %(times)s::timestamptz[]) AS new (seq, type, key, actor, data, at)
    ORDER BY seq ON CONFLICT DO NOTHING RETURNING seq, at
"""
SAVE = """
    INSERT INTO threads (id, version, status, agent, created, updated, wake_at)
    VALUES (%(id)s, %(version)s, %(status)s, %(agent)s, clock_timestamp(), clock_timestamp(),
        CASE WHEN %(due)s THEN clock_timestamp() END)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status,
        updated = excluded.updated, wake_at = coalesce(excluded.wake_at, threads.wake_at),
        attempts = CASE WHEN %(due)s THEN 0 ELSE threads.attempts END, crashes = 0
    RETURNING lease_until > clock_timestamp()
"""
LIST = """
    SELECT id, status, agent, version, created, updated,
        coalesce(lease_until > clock_timestamp(), false) FROM threads
    WHERE id < %s AND id >= %s AND status LIKE %s ORDER BY updated DESC LIMIT %s
"""
# A subquery reads the clock once, so that the index on `wake_at` can be used.
_CLAIM = """
    UPDATE threads SET crashes = CASE WHEN holder IS NULL THEN 0 ELSE crashes + 1 END,
        holder = %(holder)s, lease_until = clock_timestamp() + make_interval(secs => %(ttl_s)s)
    WHERE id = (
        SELECT id FROM threads
        WHERE (lease_until IS NULL OR lease_until <= clock_timestamp()) AND {})
    RETURNING id, attempts, crashes
"""
CLAIM_DUE = _CLAIM.format(
    "wake_at <= (SELECT clock_timestamp()) ORDER BY wake_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
CLAIM_ONE = _CLAIM.format("id = %(id)s FOR UPDATE")
RENEW = """
    UPDATE threads SET lease_until = clock_timestamp() + make_interval(secs => %s)
    WHERE holder = ANY(%s) RETURNING id
"""
RELEASE = """
    UPDATE threads SET holder = NULL, lease_until = NULL,
        attempts = CASE WHEN version = %(version)s THEN %(attempts)s ELSE attempts END,
        wake_at = CASE WHEN version = %(version)s THEN %(wake_at)s ELSE wake_at END
    WHERE id = %(id)s AND holder = %(holder)s RETURNING id
"""

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (name text PRIMARY KEY, version integer)"
_SET_VERSION = """
    INSERT INTO schema_versions VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version
"""


@dataclass(frozen=True)
class Schema:
    """A set of tables with a version."""

    name: str
    version: int
    scripts: Callable[[int], Iterable[str]]
    """Returns the scripts from another version to this one; version 0 has no tables."""


AGENT = Schema("agent", len(MIGRATIONS), lambda version: MIGRATIONS[version:])


async def upgrade(db: AsyncConnection, schema: Schema) -> None:
    """Create or migrate the tables in one transaction.

    Raises:
        Misconfigured: a newer version of the code made them; they are left untouched.
    """
    if await _read_version(db, schema) == schema.version:
        return
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        version = await _read_version(db, schema)
        if version > schema.version:
            raise Misconfigured(
                f"the tables of {schema.name!r} were made by a newer version of this agent (schema "
                f"{version}, this one knows {schema.version}). Update the code, or set "
                "DATABASE_URL to another database."
            )
        for script in schema.scripts(version):
            await db.execute(script)
        await db.execute(_VERSIONS)
        await db.execute(_SET_VERSION, [schema.name, schema.version])


async def _read_version(db: AsyncConnection, schema: Schema) -> int:
    # Not to_regclass(): it may remember that there was no table before it waited for the lock.
    table = "SELECT FROM pg_class WHERE relname = 'schema_versions' AND pg_table_is_visible(oid)"
    if (await db.execute(table)).rowcount == 0:
        return 0
    rows = await db.execute("SELECT version FROM schema_versions WHERE name = %s", [schema.name])
    row = await rows.fetchone()
    return int(row[0]) if row else 0

"""The tables of the PostgreSQL store, and how they are created and migrated.

They are in a schema of their own, `agent`, so that the database may be one of your product.
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
    CREATE TABLE agent.events (
        thread_id text COLLATE "C", seq integer, type text NOT NULL, key text, actor text NOT NULL,
        data json NOT NULL, at timestamptz NOT NULL,
        PRIMARY KEY (thread_id, seq)
    );
    -- A hash, because a key may be longer than an index entry.
    CREATE UNIQUE INDEX once ON agent.events (thread_id, sha256(replace(key, '\', '\\')::bytea))
        WHERE key IS NOT NULL;
    CREATE TABLE agent.threads (
        id text COLLATE "C" PRIMARY KEY, version integer NOT NULL, status text NOT NULL,
        agent text NOT NULL, owner text NOT NULL, title text NOT NULL, wait integer,
        parent text COLLATE "C", problem text, cause text, released_by text,
        created timestamptz NOT NULL, updated timestamptz NOT NULL, wake_at timestamptz,
        holder text, lease_from timestamptz, lease_until timestamptz,
        attempts integer NOT NULL DEFAULT 0, crashes integer NOT NULL DEFAULT 0
    );
    CREATE INDEX due ON agent.threads (wake_at) WHERE wake_at IS NOT NULL;
    CREATE INDEX held ON agent.threads (holder) WHERE holder IS NOT NULL;
    CREATE INDEX changed ON agent.threads (updated);
    CREATE INDEX waiting ON agent.threads (updated) WHERE wait IS NOT NULL;
    CREATE INDEX stopped ON agent.threads (cause) WHERE cause IS NOT NULL;
    CREATE INDEX children ON agent.threads (parent) WHERE parent IS NOT NULL;
    CREATE INDEX running ON agent.threads (updated) WHERE status = 'running';
    CREATE TABLE agent.participants (
        name text COLLATE "C", thread_id text COLLATE "C", updated timestamptz NOT NULL,
        PRIMARY KEY (name, thread_id)
    );
    CREATE INDEX read ON agent.participants (name, updated);
    CREATE INDEX readers_of ON agent.participants (thread_id);
    CREATE TABLE agent.causes (
        cause text PRIMARY KEY, noticed timestamptz NOT NULL, noticed_by text NOT NULL
    );
    CREATE TABLE agent.sessions (
        id text PRIMARY KEY, proof text NOT NULL, expires_at timestamptz NOT NULL
    );
    CREATE TABLE agent.workers (
        id text PRIMARY KEY, about text NOT NULL, since timestamptz NOT NULL,
        until timestamptz NOT NULL
    );
    CREATE TABLE agent.forgotten (
        thread_id text COLLATE "C" PRIMARY KEY, deliveries text NOT NULL
    );
    """,
)
"""One script a schema version, oldest first; never change one that was released."""

_VERSIONS = """
    CREATE TABLE IF NOT EXISTS agent.schema_versions (
        name text PRIMARY KEY, version integer NOT NULL, readers integer NOT NULL)
"""
_SET_VERSION = """
    INSERT INTO agent.schema_versions VALUES (%s, %s, %s)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version, readers = excluded.readers
"""


@dataclass(frozen=True)
class Schema:
    """A set of tables with a version."""

    name: str
    version: int
    scripts: Callable[[int], Iterable[str]]
    """Returns the scripts from another version to this one; version 0 has no tables."""
    readers: int = 1
    """The oldest version of the code that can work with these tables."""


AGENT = Schema("agent", len(MIGRATIONS), lambda version: MIGRATIONS[version:])


async def upgrade(db: AsyncConnection, schema: Schema) -> None:
    """Create or migrate the tables in one transaction.

    Raises:
        Misconfigured: a newer version of the code made them, and they are not for this one; they
            are left untouched.
    """
    if await _is_usable(db, schema):
        return
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        # Not IF NOT EXISTS: that needs the right to create a schema even where there is one.
        if (await db.execute("SELECT FROM pg_namespace WHERE nspname = 'agent'")).rowcount == 0:
            await db.execute("CREATE SCHEMA agent")
        if await _is_usable(db, schema):
            return
        version, _ = await _read_versions(db, schema)
        if version > schema.version:
            raise Misconfigured(
                f"the tables of {schema.name!r} were made by a newer version of this agent (schema "
                f"{version}, this one knows {schema.version}). Update the code, or set "
                "DATABASE_URL to another database."
            )
        for script in schema.scripts(version):
            await db.execute(script)
        await db.execute(_VERSIONS)
        await db.execute(_SET_VERSION, [schema.name, schema.version, schema.readers])


async def _is_usable(db: AsyncConnection, schema: Schema) -> bool:
    version, readers = await _read_versions(db, schema)
    return version >= schema.version >= readers


async def _read_versions(db: AsyncConnection, schema: Schema) -> tuple[int, int]:
    """Return the version of the tables, and the oldest that can work with them; 0 for none."""
    # Not to_regclass(): it may remember that there was no table before it waited for the lock.
    table = "SELECT FROM pg_tables WHERE (schemaname, tablename) = ('agent', 'schema_versions')"
    if (await db.execute(table)).rowcount == 0:
        return 0, 0
    query = "SELECT version, readers FROM agent.schema_versions WHERE name = %s"
    row = await (await db.execute(query, [schema.name])).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)

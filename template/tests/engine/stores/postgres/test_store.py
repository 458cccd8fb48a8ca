"""The store in PostgreSQL, on a real server."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

from agent.engine.index import Which
from agent.engine.log.errors import (
    AgentError,
    Conflict,
    Misconfigured,
    StoreFailed,
    ThreadNotFound,
    Unavailable,
)
from agent.engine.log.events import make_event
from agent.engine.stores.postgres import PostgresStore
from agent.engine.stores.postgres.schema import MIGRATIONS, Schema
from agent.engine.stores.postgres.statements import CLAIM_DUE

from ...domain import (
    list_types,
    make_answer,
    make_message,
    make_pause,
    make_step,
    store_thread,
)
from ..contract import Pass, StoreContract
from .server import create_database, pass_time, query


@pytest.fixture
def url() -> Iterator[str]:
    with create_database() as url:
        yield url


class TestPostgresStore(StoreContract):
    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[PostgresStore]:
        store = PostgresStore(url)
        yield store
        await store.close()

    @pytest.fixture
    def passes(self, url: str) -> Pass:
        async def passed_here(seconds: float) -> None:
            pass_time(url, seconds)

        return passed_here

    @pytest.fixture
    def jumps(self, passes: Pass) -> Pass:
        """Set the clock of the server, which is the only one there is."""
        return passes


@pytest.fixture
async def stores(url: str) -> AsyncIterator[Callable[..., PostgresStore]]:
    """Make stores, each as in a process of its own."""
    made: list[PostgresStore] = []

    def make(options: str = "") -> PostgresStore:
        made.append(PostgresStore(make_conninfo(url, options=options)))
        return made[-1]

    yield make
    for store in made:
        await store.close()


Stores = Callable[..., PostgresStore]


async def test_a_thread_stored_by_one_process_is_found_by_another(stores: Stores) -> None:
    one, other = stores(), stores()
    thread = await store_thread(one, make_message())
    assert await other.load("t") == thread
    assert (await other.claim("other", 30)) is not None
    assert (await one.claim("one", 30)) is None


async def test_what_another_process_appends_is_noticed(stores: Stores) -> None:
    one, other = stores(), stores()
    thread = await store_thread(one, make_message())
    following = asyncio.create_task(one.grown(thread))
    await asyncio.sleep(0.1)
    grown = await other.append(await other.load("t"), make_message("two"))
    assert await asyncio.wait_for(following, 5) == grown


async def test_processes_that_start_at_once_create_the_tables_once(
    stores: Stores, url: str
) -> None:
    await asyncio.gather(*[stores().threads() for _ in range(8)])
    assert query(url, "SELECT * FROM agent.schema_versions") == [("agent", len(MIGRATIONS), 1)]


async def test_the_tables_stand_beside_those_of_a_product(stores: Stores, url: str) -> None:
    query(url, "CREATE TABLE events (name text); CREATE TABLE schema_versions (version text)")
    store = stores()
    thread = await store_thread(store, make_message())
    assert await store.load("t") == thread
    assert query(url, "SELECT * FROM events") == []


async def test_a_role_that_may_not_create_schemas_uses_one_that_exists(url: str) -> None:
    role = f"role_{uuid4().hex}"
    query(url, f"CREATE ROLE {role} LOGIN; CREATE SCHEMA agent AUTHORIZATION {role}")
    query(url, f"GRANT SELECT, UPDATE ON passed TO {role}")
    store = PostgresStore(make_conninfo(url, options=f"-c role={role}"))
    thread = await store_thread(store, make_message())
    assert await store.load("t") == thread
    await store.close()
    query(url, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("length", [1000, 3000, 100_000])
async def test_a_key_too_long_for_an_index_is_unique(length: int, stores: Stores) -> None:
    chance, store = random.Random(length), stores()
    key = "".join(chance.choices("\\é日😀abcdefghij0123456789", k=length))
    thread = await store_thread(store, make_event("message", "ana", key, text=""))
    with pytest.raises(Conflict):
        await store.append(thread, make_event("message", "ana", key, text=""))
    other = make_event("message", "ana", f"{key[:-1]}!", text="")
    assert len((await store.append(thread, other)).events) == 2


async def test_an_id_that_no_text_can_hold_is_not_found(stores: Stores) -> None:
    store = stores()
    with pytest.raises(ThreadNotFound):
        await store.load("a\0b\ud800")
    assert await store.threads(Which(prefix="a\0b\ud800")) == []


async def test_the_list_is_an_index_of_the_log_and_can_be_rebuilt(stores: Stores, url: str) -> None:
    store = stores()
    thread = await store_thread(store, make_message())
    query(url, "UPDATE agent.threads SET status = 'wrong'")
    assert (await store.load("t")).state.status == "running"
    await store.append(thread, make_pause("question"))
    assert (await store.threads())[0].status == "waiting:question"


async def test_claiming_does_not_read_threads_that_are_not_due(stores: Stores, url: str) -> None:
    await stores().threads()
    sleeping = "SELECT 't' || n, 1, '', '', '', '', now(), now(), now() + interval '1 day'"
    columns = "id, version, status, agent, owner, title, created, updated, wake_at"
    query(url, f"INSERT INTO agent.threads ({columns}) {sleeping} FROM generate_series(1, 5000) n")
    values = {"holder": "me", "ttl_s": 1.0}
    with psycopg.connect(url) as db:
        db.execute("ANALYZE agent.threads")
        plan = db.execute(f"EXPLAIN {CLAIM_DUE}".encode(), values).fetchall()
    assert "Index Cond: (wake_at <= " in str(plan)


# The hook for due threads


async def test_when_due_is_called_for_facts_unless_the_thread_is_running(
    stores: Stores,
) -> None:
    store, due = stores(), list[str]()

    async def record(db: AsyncConnection, thread_id: str) -> None:
        due.append(thread_id)

    store.when_due = record
    thread = await store_thread(store, make_message())
    thread = await store.append(thread, make_step("look"))
    assert due == ["t"]
    await store.claim("me", 30)
    thread = await store.append(thread, make_message())
    assert due == ["t"]
    await store.release("me", thread, None, 0)
    await store.append(thread, make_message())
    assert due == ["t", "t"]


async def test_people_who_continue_two_threads_with_one_cause_do_not_wait_for_each_other(
    stores: Stores,
) -> None:
    """Each append changes its own thread and then the other one."""
    one, other = stores(), stores()
    wait = make_pause("limit", cause="no key", problem="no key")
    for number in range(5):
        names = [f"{number} a", f"{number} b"]
        threads = [await store_thread(one, make_message(), wait, thread_id=name) for name in names]
        answers = zip((one, other), threads, strict=True)
        await asyncio.gather(*(to.append(old, make_answer(2, "continue")) for to, old in answers))


async def test_an_append_is_not_stored_if_when_due_fails(stores: Stores) -> None:
    store = stores()
    thread = await store_thread(store, make_message())

    async def fails(db: AsyncConnection, thread_id: str) -> None:
        await db.execute("SELECT * FROM no_such_table")

    store.when_due = fails
    with pytest.raises(StoreFailed, match="no_such_table"):
        await store.append(thread, make_message())
    assert await store.load("t") == thread
    assert (await store.threads())[0].version == 1


# Versions of the tables


async def test_a_database_of_an_older_version_is_migrated(stores: Stores, url: str) -> None:
    await store_thread(stores(), make_message())
    new = stores()
    script = (
        "ALTER TABLE agent.threads ADD COLUMN note text; UPDATE agent.threads SET note = 'migrated'"
    )
    new.database.schemas["agent"] = build_newer_schema(script)
    assert list_types(await new.load("t")) == ["message"]
    assert query(url, "SELECT note FROM agent.threads") == [("migrated",)]
    assert query(url, "SELECT version FROM agent.schema_versions") == [(len(MIGRATIONS) + 1,)]


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    stores: Stores, url: str
) -> None:
    new = stores()
    new.database.schemas["agent"] = replace(build_newer_schema("SELECT 1"), readers=2)
    await store_thread(new, make_message())
    with pytest.raises(Misconfigured, match=r"newer version .*schema 2, .*DATABASE_URL"):
        await stores().load("t")
    assert query(url, "SELECT version FROM agent.schema_versions") == [(len(MIGRATIONS) + 1,)]


async def test_a_database_of_a_newer_version_that_may_be_read_is_used(
    stores: Stores, url: str
) -> None:
    new = stores()
    new.database.schemas["agent"] = build_newer_schema("SELECT 1")
    await store_thread(new, make_message())
    old = stores()
    await old.append(await old.load("t"), make_message())
    assert query(url, "SELECT version FROM agent.schema_versions") == [(len(MIGRATIONS) + 1,)]


async def test_a_migration_that_fails_changes_nothing(stores: Stores, url: str) -> None:
    await store_thread(stores(), make_message())
    new = stores()
    script = (
        "ALTER TABLE agent.threads ADD COLUMN note text; SELECT no_such_column FROM agent.threads"
    )
    new.database.schemas["agent"] = build_newer_schema(script)
    with pytest.raises(StoreFailed, match="no_such_column"):
        await new.load("t")
    assert list_types(await stores().load("t")) == ["message"]
    assert query(url, "SELECT version FROM agent.schema_versions") == [(len(MIGRATIONS),)]


def build_newer_schema(script: str) -> Schema:
    scripts = (*MIGRATIONS, script)
    return Schema("agent", len(scripts), lambda version: scripts[version:])


# A database that fails


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("40001", Unavailable),  # serialization
        ("40P01", Unavailable),  # deadlock
        ("53100", Unavailable),  # disk full
        ("53200", Unavailable),  # out of memory
        ("53300", Unavailable),  # too many connections
        ("57P01", Unavailable),  # the server stops
        ("57P03", Unavailable),  # the server starts
        ("08P01", Unavailable),  # what PgBouncer reports
        ("58030", Unavailable),  # I/O
        ("42703", StoreFailed),  # no such column
        ("42601", StoreFailed),  # syntax
        ("42501", StoreFailed),  # no permission
        ("23502", StoreFailed),  # NOT NULL
        ("26000", StoreFailed),  # no such prepared statement
        ("XX001", StoreFailed),  # damaged data
    ],
)
async def test_only_an_error_that_may_pass_is_an_outage(
    code: str, kind: type[AgentError], url: str
) -> None:
    database = PostgresStore(url).database
    with pytest.raises(kind, match="something is wrong"):
        async with database.translate_errors():
            raise psycopg.errors.lookup(code)("something is wrong")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("the connection is lost"), Unavailable),
        (psycopg.InterfaceError("the connection is closed"), Unavailable),
        (PoolTimeout("no connection in time"), Unavailable),
        (psycopg.ProgrammingError("cannot adapt type 'object'"), StoreFailed),
    ],
)
async def test_a_lost_connection_is_an_outage(
    error: Exception, kind: type[AgentError], url: str
) -> None:
    with pytest.raises(kind, match=str(error)):
        async with PostgresStore(url).database.translate_errors():
            raise error


async def test_a_missing_column_is_not_an_outage(stores: Stores, url: str) -> None:
    store = stores()
    thread = await store_thread(store, make_message())
    query(url, "ALTER TABLE agent.threads RENAME COLUMN attempts TO tries")
    with pytest.raises(StoreFailed, match="attempts"):
        await store.append(thread, make_message())
    with pytest.raises(StoreFailed, match="attempts"):
        await store.claim("me", 30)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"host": "127.0.0.1", "port": 1}, "Connection refused"),
        ({"host": "/no/such/folder"}, "No such file or directory"),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
        ({"user": "nobody"}, 'role "nobody" does not exist|authentication failed'),
        ({"options": "-c default_transaction_read_only=on"}, "read-only transaction"),
    ],
)
async def test_a_database_that_fails_is_unavailable_and_says_why(
    change: dict[str, Any], problem: str, url: str
) -> None:
    store = PostgresStore(make_conninfo(url, password="secret", **change))
    with pytest.raises(Unavailable, match=f"DATABASE_URL: .*({problem})") as error:
        await store_thread(store, make_message())
    assert "\n" not in str(error.value)
    assert not re.search("secret|127|folder|postgres:", str(error.value))
    assert "secret" not in str(error.value.__notes__)
    await store.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "DATABASE_URL is not set"),
        ("mysql://ana:secret@localhost/agent", "DATABASE_URL is not a PostgreSQL URL"),
    ],
)
async def test_a_wrong_url_is_named_without_its_password(
    url: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(Misconfigured, match=problem) as error:
        await PostgresStore.from_env().threads()
    assert "postgresql://user:password@localhost:5432/agent" in str(error.value)
    assert "secret" not in str(error.value)


async def test_a_restart_of_the_database_goes_unnoticed(stores: Stores, url: str) -> None:
    store = stores()
    thread = await store_thread(store, make_message())
    mine = "datname = current_database() AND application_name = 'agent'"
    query(url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {mine}")
    assert list_types(await store.append(thread, make_message())) == ["message", "message"]


async def test_a_frozen_process_does_not_keep_its_locks(stores: Stores) -> None:
    frozen = await stores().database.fetch_rows("SHOW idle_in_transaction_session_timeout")
    assert frozen == [("10s",)]

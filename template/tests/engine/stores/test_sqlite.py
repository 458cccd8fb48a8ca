"""The store in one SQLite file."""

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.engine.index import Which, Worker, hash_cause
from agent.engine.log.errors import (
    AgentError,
    Conflict,
    Forgotten,
    Misconfigured,
    StoreFailed,
    Unavailable,
)
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread
from agent.engine.stores.changes import LOOK_S
from agent.engine.stores.sqlite import PART, SqliteStore
from agent.engine.stores.sqlite import schema as sqlite_schema
from agent.engine.stores.sqlite.writer import Job

from ..conftest import Clock
from ..domain import list_types, make_answer, make_message, make_pause, store_thread


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "threads.db"


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    rows = db.execute(sql).fetchall()
    db.commit()
    db.close()
    return rows


async def test_a_thread_stored_by_one_process_is_found_by_another(path: Path) -> None:
    one, other = SqliteStore(path), SqliteStore(path)
    thread = await store_thread(one, make_message())
    assert await other.load("t") == thread
    assert (await other.claim("other", 30)) is not None
    assert (await one.claim("one", 30)) is None
    await one.close()
    await other.close()


async def test_a_lease_is_kept_though_the_clock_jumps_ahead(path: Path) -> None:
    clock = Clock()
    store = SqliteStore(path, clock, clock.uptime)
    await store_thread(store, make_message())
    assert await store.claim("me", 30)
    clock.jump(3600)
    assert await store.claim("you", 30) is None
    assert [each.running for each in await store.threads()] == [True]
    await store.close()


async def test_no_lease_outlives_a_restart_of_the_machine(path: Path) -> None:
    before, after = SqliteStore(path, uptime=lambda: 1e6), SqliteStore(path, uptime=lambda: 60.0)
    await store_thread(before, make_message())
    await before.announce(Worker("host:1", {}, []), 30)
    assert await before.claim("dead", 30)
    assert [each.running for each in await after.threads()] == [False]
    assert await after.workers() == []
    assert await after.claim("me", 30)
    await before.close()
    await after.close()


@pytest.mark.parametrize("act", ["claim", "forget"])
async def test_a_write_that_had_to_wait_keeps_to_a_lease_that_began_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    clock = Clock()
    one, other = (SqliteStore(path, clock, clock.uptime) for _ in range(2))
    thread = await store_thread(one, make_message())
    write = one.database.write

    async def wait_and_write(work: Callable[[sqlite3.Connection], Any]) -> Any:
        clock.tick(1)
        assert await other.claim("other", 30)
        return await write(work)

    monkeypatch.setattr(one.database, "write", wait_and_write)
    if act == "claim":
        assert await one.claim("one", 30) is None
    else:
        with pytest.raises(Conflict, match="or runs"):
            await one.forget(thread)
    await one.close()
    await other.close()


def test_processes_share_the_clock_of_leases() -> None:
    """It is that of the machine, or a process would see the leases of another as over."""
    read = "import time; print(time.monotonic())"
    elsewhere = subprocess.check_output([sys.executable, "-c", read])
    assert abs(time.monotonic() - float(elsewhere)) < 30


async def test_a_closed_store_opens_again(path: Path) -> None:
    store = SqliteStore(path)
    await store_thread(store, make_message())
    await store.close()
    store = SqliteStore(path)
    assert list_types(await store.load("t")) == ["message"]
    await store.close()


async def test_a_commit_is_on_disk_before_anything_else_happens(path: Path) -> None:
    store = SqliteStore(path)
    await store_thread(store, make_message())
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    synchronous = await store.database.write(lambda db: db.execute("PRAGMA synchronous").fetchone())
    assert synchronous == (2,)
    await store.close()


async def test_the_list_is_an_index_of_the_log_and_can_be_rebuilt(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    query(path, "UPDATE threads SET status = 'wrong'")
    assert (await store.load("t")).state.status == "running"
    await store.append(thread, make_pause("question"))
    assert (await store.threads())[0].status == "waiting:question"
    await store.close()


async def test_a_step_of_a_long_thread_writes_no_more_than_of_a_short_one(
    path: Path,
) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, *[make_message(str(number)) for number in range(10_000)])
    statements: list[str] = []
    await store.database.write(lambda db: db.set_trace_callback(statements.append))
    await store.append(thread, make_message("one more"))
    assert sum(map(len, statements)) < 2000
    await store.close()


async def test_a_database_of_an_older_version_is_migrated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = SqliteStore(path)
    await store_thread(old, make_message())
    await old.close()
    script = "ALTER TABLE threads ADD COLUMN note TEXT; UPDATE threads SET note = 'migrated'"
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", (*sqlite_schema.MIGRATIONS, script))
    new = SqliteStore(path)
    assert list_types(await new.load("t")) == ["message"]
    assert query(path, "SELECT note FROM threads") == [("migrated",)]
    assert query(path, "PRAGMA user_version") == [(len(sqlite_schema.MIGRATIONS),)]
    await new.close()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    store = SqliteStore(path)
    await store_thread(store, make_message())
    await store.close()
    query(path, "PRAGMA user_version = 99")
    query(path, "UPDATE readers SET version = 99")
    newer = SqliteStore(path)
    with pytest.raises(Misconfigured, match=r"newer version .*schema 99.*SQLITE_PATH"):
        await newer.load("t")
    assert query(path, "PRAGMA user_version") == [(99,)]
    assert len(query(path, "SELECT * FROM events")) == 1


async def test_a_database_of_a_newer_version_that_may_be_read_is_used(path: Path) -> None:
    store = SqliteStore(path)
    await store_thread(store, make_message())
    await store.close()
    query(path, "PRAGMA user_version = 99")
    newer = SqliteStore(path)
    await newer.append(await newer.load("t"), make_message())
    assert query(path, "PRAGMA user_version") == [(99,)]
    await newer.close()


async def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = SqliteStore(path)
    await store_thread(old, make_message())
    await old.close()
    script = "ALTER TABLE threads ADD COLUMN note TEXT; SELECT no_such_column FROM threads"
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", (*sqlite_schema.MIGRATIONS, script))
    new = SqliteStore(path)
    with pytest.raises(StoreFailed, match="no_such_column"):
        await new.load("t")
    monkeypatch.undo()
    again = SqliteStore(path)
    assert list_types(await again.load("t")) == ["message"]
    assert query(path, "PRAGMA user_version") == [(len(sqlite_schema.MIGRATIONS),)]
    await again.close()


def make_folder(path: Path) -> None:
    path.mkdir(parents=True)


def write_garbage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)


def put_file_in_the_way(path: Path) -> None:
    path.parent.write_bytes(b"")


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (make_folder, Unavailable),
        (put_file_in_the_way, Unavailable),
        (write_garbage, StoreFailed),
    ],
)
async def test_a_database_that_cannot_be_opened_is_named(
    trouble: Callable[[Path], None], kind: type[AgentError], path: Path
) -> None:
    trouble(path)
    with pytest.raises(kind, match=r"threads\.db"):
        await store_thread(SqliteStore(path), make_message())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Unavailable),
        (sqlite3.SQLITE_LOCKED, Unavailable),
        (sqlite3.SQLITE_FULL, Unavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, Unavailable),
        (sqlite3.SQLITE_CANTOPEN, Unavailable),
        (sqlite3.SQLITE_ERROR, StoreFailed),
        (sqlite3.SQLITE_CORRUPT, StoreFailed),
        (sqlite3.SQLITE_CONSTRAINT_NOTNULL, StoreFailed),
        (None, StoreFailed),
    ],
)
async def test_only_an_error_that_may_pass_is_an_outage(
    code: int | None, kind: type[AgentError], path: Path
) -> None:
    store = SqliteStore(path)

    def fail(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("something is wrong")
        if code is not None:
            error.sqlite_errorcode = code
        raise error

    with pytest.raises(kind, match="something is wrong"):
        await store.database.write(fail)
    await store.close()


async def test_a_missing_column_is_not_an_outage(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    query(path, "ALTER TABLE threads RENAME COLUMN attempts TO tries")
    with pytest.raises(StoreFailed, match="no such column: attempts"):
        await store.append(thread, make_message())
    with pytest.raises(StoreFailed, match="no such column: attempts"):
        await store.claim("me", 30)
    with pytest.raises(StoreFailed, match="no such column: tried"):
        await store.database.fetch_rows("SELECT tried FROM threads")
    await store.close()


async def test_only_a_taken_place_or_key_is_a_conflict(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    refuse = "BEGIN SELECT RAISE(ABORT, 'this log is closed'); END"
    query(path, f"CREATE TRIGGER closed BEFORE INSERT ON events {refuse}")
    with pytest.raises(StoreFailed, match="this log is closed"):
        await store.append(thread, make_message())
    await store.close()


async def test_a_full_disk_is_an_outage(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    await store.database.write(lambda db: db.execute("PRAGMA max_page_count = 1"))
    with pytest.raises(Unavailable, match="full"):
        await store.append(thread, make_message("x" * 100_000))
    await store.database.write(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    assert len((await store.append(thread, make_message("x" * 100_000))).events) == 2
    await store.close()


def rename(path: Path, suffix: str) -> Path:
    return path.rename(path.with_suffix(suffix))


def write_empty(path: Path) -> None:
    path.write_bytes(b"")


def is_empty(path: Path) -> bool:
    return path.read_bytes() == b""


async def test_a_database_that_was_deleted_is_unavailable(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    gone = rename(path, ".gone")
    with pytest.raises(Unavailable, match="was deleted"):
        await store.append(thread, make_message())
    rename(gone, ".db")
    assert list_types(await store.append(thread, make_message("again"))) == ["message", "message"]
    await store.close()


async def test_a_locked_database_is_unavailable_until_it_is_unlocked(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    await store.database.write(lambda db: db.execute("PRAGMA busy_timeout = 1"))
    lock = sqlite3.connect(path)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="locked"):
        await store.append(thread, make_message())
    lock.close()
    assert list_types(await store.append(thread, make_message("again"))) == ["message", "message"]
    await store.close()


async def test_a_database_that_was_replaced_is_unavailable(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    rename(path, ".gone")
    write_empty(path)
    with pytest.raises(Unavailable, match="was replaced; restart this process"):
        await store.append(thread, make_message())
    with pytest.raises(Unavailable, match="was replaced; restart this process"):
        await store.load("t")
    assert is_empty(path)


async def test_what_waits_together_is_committed_together(path: Path) -> None:
    store = SqliteStore(path)
    threads = [await store_thread(store, make_message(), thread_id=str(n)) for n in range(50)]
    sizes: list[int] = []
    commit = store.database.writer.commit

    def count(batch: Sequence[Job]) -> None:
        sizes.append(len(batch))
        commit(batch)

    store.database.writer.commit = count  # type: ignore[method-assign]
    outcomes = await asyncio.gather(
        *(store.append(thread, make_message("two")) for thread in threads),
        *(store.append(thread, make_message("late")) for thread in threads[:10]),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Thread] * 50 + [Conflict] * 10
    assert len(sizes) < 10, "one commit an append would be 60"
    for thread in threads:
        said = [event.data["text"] for event in (await store.load(thread.id)).events]
        assert said == ["hello", "two"]
    await store.close()


async def test_a_thread_is_read_while_somebody_else_writes(path: Path) -> None:
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    assert await store.load("t") == thread
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(1):
        assert await store.load("t") == thread
    other.close()
    await store.close()


async def test_a_database_locked_for_readers_holds_up_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is while SQLite recovers what a process left that died."""
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    assert await store.load("t") == thread
    other = sqlite3.connect(path.with_name("locked.db"), isolation_level=None, timeout=0)
    other.execute("CREATE TABLE events (thread_id, seq, type, data, actor, key, at)")
    lock = sqlite3.connect(path.with_name("locked.db"), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(store.database._connected, "get", lambda: other)
    assert await store.load("t") == thread, "it was read in the other thread"
    other.close()
    lock.close()
    await store.close()


async def test_a_long_thread_is_read_in_parts(path: Path) -> None:
    store = SqliteStore(path)
    messages = [make_message(str(number)) for number in range(2 * PART)]
    thread = await store_thread(store, *messages)
    assert await store.load("t") == thread
    thread = await store.append(thread, make_message("one more"))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    assert await store.load("t") == thread
    assert turns >= 2, "others have their turn in between"
    counting.cancel()
    await store.close()


async def test_what_another_process_appends_is_noticed(path: Path) -> None:
    one, other = SqliteStore(path), SqliteStore(path)
    thread = await store_thread(one, make_message())
    following = asyncio.create_task(one.grown(thread))
    await asyncio.sleep(0)
    grown = await other.append(await other.load("t"), make_message("two"))
    assert await asyncio.wait_for(following, 5) == grown
    await one.close()
    await other.close()


async def test_what_another_process_deletes_is_noticed(path: Path) -> None:
    one, other = SqliteStore(path), SqliteStore(path)
    thread = await store_thread(one, make_message())
    following = asyncio.create_task(one.grown(thread))
    await asyncio.sleep(LOOK_S)
    await other.forget(await other.load("t"))
    with pytest.raises(Forgotten):
        await asyncio.wait_for(following, 5)
    await one.close()
    await other.close()


async def test_following_outlives_a_database_that_is_away(path: Path) -> None:
    one, other = SqliteStore(path), SqliteStore(path)
    thread = await store_thread(one, make_message())
    following = asyncio.create_task(one.grown(thread))
    await asyncio.sleep(LOOK_S)
    gone = rename(path, ".gone")
    await asyncio.sleep(2 * LOOK_S)
    rename(gone, ".db")
    grown = await other.append(await other.load("t"), make_message("two"))
    assert await asyncio.wait_for(following, 5) == grown
    await one.close()
    await other.close()


async def test_following_what_rests_costs_one_look_for_all(path: Path) -> None:
    store = SqliteStore(path)
    threads = [await store_thread(store, make_message(), thread_id=str(n)) for n in range(100)]
    following = [asyncio.create_task(store.grown(thread)) for thread in threads]
    await asyncio.sleep(2 * LOOK_S)
    statements: list[str] = []
    store.database._connected.get().set_trace_callback(statements.append)
    await asyncio.sleep(3.5 * LOOK_S)
    assert set(statements) == {"PRAGMA data_version"}
    assert len(statements) <= 4
    for each in following:
        each.cancel()
    await asyncio.wait(following)
    statements.clear()
    await asyncio.sleep(2 * LOOK_S)
    assert not statements, "nobody follows, so nobody looks"
    await store.close()


async def test_a_store_that_nobody_uses_any_more_ends_its_thread(path: Path) -> None:
    others = set(threading.enumerate())
    store = SqliteStore(path)
    await store_thread(store, make_message())
    (writing,) = set(threading.enumerate()) - others
    del store
    for _ in range(50):
        gc.collect()
        writing.join(0.1)
    assert not writing.is_alive()


def test_a_setting_says_where_the_database_is(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setenv("SQLITE_PATH", str(path))
    assert SqliteStore.from_env().database.path == path
    monkeypatch.delenv("SQLITE_PATH")
    assert SqliteStore.from_env().database.path == Path("data/threads.db")


def read_files(path: Path) -> bytes:
    """Return what is in the file and in those beside it."""
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


async def test_a_text_that_was_deleted_is_in_no_file(path: Path) -> None:
    store = SqliteStore(path)
    secret = [make_message(f"the secret plan {n} " + "x" * 3000) for n in range(50)]
    thread = await store_thread(store, *secret)
    for number in range(200):
        await store_thread(store, make_message("other"), thread_id=f"other{number}")
    assert b"the secret plan" in read_files(path)
    await store.forget(thread)
    await store.compact()
    assert b"the secret plan" not in read_files(path)
    assert len(await store.ids()) == 200
    await store.close()


async def test_readers_are_written_after_another_process_wrote_others(path: Path) -> None:
    one, other = SqliteStore(path), SqliteStore(path)

    async def list_readers(thread: Thread) -> frozenset[str]:
        return frozenset({"support"} if thread.state.wait else set())

    one.list_readers = other.list_readers = list_readers
    thread = await store_thread(one, make_message())
    thread = await other.append(thread, make_pause("question"))
    assert await one.threads(Which(("support",)))
    await one.append(thread, make_event("cancelled", "ana", reason=""))
    assert await one.threads(Which(("support",))) == []
    await one.close()
    await other.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
async def test_only_the_owner_of_the_process_may_read_the_files(path: Path) -> None:
    store = SqliteStore(path)
    await store_thread(store, make_message())
    files = [path, *path.parent.glob("threads.db-*")]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * len(files)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await store.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("mode", "kept"), [(0o644, 0o600), (0o666, 0o600), (0o660, 0o660)])
async def test_a_file_that_everyone_may_read_becomes_private(
    mode: int, kept: int, path: Path
) -> None:
    first = SqliteStore(path)
    await store_thread(first, make_message())
    files = [path, *path.parent.glob("threads.db-*")]
    for file in files:
        file.chmod(mode)
    other = SqliteStore(path)
    await other.load("t")
    assert [file.stat().st_mode & 0o777 for file in files] == [kept] * len(files)
    await first.close()
    await other.close()


@pytest.mark.parametrize("trouble", [make_folder, put_file_in_the_way, write_garbage, write_empty])
async def test_only_the_notes_of_an_error_say_where_the_file_is(
    trouble: Callable[[Path], None], path: Path
) -> None:
    store = SqliteStore(path)
    if trouble is write_empty:
        await store_thread(store, make_message())
        rename(path, ".gone")
    trouble(path)
    with pytest.raises(AgentError) as error:
        await store.load("t")
    assert path.name not in str(error.value)
    assert path.parent.name not in str(error.value)
    assert error.value.__notes__ == [f"SQLITE_PATH is {str(path)!r}."]
    await store.close()


async def test_a_cause_leaves_no_text_behind(path: Path) -> None:
    store = SqliteStore(path)
    problem = "400: flagged: the patient has a cold"
    wait = make_pause("limit", cause=hash_cause("test", problem), problem=problem)
    thread = await store_thread(store, make_message(), wait)
    thread = await store.append(thread, make_answer(2, "continue"))
    await store.forget(thread)
    await store.compact()
    await store.close()
    files = [path, *path.parent.glob("threads.db-*")]
    assert not any(b"patient" in file.read_bytes() for file in files)


async def test_opening_the_file_again_keeps_the_locks_of_this_process(path: Path) -> None:
    """Without them, another process that leaves deletes the log that is written to."""
    store = SqliteStore(path)
    thread = await store_thread(store, make_message())
    sqlite_schema.connect(path).close()
    count = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); "
    count += "print(*db.execute('SELECT count(*) FROM events').fetchone()); db.close()"

    async def count_elsewhere() -> str:
        program = (sys.executable, "-c", count, str(path))
        other = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
        return (await other.communicate())[0].decode().strip()

    assert await count_elsewhere() == "1"
    await store.append(thread, make_message("more"))
    assert await count_elsewhere() == "2"
    await store.close()


async def test_a_store_that_nobody_closed_closes_its_connections(tmp_path: Path) -> None:
    """Since Python 3.13, one that is collected while it is open is a warning."""
    store = SqliteStore(tmp_path / "threads.db")
    await store.threads()
    reading = store.database._connected
    assert reading._db
    del store
    gc.collect()
    assert reading._db is None

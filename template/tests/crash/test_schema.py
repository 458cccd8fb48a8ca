"""A database outlives the code: an older one is brought up to date once, a newer one refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import Misconfigured
from agent.stores.sqlite_schema import MIGRATIONS

from . import lives
from .conftest import Labs

pytestmark = pytest.mark.crash

NEXT = (
    "CREATE TABLE IF NOT EXISTS notes (note TEXT)",
    "INSERT INTO notes VALUES ('migrated once')",
)
BROKEN = (NEXT[0], "ALTER TABLE nowhere ADD COLUMN note TEXT")


@pytest.mark.parametrize("again", range(10))
def test_eight_processes_that_start_at_once_make_one_database(again: int, lab: Labs) -> None:
    run = lab("done")
    assert run.together(*[(lives.reader, {})] * 8) == ["0"] * 8
    assert _ask(run.folder, "PRAGMA user_version") == [(len(MIGRATIONS),)]


@pytest.mark.parametrize("again", range(4))
def test_eight_processes_that_start_at_once_migrate_an_older_database_once(
    again: int, lab: Labs
) -> None:
    run = lab("done")
    run.send()
    names = [{"scripts": NEXT, "delivery": f"{number}"} for number in range(8)]
    said = run.together(*[(lives.migrator, name) for name in names])
    assert all(types.startswith("message message") for types in said)
    assert _ask(run.folder, "PRAGMA user_version") == [(len(MIGRATIONS) + 2,)]
    assert _ask(run.folder, "SELECT note FROM notes") == [("migrated once",)]
    assert _ask(run.folder, "SELECT count(*) FROM events") == [(9,)]


def test_a_migration_that_fails_changes_nothing(lab: Labs) -> None:
    run = lab("done")
    run.send()
    assert run.lives(lives.migrator, scripts=BROKEN, patience_s=0.1) != 0
    assert run.types() == ["message"]
    assert _ask(run.folder, "SELECT name FROM sqlite_master WHERE name = 'notes'") == []


def test_a_newer_database_is_refused_and_left_as_it_is(lab: Labs) -> None:
    run = lab("done")
    assert run.said(run.start(lives.migrator, scripts=NEXT)) == "message"
    before = (run.folder / "threads.db").read_bytes()

    with pytest.raises(Misconfigured, match=r"threads\.db' was written by a newer version"):
        run.send(delivery="again")
    assert (run.folder / "threads.db").read_bytes() == before
    assert run.said(run.start(lives.migrator, scripts=NEXT)) == "message"


def _ask(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "threads.db")) as db:
        return db.execute(sql).fetchall()

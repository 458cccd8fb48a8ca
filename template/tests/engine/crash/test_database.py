"""The database is away, full or of an older version: nobody has to repair anything."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from agent.engine.stores.sqlite.schema import MIGRATIONS

from . import lives
from .conftest import KILLED, Lab, Labs
from .lives import THREAD

pytestmark = pytest.mark.crash

Outage = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    other = sqlite3.connect(folder / "threads.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (folder / "locked").touch()  # so that nobody waits long for it
    yield
    (folder / "locked").unlink()
    other.close()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    (folder / "read-only").touch()
    yield
    (folder / "read-only").unlink()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    (folder / "full").touch()
    yield
    (folder / "full").unlink()


@contextmanager
def gone(folder: Path) -> Iterator[None]:
    (folder / "threads.db").rename(folder / "away.db")
    yield
    (folder / "away.db").rename(folder / "threads.db")


OUTAGES = [locked, read_only, full, gone]


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_short_outage_after_a_tool_ran_loses_no_result_and_asks_nobody(
    outage: Outage, lab: Labs
) -> None:
    run = lab("charge")
    worker = _worker_after_its_tool(run)
    with outage(run.folder):
        run.wake(worker)
        run.until_passed("failed to append tool_finished")
    _ends_well(run, worker)
    assert "paused" not in run.types(), run.story()


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("case", ["charge", "put"])
def test_a_worker_recovers_alone_from_an_outage_longer_than_its_patience(
    case: str, outage: Outage, lab: Labs
) -> None:
    run = lab(case)
    worker = _worker_after_its_tool(run, patience_s=0.1, lease_s=1.0)
    with outage(run.folder):
        run.wake(worker)
        run.until_passed("failed to release", "failed to load")
    _ends_well(run, worker)
    doubts = [event for event in run.thread().events if event.type == "paused"]
    assert len(doubts) == (case == "charge"), run.story()


@pytest.mark.parametrize("outage", OUTAGES)
def test_nothing_is_promised_while_the_database_is_away(outage: Outage, lab: Labs) -> None:
    run = lab("done")
    run.send()
    sender = run.stalled(lives.sender, "to append message", delivery="second")
    with outage(run.folder):
        run.wake(sender)
        run.until_passed("failed to append message")
        assert sender.exitcode is None
    assert run.ended(sender) == 0
    assert [event.key for event in run.thread().events] == ["in:first", "in:second"]


def _worker_after_its_tool(run: Lab, **told: float) -> BaseProcess:
    """Start a worker and stop it right after its tool changed the world."""
    run.send()
    return run.stalled(lives.worker, f"ran {run.case}", **told)


def _ends_well(run: Lab, worker: BaseProcess) -> None:
    run.until(run.answer_all, "the end of the thread")
    run.stop(worker)
    assert run.status() == "finished", run.story()
    assert len(run.world.effects(run.case)) == 1, run.story()


# -- its schema --

NEXT = ("CREATE TABLE notes (note TEXT)", "INSERT INTO notes VALUES ('migrated once')")
NEWEST = len(MIGRATIONS) + len(NEXT)


@pytest.mark.parametrize("again", range(10))
def test_eight_processes_that_start_at_once_make_one_database(again: int, lab: Labs) -> None:
    run = lab("done")
    assert run.together(*[(lives.reader, {})] * 8) == ["0"] * 8
    assert _ask(run, "PRAGMA user_version") == [(len(MIGRATIONS),)]


@pytest.mark.parametrize("again", range(4))
def test_eight_processes_that_start_at_once_migrate_an_older_database_once(
    again: int, lab: Labs
) -> None:
    run = lab("done")
    run.send()
    names = [{"scripts": NEXT, "delivery": f"{number}"} for number in range(8)]
    assert run.together(*[(lives.sender, name) for name in names]) == [THREAD] * 8
    assert _ask(run, "PRAGMA user_version") == [(NEWEST,)]
    assert _ask(run, "SELECT note FROM notes") == [("migrated once",)]
    assert _ask(run, "SELECT count(*) FROM events") == [(9,)]


@pytest.mark.parametrize("statement", [*NEXT, f"PRAGMA user_version = {NEWEST}", "COMMIT"])
def test_a_process_killed_in_the_middle_of_a_migration_leaves_it_to_the_next(
    statement: str, lab: Labs
) -> None:
    run = lab("done")
    run.send()
    happens = {f"to execute {statement}": "kill"}
    assert run.lives(lives.reader, scripts=NEXT, happens=happens) == KILLED
    assert _ask(run, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert _ask(run, "SELECT name FROM sqlite_master WHERE name = 'notes'") == []

    assert run.said(run.start(lives.reader, scripts=NEXT)) == "1"
    assert _ask(run, "PRAGMA user_version") == [(NEWEST,)]
    assert _ask(run, "SELECT note FROM notes") == [("migrated once",)]


def _ask(run: Lab, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(run.folder / "threads.db")) as db:
        return db.execute(sql).fetchall()

"""The database goes away right after a tool ran, and comes back: nobody has to repair anything."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from . import lives
from .conftest import Labs
from .processes import Lab

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
        run.go_on(worker)
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
        run.go_on(worker)
        run.until_passed("failed to release", "failed to load")
    _ends_well(run, worker)
    doubts = [event for event in run.thread().events if event.type == "paused"]
    assert len(doubts) == (case == "charge"), run.story()


@pytest.mark.parametrize("outage", OUTAGES)
def test_nothing_is_promised_while_the_database_is_away(outage: Outage, lab: Labs) -> None:
    run = lab("done")
    run.send()
    happens = {"to append message": "stop"}
    sender = run.start(lives.reader_and_sender, delivery="second", happens=happens)
    run.until_stopped(sender)
    with outage(run.folder):
        run.go_on(sender)
        run.until_passed("failed to append message")
        assert sender.exitcode is None
    assert run.ended(sender) == 0
    assert [event.key for event in run.thread().events] == ["in:first", "in:second"]


def _worker_after_its_tool(run: Lab, **told: float) -> BaseProcess:
    """Start a worker and stop it right after its tool changed the world."""
    run.send()
    happens = {"ran charge": "stop", "ran put": "stop"}
    worker = run.start(lives.worker, happens=happens, **told)
    run.until_stopped(worker)
    return worker


def _ends_well(run: Lab, worker: BaseProcess) -> None:
    run.until(run.answer_all, "the end of the thread")
    run.terminate(worker)
    assert run.ended(worker) == 0
    assert run.status() == "finished", run.story()
    assert len(run.world.effects(run.case)) == 1, run.story()

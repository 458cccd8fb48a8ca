"""Four workers and their PostgreSQL, killed and restarted; run with `pytest -m crash`.

The hard cases of one machine, on many: nothing is lost, no effect happens twice, and nobody repairs
anything. All clocks except the database's are wrong by an hour.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ...stores.postgres.server import Server, create_database, pass_time, query, start_server
from .lives import (
    CHARGE,
    CHARGE_A_LOT,
    DONE,
    HOUR,
    KILLED,
    LOOK,
    PUT,
    THREAD,
    Lab,
    Life,
    approver,
    reader,
    sender,
    without_lease,
)

pytestmark = pytest.mark.crash

Labs = Callable[..., Lab]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = start_server()
    yield server
    server.cleanup()


@pytest.fixture
def lab(server: Server, tmp_path: Path) -> Iterator[Labs]:
    with create_database(server.get_uri()) as url:
        made: list[Lab] = []

        def make(*calls: dict[str, object]) -> Lab:
            made.append(Lab(server, Life(url, tmp_path, calls)))
            return made[-1]

        yield make
        for one in made:
            one.close()
        server.ensure_postgres_running()


def test_many_kills_lose_nothing_and_repeat_nothing(lab: Labs) -> None:
    """Each message is delivered again after each kill, and a person answers every wait."""
    run, chance = lab(PUT, CHARGE, DONE), random.Random(5)
    threads = [f"thread {number}" for number in range(6)]
    workers = run.workers()
    for kill in range(12):
        for name in threads[: kill + 1]:
            run.send(name)
        victim = workers.pop(chance.randrange(4))
        victim.join(chance.uniform(0.02, 0.3))
        if kill % 4 == 1:
            run.crash()
        victim.kill()
        assert run.ended(victim) == KILLED
        run.restart()
        workers += run.workers(1)
        for name in threads[: kill + 1]:
            run.answer(name)
    deadline = time.monotonic() + 30
    while any(run.status(name) != "finished" for name in threads):
        assert time.monotonic() < deadline, [run.types(name) for name in threads]
        for name in threads:
            run.answer(name)
    run.stop(*workers)
    for name in threads:
        types = run.types(name)
        assert types.count("message") == types.count("finished") == 1, types
    assert len(run.keys("put")) == len(set(run.keys("put"))) == len(threads)
    assert len(run.keys("charge")) == len(set(run.keys("charge"))) == len(threads)


def test_kills_of_workers_neither_lose_nor_double_a_child(lab: Labs) -> None:
    run, chance = lab(LOOK, DONE), random.Random(7)
    run.life = replace(run.life, child=(PUT, CHARGE, DONE))
    parents = [f"parent {number}" for number in range(4)]
    workers = run.workers()
    for parent in parents:
        run.send(parent)
    for kill in range(8):
        victim = workers.pop(chance.randrange(4))
        victim.join(chance.uniform(0.02, 0.2))
        if kill == 4:
            run.crash()
        victim.kill()
        assert run.ended(victim) == KILLED
        run.restart()
        workers += run.workers(1)
    deadline = time.monotonic() + 30
    while any(run.status(name) != "finished" for name in parents):
        assert time.monotonic() < deadline, [run.types(name) for name in run.list_ids()]
        for name in run.list_ids():
            run.answer(name)
    run.stop(*workers)
    assert len(run.list_ids()) == 2 * len(parents)
    for name in run.list_ids():
        types = run.types(name)
        assert types.count("message") == types.count("finished") == 1, types
    for tool in ("put", "charge"):
        assert len(run.keys(tool)) == len(set(run.keys(tool))) == len(parents)


def test_a_worker_that_stalls_in_a_tool_past_its_lease_still_reports_the_result(
    lab: Labs,
) -> None:
    run = lab(CHARGE, DONE)
    run.send()
    (stalled,) = run.workers(1, happens={"to charge": "stop"})
    run.passed("to charge")
    others = run.workers(3)
    run.wait_until("waiting:in_doubt")
    run.go_on(stalled)
    run.wait_until("finished")
    run.stop(stalled, *others)
    assert len(run.keys("charge")) == 1
    assert "resumed" not in run.types()


def test_processes_without_a_lease_run_a_tool_once(lab: Labs) -> None:
    run = lab(CHARGE, DONE)
    run.send()
    forced = [run.start(without_lease, happens={"to charge": "hold"}) for _ in range(4)]
    run.passed("to charge")
    run.wait_until("waiting:in_doubt")
    run.go_on()
    run.said(*forced)
    workers = run.workers(1)
    run.wait_until("finished")
    run.stop(*workers)
    assert len(run.keys("charge")) == 1


def test_of_two_approvals_at_the_same_moment_the_first_counts(lab: Labs) -> None:
    run = lab(CHARGE_A_LOT, DONE)
    run.send()
    workers = run.workers()
    run.wait_until("waiting:approval")
    answers = run.said(*(run.start(approver, actor=name) for name in ("ana", "bob")))
    assert sorted(answers)[1] == "approved"
    assert sorted(answers)[0].startswith("already closed: approve")
    run.wait_until("finished")
    run.stop(*workers)
    assert len(run.keys("charge")) == 1


@pytest.mark.parametrize("late", [False, True], ids=["in time", "too late"])
def test_either_an_approval_or_its_expiry_counts_by_the_clock_of_the_database(
    late: bool, lab: Labs
) -> None:
    """By the workers' clocks the time is over, or is not yet; neither counts."""
    run = lab(CHARGE_A_LOT, DONE)
    run.send()
    workers = run.workers()
    run.wait_until("waiting:approval")
    pass_time(run.life.url, HOUR - 30)
    racing = run.start(approver)
    if late:
        pass_time(run.life.url, 31)
    (said,) = run.said(racing)
    run.wait_until("finished")
    run.stop(*workers)
    verdicts = [past.data["verdict"] for past in run.thread().events if past.type == "resumed"]
    assert verdicts == ["approve" if said == "approved" else "expired"]
    assert late or said == "approved"
    assert len(run.keys("charge")) == (said == "approved")


def test_an_approval_counts_after_everything_was_restarted(lab: Labs) -> None:
    run = lab(PUT, CHARGE_A_LOT, DONE)
    run.send()
    workers = run.workers()
    run.wait_until("waiting:approval")
    run.stop(*workers)
    run.crash()
    run.restart()
    assert run.said(run.start(approver)) == ["approved"]
    workers = run.workers()
    run.wait_until("finished")
    run.stop(*workers)
    assert (len(run.keys("put")), len(run.keys("charge"))) == (1, 1)
    assert run.types().count("tool_started") == 2


def test_a_crash_of_the_database_after_a_tool_loses_no_result(lab: Labs) -> None:
    run = lab(CHARGE, DONE)
    run.send()
    workers = run.workers(happens={"did charge": "hold"}, lease_s=15.0)
    run.passed("did charge")
    run.crash()
    run.go_on()
    run.restart()
    run.wait_until("finished")
    run.stop(*workers)
    assert len(run.keys("charge")) == 1
    assert "paused" not in run.types()


def test_a_command_ends_even_if_its_database_never_answers(lab: Labs) -> None:
    run = lab()
    run.said(run.start(reader))


def test_a_thread_that_always_kills_its_worker_asks_a_person(lab: Labs) -> None:
    run = lab(DONE)
    run.send()
    wanted, workers = "waiting:limit", run.workers(2, happens={"thinking": "poison"}, lease_s=0.3)
    deadline = time.monotonic() + 30
    while run.status() != wanted:
        assert time.monotonic() < deadline
        dead = [process for process in workers if process.exitcode is not None]
        workers = [process for process in workers if process.exitcode is None]
        workers += run.workers(len(dead), happens={"thinking": "poison"}, lease_s=0.3)
    (asked,) = [past.data["text"] for past in run.thread().events if past.type == "paused"]
    assert "died 5 times after event 1 (message)" in asked
    run.stop(*workers)


@pytest.mark.parametrize("moment", ["to hint", "hinted", "sent"])
def test_a_message_and_its_hint_are_stored_together_or_not_at_all(moment: str, lab: Labs) -> None:
    run = lab(DONE)
    run.do(lambda ports: ports.store.threads())
    assert run.ended(run.start(sender, happens={moment: "kill"})) == KILLED
    stored = run.status() != ""
    jobs = "SELECT 1 FROM procrastinate_jobs WHERE task_name = 'advance'"
    assert stored == (moment == "sent") == bool(query(run.life.url, jobs))
    assert run.said(run.start(sender)) == [THREAD]  # it was not acknowledged, so it is sent again
    assert len(query(run.life.url, jobs)) == 1
    workers = run.workers(1)
    run.wait_until("finished")
    run.stop(*workers)
    assert run.types().count("message") == 1


def test_a_stopped_worker_ends_the_current_step_and_others_continue(lab: Labs) -> None:
    run = lab(CHARGE, PUT, DONE)
    run.send()
    (first,) = run.workers(1, happens={"to charge": "hold"})
    run.passed("to charge")
    first.terminate()
    run.go_on()
    assert run.ended(first) == 0
    assert run.types()[-1] == "tool_finished"
    workers = run.workers(1)
    run.wait_until("finished")
    run.stop(*workers)
    assert (len(run.keys("charge")), len(run.keys("put"))) == (1, 1)

"""Expiry, leases and a clock that cannot be trusted: the database decides, by its own order."""

import pytest

from . import lives
from .conftest import Labs
from .processes import Lab

pytestmark = pytest.mark.crash

HOUR = 3600.0


def test_an_approval_and_its_expiry_at_the_same_moment_have_one_winner(lab: Labs) -> None:
    for _ in range(8):
        run = lab("leave")
        assert run.lives(lives.until_it_waits) == 0
        said, _ = run.together((lives.approver, {}), (lives.expirer, {"later_s": HOUR + 1}))
        assert said in ("approved", "already closed: expired by system"), run.story()
        _check_one_winner(run, "approve" if said == "approved" else "expired")


def test_an_approval_that_comes_after_the_expiry_was_stored_is_refused(lab: Labs) -> None:
    run = lab("leave")
    assert run.lives(lives.until_it_waits) == 0
    late = run.start(lives.approver, happens={"to append resumed": "stop"})
    run.until_stopped(late)
    assert run.lives(lives.expirer, later_s=HOUR + 1) == 0

    run.go_on(late)
    assert run.said(late) == "already closed: expired by system"
    _check_one_winner(run, "expired")


def test_an_expiry_that_comes_after_the_approval_was_stored_is_dropped(lab: Labs) -> None:
    run = lab("leave")
    assert run.lives(lives.until_it_waits) == 0
    late = run.start(lives.expirer, happens={"to append resumed": "stop"}, later_s=HOUR + 1)
    run.until_stopped(late)
    assert run.said(run.start(lives.approver)) == "approved"

    run.go_on(late)
    assert run.said(late) == "running"
    _check_one_winner(run, "approve")


def test_a_worker_closes_a_wait_whose_time_is_over_and_the_call_does_not_run(lab: Labs) -> None:
    run = lab("leave")
    assert run.lives(lives.until_it_waits) == 0
    worker = run.start(lives.worker, later_s=HOUR + 1)
    run.until(lambda: run.status() == "finished", "the end of the thread")
    run.terminate(worker)
    assert run.ended(worker) == 0
    _check_one_winner(run, "expired")


def test_a_clock_that_jumps_back_an_hour_expires_nothing(lab: Labs) -> None:
    run = lab("leave")
    assert run.lives(lives.until_it_waits) == 0
    assert run.said(run.start(lives.expirer, later_s=-HOUR)) == "waiting:approval"
    assert run.with_agent(lambda agent: agent.store.claim("any", 15.0), later_s=-HOUR) is None


def test_a_clock_that_jumps_back_an_hour_steals_no_lease(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    holder = run.start(lives.until_it_waits, happens={"inside charge": "hold"})
    run.until_passed("inside charge")
    run.send(delivery="after the jump", later_s=-HOUR)
    assert run.with_agent(lambda agent: agent.store.claim("any", 15.0), later_s=-HOUR) is None
    run.go_on()
    assert run.ended(holder) == 0
    assert len(run.world.effects("charge")) == 1


def test_events_keep_their_order_when_the_clock_jumps_back(lab: Labs) -> None:
    run = lab("done")
    run.send(delivery="before")
    run.send(delivery="after", later_s=-HOUR)
    before, after = run.thread().events
    assert (before.key, after.key) == ("in:before", "in:after")
    assert before.at
    assert after.at
    assert before.at > after.at


def test_a_message_between_the_last_look_and_the_release_wakes_the_thread_again(lab: Labs) -> None:
    run = lab("done")
    run.send()
    worker = run.start(lives.worker, happens={"to release": "stop"})
    run.until_stopped(worker)
    run.send(delivery="in between")
    run.go_on(worker)
    run.until(lambda: run.types().count("delivered") == 2, "an answer to each message")
    run.terminate(worker)
    assert run.ended(worker) == 0


def _check_one_winner(run: Lab, verdict: str) -> None:
    assert run.lives(lives.until_it_waits) == 0
    answers = [event for event in run.thread().events if event.type == "resumed"]
    assert [event.data["verdict"] for event in answers] == [verdict], run.story()
    assert len(run.world.effects("charge")) == (verdict == "approve"), run.story()
    assert run.status() == "finished", run.story()

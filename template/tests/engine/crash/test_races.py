"""Many processes and clocks want the same thing: one gets it, nothing is lost."""

import random

import pytest

from agent.engine.loop import api

from . import lives
from .conftest import KILLED, Lab, Labs
from .lives import THREAD

pytestmark = pytest.mark.crash


def test_one_delivery_that_arrives_eight_times_at_once_and_again_later_is_one_message(
    lab: Labs,
) -> None:
    run = lab("done")
    assert run.together(*[(lives.sender, {})] * 8) == [THREAD] * 8
    assert run.types() == ["message"]

    run.goes_on()
    ended = run.types()
    assert run.together(*[(lives.sender, {})] * 8) == [THREAD] * 8
    assert run.types() == ended == ["message", "step", "finished", "delivered"]


def test_eight_messages_at_once_are_eight_messages(lab: Labs) -> None:
    run = lab("done")
    run.together(*[(lives.sender, {"delivery": f"number {number}"}) for number in range(8)])
    assert run.types() == ["message"] * 8
    assert [past.seq for past in run.thread().events] == [*range(1, 9)]


def test_a_worker_with_nothing_to_do_goes_on_when_another_process_stores_the_answer(
    lab: Labs,
) -> None:
    run = lab("leave")
    run.send()
    worker = run.start(lives.worker)
    run.until_wait("approval")
    run.until_passed("released")
    assert run.said(run.start(lives.approver)) == "approved"
    run.until(lambda: run.types()[-2:] == ["finished", "delivered"], "the end of the thread")
    run.stop(worker)


def test_processes_forced_onto_one_thread_run_its_tool_once(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    happens = {"inside charge": "hold"}
    forced = [run.start(lives.without_lease, happens=happens) for _ in range(4)]
    run.until_passed("inside charge")
    run.until_wait("in_doubt")
    run.send(delivery="meanwhile")

    run.go_on()
    assert [run.ended(process) for process in forced] == [0] * 4, run.story()
    assert run.lives(lives.without_lease) == 0
    assert run.status() == "finished", run.story()
    assert run.types().count("message") == 2
    assert run.world.effects("charge") == [""], run.story()


def test_processes_forced_onto_one_thread_repeat_an_idempotent_tool_with_one_key(
    lab: Labs,
) -> None:
    run = lab("put")
    run.send()
    forced = [run.start(lives.without_lease) for _ in range(4)]
    assert [run.ended(process) for process in forced] == [0] * 4, run.story()
    while run.status() == "waiting:in_doubt":
        run.answer()
        assert run.lives(lives.without_lease) == 0
    assert run.status() == "finished", run.story()
    assert run.world.effects("put") == [""], run.story()


def test_a_lease_is_renewed_while_a_tool_takes_longer_than_it(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    first = run.start(lives.worker, happens={"inside charge": "hold"}, lease_s=1.5)
    run.until_passed("inside charge")
    second = run.start(lives.worker, lease_s=1.5)
    third = run.start(lives.until_it_waits, lease_s=1.5)
    third.join(4.0)  # more than two leases; nobody may get the thread meanwhile
    assert third.exitcode is None
    assert run.with_agent(lambda ports: ports.store.claim("another", 15.0)) is None
    assert run.with_agent(lambda ports: ports.store.claim("another", 15.0, THREAD)) is None

    run.go_on()
    assert run.ended(third) == 0
    assert "paused" not in run.types(), run.story()
    for process in (first, second):
        run.stop(process)


def test_workers_that_die_all_the_time_lose_no_message_and_run_no_tool_twice(lab: Labs) -> None:
    run, chance = lab("charge"), random.Random(12)
    threads = [api.name_thread("test", "", str(number)) for number in range(6)]
    workers = [run.start(lives.worker, lease_s=1.0) for _ in range(4)]
    for kill in range(12):
        if kill % 4 == 0:
            for thread_id in threads:
                run.send(thread_id, f"before kill {kill}")
        victim = workers.pop(chance.randrange(4))
        victim.join(chance.uniform(0.02, 0.3))
        victim.kill()
        assert run.ended(victim) == KILLED
        workers.append(run.start(lives.worker, lease_s=1.0))
        run.answer_all()
    run.until(run.answer_all, "the end of all threads")

    started = [_keys(run, thread_id) for thread_id in threads]
    charged = [key for tool, key in run.world.rows() if tool == "charge"]
    assert sorted(charged) == sorted(key for keys in started for key in keys), run.story()
    for thread_id in threads:
        types = [event.type for event in run.thread(thread_id).events]
        assert types.count("message") == 3, run.story()
        assert "tool_failed" not in types, run.story()
    for process in workers:
        run.stop(process)


def _keys(run: Lab, thread_id: str) -> set[str]:
    events = run.thread(thread_id).events
    return {past.data["idempotency_key"] for past in events if past.type == "tool_started"}


# -- expiry, leases and a clock that cannot be trusted --

HOUR = 3600.0


def test_an_approval_and_its_expiry_at_the_same_moment_have_one_winner(lab: Labs) -> None:
    for _ in range(8):
        run = lab("leave")
        run.goes_on()
        said, _ = run.together((lives.approver, {}), (lives.expirer, {"later_s": HOUR + 1}))
        assert said in ("approved", "already closed: expired by system"), run.story()
        _check_one_winner(run, "approve" if said == "approved" else "expired")


def test_an_approval_that_comes_after_the_expiry_was_stored_is_refused(lab: Labs) -> None:
    run = lab("leave")
    run.goes_on()
    late = run.stalled(lives.approver, "to append resumed")
    assert run.lives(lives.expirer, later_s=HOUR + 1) == 0

    run.wake(late)
    assert run.said(late) == "already closed: expired by system"
    _check_one_winner(run, "expired")


def test_an_expiry_that_comes_after_the_approval_was_stored_is_dropped(lab: Labs) -> None:
    run = lab("leave")
    run.goes_on()
    late = run.stalled(lives.expirer, "to append resumed", later_s=HOUR + 1)
    assert run.said(run.start(lives.approver)) == "approved"

    run.wake(late)
    assert run.said(late) == "running"
    _check_one_winner(run, "approve")


def test_a_worker_closes_a_wait_whose_time_is_over_and_the_call_does_not_run(lab: Labs) -> None:
    run = lab("leave")
    run.goes_on()
    worker = run.start(lives.worker, later_s=HOUR + 1)
    run.until(lambda: run.status() == "finished", "the end of the thread")
    run.stop(worker)
    _check_one_winner(run, "expired")


def test_a_clock_that_jumps_back_an_hour_expires_nothing(lab: Labs) -> None:
    run = lab("leave")
    run.goes_on()
    assert run.said(run.start(lives.expirer, later_s=-HOUR)) == "waiting:approval"
    assert run.with_agent(lambda ports: ports.store.claim("any", 15.0), later_s=-HOUR) is None


def test_a_clock_that_jumps_back_an_hour_steals_no_lease(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    holder = run.start(lives.until_it_waits, happens={"inside charge": "hold"})
    run.until_passed("inside charge")
    run.send(delivery="after the jump", later_s=-HOUR)
    assert run.with_agent(lambda ports: ports.store.claim("any", 15.0), later_s=-HOUR) is None
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
    worker = run.stalled(lives.worker, "to release")
    run.send(delivery="in between")
    run.wake(worker)
    run.until(lambda: run.types().count("delivered") == 2, "an answer to each message")
    run.stop(worker)


def _check_one_winner(run: Lab, verdict: str) -> None:
    run.goes_on()
    answers = [event for event in run.thread().events if event.type == "resumed"]
    assert [event.data["verdict"] for event in answers] == [verdict], run.story()
    assert len(run.world.effects("charge")) == (verdict == "approve"), run.story()
    assert run.status() == "finished", run.story()

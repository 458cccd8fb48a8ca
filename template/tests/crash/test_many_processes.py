"""Many processes want the same thing at the same moment: one gets it, nothing is lost."""

import random

import pytest

from agent import api
from agent.errors import Conflict
from agent.events import event
from agent.ports import Agent

from . import lives
from .conftest import Labs
from .lives import THREAD
from .processes import KILLED, Lab

pytestmark = pytest.mark.crash


def test_one_delivery_that_arrives_eight_times_at_once_and_again_later_is_one_message(
    lab: Labs,
) -> None:
    run = lab("done")
    assert run.together(*[(lives.sender, {})] * 8) == [THREAD] * 8
    assert run.types() == ["message"]

    assert run.lives(lives.until_it_waits) == 0
    ended = run.types()
    assert run.together(*[(lives.sender, {})] * 8) == [THREAD] * 8
    assert run.types() == ended == ["message", "step", "finished", "delivered"]


def test_eight_messages_at_once_are_eight_messages(lab: Labs) -> None:
    run = lab("done")
    run.together(*[(lives.sender, {"delivery": f"number {number}"}) for number in range(8)])
    assert run.types() == ["message"] * 8
    assert [past.seq for past in run.thread().events] == [*range(1, 9)]


def test_the_database_itself_refuses_a_second_event_of_one_key(lab: Labs) -> None:
    run = lab("done")
    run.send()

    async def again(agent: Agent) -> None:
        newest = await agent.store.load(THREAD)
        await agent.store.append(newest, event("message", "ana", "in:first", text="again"))

    with pytest.raises(Conflict):
        run.with_agent(again)
    assert run.types() == ["message"]


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
    run.terminate(worker)
    assert run.ended(worker) == 0


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


def test_a_thread_that_is_leased_is_not_handed_to_a_second_runner(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    first = run.start(lives.worker, happens={"inside charge": "hold"})
    run.until_passed("inside charge")
    assert run.with_agent(lambda agent: agent.store.claim("another", 15.0)) is None
    assert run.with_agent(lambda agent: agent.store.claim("another", 15.0, THREAD)) is None

    run.go_on()
    run.until(lambda: run.types()[-1] == "delivered", "the end of the thread")
    assert "paused" not in run.types()
    run.terminate(first)
    assert run.ended(first) == 0


def test_a_lease_is_renewed_while_a_tool_takes_longer_than_it(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    first = run.start(lives.worker, happens={"inside charge": "hold"}, lease_s=0.3)
    run.until_passed("inside charge")
    second = run.start(lives.worker, lease_s=0.3)
    third = run.start(lives.until_it_waits, lease_s=0.3)
    third.join(1.0)  # more than three leases; nobody may get the thread meanwhile
    assert third.exitcode is None

    run.go_on()
    assert run.ended(third) == 0
    assert "paused" not in run.types(), run.story()
    for process in (first, second):
        run.terminate(process)
        assert run.ended(process) == 0


def test_workers_that_die_all_the_time_lose_no_message_and_run_no_tool_twice(lab: Labs) -> None:
    run, chance = lab("charge"), random.Random(12)
    threads = [api.thread_of("test", "", str(number)) for number in range(6)]
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
        run.terminate(process)
        assert run.ended(process) == 0


def _keys(run: Lab, thread_id: str) -> set[str]:
    events = run.thread(thread_id).events
    return {past.data["key"] for past in events if past.type == "tool_started"}

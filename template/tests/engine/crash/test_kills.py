"""Killed, stalled or told to stop: nobody can tell afterwards, and no effect happens twice."""

import os
import random
import signal
from collections import Counter

import pytest

from agent.engine.context.window import render_prompt
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Run

from . import lives
from .conftest import KILLED, Lab, Labs
from .lives import CASES, SWEPT

pytestmark = pytest.mark.crash

# -- at any moment --

SEED = int(os.environ.get("CRASH_SEED", "12"))
RUNS = int(os.environ.get("CRASH_RUNS", "10"))


@pytest.mark.parametrize("case", SWEPT)
def test_a_run_killed_once_at_any_moment_ends_as_if_it_had_not_been(case: str, lab: Labs) -> None:
    for number, name in _undisturbed(lab(case)):
        run = lab(case)
        run.to_the_end({number: "kill"}, lives_at_most=2)
        _check(run, f"killed once, at moment {number}, {name!r}")


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_a_run_killed_up_to_eight_times_ends_as_if_it_had_not_been(seed: int, lab: Labs) -> None:
    chance = random.Random(seed)
    case = chance.choice(sorted(SWEPT))
    calm = lab(case)
    _undisturbed(calm)
    moments = range(1, int(1.5 * len(calm.passed())))
    kills = sorted(chance.sample(moments, chance.randint(2, 8)))
    run = lab(case)
    run.to_the_end(dict.fromkeys(kills, "kill"), lives_at_most=9)
    _check(run, f"CRASH_SEED={seed}: killed at moments {kills}")


def test_a_parent_and_its_child_killed_once_at_any_moment_end_as_if_they_had_not_been(
    lab: Labs,
) -> None:
    for number, name in _undisturbed(lab("family")):
        run = lab("family")
        run.to_the_end({number: "kill"}, lives_at_most=2)
        _check(run, f"killed once, at moment {number}, {name!r}")
        _check_child(run)


def test_a_cancellation_reaches_the_child_whenever_its_process_is_killed(lab: Labs) -> None:
    calm = lab("cancelled family")
    calm.to_the_end({}, lives_at_most=1)
    moments, first = calm.passed(), calm.passed().index("appended cancelled")
    for number in filter(lambda each: each >= first, calm.life().moments().distinct()):
        run = lab("cancelled family")
        run.to_the_end({number: "kill"}, lives_at_most=2)
        parent, child = run.thread(), run.child()
        statuses = (parent.state.status, child.state.status)
        assert statuses == ("cancelled", "cancelled"), f"{moments[number - 1]}\n{run.story()}"
        assert [past.data["end"] for past in parent.events if "end" in past.data] == [
            child.state.version - 1
        ], run.story()


def _check_child(run: Lab) -> None:
    parent, child = run.thread(), run.child()
    assert run.with_agent(lambda ports: ports.store.ids()) == sorted([parent.id, child.id])
    types = Counter(event.type for event in child.events)
    assert types["message"] == types["finished"] == 1, run.story()
    results = [past for past in parent.events if "end" in past.data]
    assert [past.type for past in results] == ["resumed"], run.story()


def _undisturbed(run: Lab) -> list[tuple[int, str]]:
    """Return the moments of a run that differ for the next process, with their names."""
    run.to_the_end({}, lives_at_most=1)
    _check(run, "not killed at all")
    names = run.passed()
    return [(number, names[number - 1]) for number in run.life().moments().distinct()]


def _check(run: Lab, how: str) -> None:
    """Check what a person could see: the world, and the log without what a crash may add."""
    thread, case = run.thread(), CASES[run.case]
    decided = [event.data["call"] for event in thread.events if event.type == "step"]
    results = [event.data["step"] for event in thread.events if event.type.startswith("tool_f")]
    types = Counter(event.type for event in thread.events)
    story = f"{how}\n{run.story()}"
    assert thread.state.status == "finished", story
    assert [event.seq for event in thread.events] == [*range(1, len(thread.events) + 1)], story
    assert decided == case.calls, story
    assert types["finished"] == types["message"] == 1, story
    assert not _replaced(thread), f"a question replaced one that was open\n{story}"
    assert types["tool_failed"] == types["invalid_step"] == 0, story
    assert len(results) == len(set(results)) <= types["tool_started"], story
    assert _happened(run) == _wanted(run), story
    told = [event.seq for event in thread.events if event.type == "finished"]
    assert ("notify", f"{thread.id}:{told[0]}") in run.world.rows(), story


def _replaced(thread: Thread) -> list[Event]:
    """Return the questions that were asked while another was open."""
    before = [Thread(thread.id, thread.events[: event.seq - 1]) for event in thread.events]
    return [
        event
        for event, then in zip(thread.events, before, strict=True)
        if event.type == "paused" and then.state.wait
    ]


def _happened(run: Lab) -> Counter[str]:
    return Counter(tool for tool, _ in run.world.rows() if tool != "notify")


def _wanted(run: Lab) -> Counter[str]:
    """Every tool of the case that changes the world, as often as the model called it."""
    case = CASES[run.case]
    steps = map(case.steps.validate, [*case.calls, *case.child])
    orders = [(step.intent, case.decide(step, Thread("none"))) for step in steps]
    return Counter(
        intent for intent, order in orders if isinstance(order, Run) and order.effect != "read"
    )


# -- around a tool --

BEFORE, AFTER = "to run charge", "ran charge"


@pytest.mark.parametrize(("killed", "verdict"), [(BEFORE, "retry"), (AFTER, "happened")])
def test_a_tool_to_be_run_once_is_not_repeated_but_asked_about(
    killed: str, verdict: str, lab: Labs
) -> None:
    run = lab("charge")
    assert run.lives(lives.until_it_waits, happens={killed: "kill"}) == KILLED
    seen = run.world.effects("charge")

    run.goes_on(later_s=60)
    asked = run.until_wait("in_doubt").state.wait
    assert asked
    assert asked.audience == ("ana",)
    assert "Charge" in asked.text
    assert run.world.effects("charge") == seen, run.story()

    run.answer(later_s=60)
    run.goes_on(later_s=120)
    assert run.thread().event(asked.seq + 2).data["verdict"] == verdict, run.story()
    assert run.status() == "finished"
    assert len(run.world.effects("charge")) == 1, run.story()


def test_an_idempotent_tool_is_run_again_with_its_key_and_the_model_never_hears_of_it(
    lab: Labs,
) -> None:
    calm, run = lab("put"), lab("put")
    calm.goes_on()
    assert run.lives(lives.until_it_waits, happens={"ran put": "kill"}) == KILLED

    run.goes_on(later_s=60)
    keys = [
        event.data["idempotency_key"]
        for event in run.thread().events
        if event.type == "tool_started"
    ]
    assert len(keys) == 2, run.story()
    assert len(set(keys)) == 1
    assert len(run.world.effects("put")) == 1, run.story()
    assert run.thread().state.errors == 0
    assert _read_by_the_model(run.thread()) == _read_by_the_model(calm.thread())


def test_a_tool_that_always_kills_its_worker_is_given_up_after_three_starts(lab: Labs) -> None:
    run = lab("put")
    for life in range(3):
        poison = run.lives(
            lives.until_it_waits, happens={"to run put": "poison"}, later_s=60.0 * life
        )
        assert poison == KILLED
    run.goes_on(later_s=180)
    assert run.types().count("tool_started") == 3
    assert run.status() == "waiting:in_doubt", run.story()


def test_a_stalled_runner_runs_its_tool_once_and_its_late_result_answers_the_question(
    lab: Labs,
) -> None:
    run = lab("charge")
    stalled = run.stalled(lives.until_it_waits, AFTER)
    run.goes_on(later_s=60)
    run.until_wait("in_doubt")

    run.wake(stalled)
    assert run.ended(stalled) == 0
    assert run.status() == "finished", run.story()
    assert "resumed" not in run.types()
    assert len(run.world.effects("charge")) == 1, run.story()


def test_a_stalled_runner_that_comes_back_after_the_answer_is_only_recorded(lab: Labs) -> None:
    run = lab("charge")
    stalled = run.stalled(lives.until_it_waits, AFTER)
    assert run.lives(lives.whole, later_s=60) == 0
    assert run.status() == "finished", run.story()

    run.wake(stalled)
    assert run.ended(stalled) == 0
    assert run.status() == "finished", run.story()
    assert run.types().count("tool_finished") == run.types().count("finished") == 1
    assert len(run.world.effects("charge")) == 1, run.story()


def test_the_second_result_of_a_step_is_recorded_and_never_acted_on(lab: Labs) -> None:
    calm, run = lab("put"), lab("put")
    calm.goes_on()
    stalled = run.stalled(lives.until_it_waits, "ran put")
    run.goes_on(later_s=60)

    run.wake(stalled)
    assert run.ended(stalled) == 0
    results = [event.data["late"] for event in run.thread().events if event.type == "tool_finished"]
    assert results == [False, True], run.story()
    assert run.types().count("finished") == run.types().count("delivered") == 1
    assert len(run.world.effects("put")) == 1, run.story()


def test_an_answer_given_after_a_restart_by_another_process_runs_nothing_again(lab: Labs) -> None:
    run = lab("leave")
    run.goes_on()
    before = run.thread()
    assert before.state.status == "waiting:approval"

    assert run.said(run.start(lives.approver)) == "approved"
    run.goes_on()
    after = run.thread()
    assert after.events[: len(before.events)] == before.events
    assert after.state.status == "finished", run.story()
    assert _effects(run) == {"put": 1, "charge": 1}, run.story()


def _effects(run: Lab) -> dict[str, int]:
    return {tool: len(run.world.effects(tool)) for tool in ("put", "charge")}


def _read_by_the_model(thread: Thread) -> tuple[str, ...]:
    return render_prompt(thread, lives.PROMPTS).blocks


# -- always, at the same moment --


@pytest.mark.parametrize(
    ("moment", "after"), [("to ask the model", "1 (message)"), ("to decide done", "1 (message)")]
)
def test_a_thread_that_killed_five_workers_is_put_aside_until_a_person_gives_it_five_more(
    moment: str, after: str, lab: Labs
) -> None:
    run = lab("done")
    run.send()
    _kill_five(run, moment, minute=0)
    run.goes_on(happens={moment: "poison"}, later_s=300)
    run.goes_on(happens={moment: "poison"}, later_s=360)
    asked = run.until_wait("limit").state.wait
    assert asked
    assert f"died 5 times after event {after}" in asked.text
    assert asked.audience == ("ana",)
    assert run.types().count("paused") == 1
    assert _nothing_is_due(run)

    run.answer(later_s=300)
    _kill_five(run, moment, minute=6)
    run.goes_on(happens={moment: "poison"}, later_s=660)
    run.until_wait("limit")

    run.answer(later_s=660)
    run.goes_on(later_s=720)
    assert run.status() == "finished"


def test_a_worker_that_came_back_in_between_counts_from_zero(lab: Labs) -> None:
    run = lab("leave")
    run.send()
    for minute in range(4):
        assert _die(run, "to decide charge", minute) == KILLED
    run.goes_on(later_s=240)
    assert run.status() == "waiting:approval"
    run.answer(later_s=240)
    for minute in range(5, 9):
        assert _die(run, "to decide charge", minute) == KILLED
    run.goes_on(later_s=540)
    assert run.status() == "finished", run.story()


@pytest.mark.parametrize(
    ("case", "kind", "status"),
    [("done", "finished", "finished"), ("leave", "paused", "waiting:approval")],
)
def test_what_cannot_be_told_without_dying_is_not_told_and_stays_true(
    case: str, kind: str, status: str, lab: Labs
) -> None:
    run = lab(case)
    run.send()
    _kill_five(run, f"to notify of {kind}", minute=0)
    poison = {f"to notify of {kind}": "poison"}
    assert run.lives(lives.until_it_waits, happens=poison, later_s=300) == 0
    last = run.thread().events[-1]
    assert last.type == "delivered"
    assert "died 5 times" in last.data["error"]
    assert run.status() == status, run.story()
    assert run.types().count("paused") == (case == "leave")
    assert _nothing_is_due(run)


def test_an_error_nobody_foresaw_counts_as_a_crash_and_the_same_worker_goes_on(lab: Labs) -> None:
    run = lab("broken")
    run.send()
    worker = run.start(lives.worker, lease_s=0.2)
    run.until_wait("limit")
    run.stop(worker)


def _nothing_is_due(run: Lab) -> bool:
    return run.with_agent(lambda ports: ports.store.claim("any", 15.0), later_s=420) is None


def _kill_five(run: Lab, moment: str, minute: int) -> None:
    for later in range(minute, minute + 5):
        assert _die(run, moment, later) == KILLED, run.story()


def _die(run: Lab, moment: str, minute: int) -> int:
    return run.lives(lives.until_it_waits, happens={moment: "poison"}, later_s=60.0 * minute)


# -- by SIGTERM, as at every redeploy --


def test_a_worker_told_to_stop_ends_the_step_at_hand_and_leaves_the_rest(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    worker = run.start(lives.worker, happens={"inside charge": "hold"})
    run.until_passed("inside charge")
    run.signal(worker, signal.SIGTERM)
    run.until_passed("told to stop")
    run.go_on()
    assert run.ended(worker) == 0
    assert run.types() == ["message", "step", "tool_started", "tool_finished"], run.story()

    run.goes_on()
    assert run.status() == "finished"
    assert run.world.effects("charge") == [""]


def test_a_worker_told_to_stop_does_not_wait_for_a_tool_without_end(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    worker = run.start(lives.worker, happens={"to run charge": "hang"})
    run.until_passed("to run charge")
    run.stop(worker)

    run.goes_on(later_s=60)
    assert run.status() == "waiting:in_doubt", run.story()

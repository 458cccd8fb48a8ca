"""Killed once at every moment, and many times at random moments: nobody can tell afterwards."""

import os
import random
from collections import Counter

import pytest

from agent.actions import Run
from agent.events import Event
from agent.thread import Thread

from .cases import CASES, SWEPT
from .conftest import Labs
from .processes import Lab

pytestmark = pytest.mark.crash

SEED = int(os.environ.get("CRASH_SEED", "12"))


@pytest.mark.parametrize("case", SWEPT)
def test_a_run_killed_once_at_any_moment_ends_as_if_it_had_not_been(case: str, lab: Labs) -> None:
    moments = _undisturbed(lab(case))
    for number, name in enumerate(moments, 1):
        run = lab(case)
        run.to_the_end({number: "kill"}, lives_at_most=2)
        _check(run, f"killed once, at moment {number}, {name!r}")


@pytest.mark.parametrize("seed", range(SEED, SEED + 25))
def test_a_run_killed_up_to_eight_times_ends_as_if_it_had_not_been(seed: int, lab: Labs) -> None:
    chance = random.Random(seed)
    case = chance.choice(sorted(SWEPT))
    moments = range(1, int(1.5 * len(_undisturbed(lab(case)))))
    kills = sorted(chance.sample(moments, chance.randint(2, 8)))
    run = lab(case)
    run.to_the_end(dict.fromkeys(kills, "kill"), lives_at_most=9)
    _check(run, f"CRASH_SEED={seed}: killed at moments {kills}")


def _undisturbed(run: Lab) -> list[str]:
    run.to_the_end({}, lives_at_most=1)
    _check(run, "not killed at all")
    return run.passed()


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
    assert ("tell", f"{thread.id}:{told[0]}") in run.world.rows(), story


def _replaced(thread: Thread) -> list[Event]:
    """Return the questions that were asked while another was open."""
    before = [Thread.of(thread.id, thread.events[: event.seq - 1]) for event in thread.events]
    return [
        event
        for event, then in zip(thread.events, before, strict=True)
        if event.type == "paused" and then.state.wait
    ]


def _happened(run: Lab) -> Counter[str]:
    return Counter(tool for tool, _ in run.world.rows() if tool != "tell")


def _wanted(run: Lab) -> Counter[str]:
    """Every tool of the case that changes the world, as often as the model called it."""
    case = CASES[run.case]
    orders = [(call["intent"], case.decide(case.steps.validate(call))) for call in case.calls]
    return Counter(
        intent for intent, order in orders if isinstance(order, Run) and order.effect != "read"
    )

"""A thread that always kills its worker is put aside, and says why."""

import pytest

from . import lives
from .conftest import Labs
from .processes import KILLED, Lab

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("moment", ["to ask the model", "to decide done"])
def test_a_thread_that_killed_five_workers_is_put_aside(moment: str, lab: Labs) -> None:
    run = lab("done")
    run.send()
    _kill_five(run, moment, minute=0)
    assert run.lives(lives.until_it_waits, happens={moment: "poison"}, later_s=300) == 0
    assert run.lives(lives.until_it_waits, happens={moment: "poison"}, later_s=360) == 0
    assert run.types().count("paused") == 1
    assert _nothing_is_due(run)


def test_the_question_says_why_and_continue_gives_it_five_more_chances(lab: Labs) -> None:
    moment = "to ask the model"
    run = lab("done")
    run.send()
    _kill_five(run, moment, minute=0)
    assert run.lives(lives.until_it_waits, happens={moment: "poison"}, later_s=300) == 0
    asked = run.until_wait("limit").state.wait
    assert asked
    assert "ended 5 times after event 1, message" in asked.text
    assert asked.audience == ("ana",)

    run.answer(later_s=300)
    _kill_five(run, moment, minute=6)
    assert run.lives(lives.until_it_waits, happens={moment: "poison"}, later_s=660) == 0
    run.until_wait("limit")

    run.answer(later_s=660)
    assert run.lives(lives.until_it_waits, later_s=720) == 0
    assert run.status() == "finished"


def test_a_worker_that_came_back_in_between_counts_from_zero(lab: Labs) -> None:
    run = lab("leave")
    run.send()
    for minute in range(4):
        assert _die(run, "to decide charge", minute) == KILLED
    assert run.lives(lives.until_it_waits, later_s=240) == 0
    assert run.status() == "waiting:approval"
    run.answer(later_s=240)
    for minute in range(5, 9):
        assert _die(run, "to decide charge", minute) == KILLED
    assert run.lives(lives.until_it_waits, later_s=540) == 0
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
    _kill_five(run, f"to tell {kind}", minute=0)
    assert run.lives(lives.until_it_waits, happens={f"to tell {kind}": "poison"}, later_s=300) == 0
    last = run.thread().events[-1]
    assert last.type == "delivered"
    assert "ended 5 times" in last.data["error"]
    assert run.status() == status, run.story()
    assert run.types().count("paused") == (case == "leave")
    assert _nothing_is_due(run)


def test_an_error_nobody_foresaw_counts_as_a_crash_and_the_same_worker_goes_on(lab: Labs) -> None:
    run = lab("broken")
    run.send()
    worker = run.start(lives.worker, lease_s=0.2)
    run.until_wait("limit")
    run.terminate(worker)
    assert run.ended(worker) == 0


def _nothing_is_due(run: Lab) -> bool:
    return run.with_agent(lambda agent: agent.store.claim("any", 15.0), later_s=420) is None


def _kill_five(run: Lab, moment: str, minute: int) -> None:
    for later in range(minute, minute + 5):
        assert _die(run, moment, later) == KILLED, run.story()


def _die(run: Lab, moment: str, minute: int) -> int:
    return run.lives(lives.until_it_waits, happens={moment: "poison"}, later_s=60.0 * minute)

"""SIGTERM, as at every redeploy: the step at hand ends, what takes too long is left to others."""

import pytest

from . import lives
from .conftest import Labs

pytestmark = pytest.mark.crash


def test_a_worker_told_to_stop_ends_the_step_at_hand_and_leaves_the_rest(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    worker = run.start(lives.worker, happens={"inside charge": "hold"})
    run.until_passed("inside charge")
    run.terminate(worker)
    run.go_on()
    assert run.ended(worker) == 0
    assert run.types() == ["message", "step", "tool_started", "tool_finished"], run.story()

    assert run.lives(lives.until_it_waits) == 0, "the thread is free at once"
    assert run.status() == "finished"
    assert run.world.effects("charge") == [""]


def test_a_worker_told_to_stop_does_not_wait_for_a_tool_without_end(lab: Labs) -> None:
    run = lab("charge")
    run.send()
    worker = run.start(lives.worker, happens={"to run charge": "hang"})
    run.until_passed("to run charge")
    run.terminate(worker)
    assert run.ended(worker) == 0

    assert run.lives(lives.until_it_waits, later_s=60) == 0
    assert run.status() == "waiting:in_doubt", run.story()


def test_an_idle_worker_told_to_stop_stops(lab: Labs) -> None:
    run = lab("done")
    run.send()
    worker = run.start(lives.worker)
    run.until(lambda: run.types()[-1] == "delivered", "the end of the thread")
    run.terminate(worker)
    assert run.ended(worker) == 0

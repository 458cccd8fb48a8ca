"""A process dies or stalls around a tool: it may leave doubt, but never a second effect."""

import pytest

from agent.context import render
from agent.events import digest
from agent.thread import Thread

from . import lives
from .cases import CHARGE
from .conftest import Labs
from .processes import KILLED, Lab

pytestmark = pytest.mark.crash

BEFORE, AFTER = "to run charge", "ran charge"


@pytest.mark.parametrize(("killed", "verdict"), [(BEFORE, "retry"), (AFTER, "happened")])
def test_a_tool_to_be_run_once_is_not_repeated_but_asked_about(
    killed: str, verdict: str, lab: Labs
) -> None:
    run = lab("charge")
    assert run.lives(lives.until_it_waits, happens={killed: "kill"}) == KILLED
    seen = run.world.effects("charge")

    assert run.lives(lives.until_it_waits, later_s=60) == 0
    asked = run.until_wait("in_doubt").state.wait
    assert asked
    assert asked.audience == ("ana",)
    assert "charge" in asked.text
    assert run.world.effects("charge") == seen, run.story()

    run.answer(later_s=60)
    assert run.lives(lives.until_it_waits, later_s=120) == 0
    assert run.thread().event(asked.seq + 2).data["verdict"] == verdict, run.story()
    assert run.status() == "finished"
    assert len(run.world.effects("charge")) == 1, run.story()


def test_an_idempotent_tool_is_run_again_with_its_key_and_the_model_never_hears_of_it(
    lab: Labs,
) -> None:
    calm, run = lab("put"), lab("put")
    assert calm.lives(lives.until_it_waits) == 0
    assert run.lives(lives.until_it_waits, happens={"ran put": "kill"}) == KILLED

    assert run.lives(lives.until_it_waits, later_s=60) == 0
    keys = [event.data["key"] for event in run.thread().events if event.type == "tool_started"]
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
    assert run.lives(lives.until_it_waits, later_s=180) == 0
    assert run.types().count("tool_started") == 3
    assert run.status() == "waiting:in_doubt", run.story()


def test_a_stalled_runner_runs_its_tool_once_and_its_late_result_answers_the_question(
    lab: Labs,
) -> None:
    run = lab("charge")
    stalled = run.start(lives.until_it_waits, happens={AFTER: "stop"})
    run.until_stopped(stalled)
    assert run.lives(lives.until_it_waits, later_s=60) == 0
    run.until_wait("in_doubt")

    run.go_on(stalled)
    assert run.ended(stalled) == 0
    assert run.status() == "finished", run.story()
    assert "resumed" not in run.types()
    assert len(run.world.effects("charge")) == 1, run.story()


def test_a_stalled_runner_that_comes_back_after_the_answer_is_only_recorded(lab: Labs) -> None:
    run = lab("charge")
    stalled = run.start(lives.until_it_waits, happens={AFTER: "stop"})
    run.until_stopped(stalled)
    assert run.lives(lives.whole, later_s=60) == 0
    assert run.status() == "finished", run.story()

    run.go_on(stalled)
    assert run.ended(stalled) == 0
    assert run.status() == "finished", run.story()
    assert run.types().count("tool_finished") == run.types().count("finished") == 1
    assert len(run.world.effects("charge")) == 1, run.story()


def test_the_second_result_of_a_step_is_recorded_and_never_acted_on(lab: Labs) -> None:
    calm, run = lab("put"), lab("put")
    assert calm.lives(lives.until_it_waits) == 0
    stalled = run.start(lives.until_it_waits, happens={"ran put": "stop"})
    run.until_stopped(stalled)
    assert run.lives(lives.until_it_waits, later_s=60) == 0

    run.go_on(stalled)
    assert run.ended(stalled) == 0
    results = [event.data["late"] for event in run.thread().events if event.type == "tool_finished"]
    assert results == [False, True], run.story()
    assert run.types().count("finished") == run.types().count("delivered") == 1
    assert len(run.world.effects("put")) == 1, run.story()


def test_an_answer_given_after_a_restart_by_another_process_runs_nothing_again(lab: Labs) -> None:
    run = lab("leave")
    assert run.lives(lives.until_it_waits) == 0
    before = run.thread()
    assert before.state.status == "waiting:approval"

    assert run.said(run.start(lives.approver)) == "approved"
    assert run.lives(lives.until_it_waits) == 0
    after = run.thread()
    assert after.events[: len(before.events)] == before.events
    assert after.state.status == "finished", run.story()
    assert _effects(run) == {"put": 1, "charge": 1}, run.story()


def test_an_approval_of_another_call_is_refused_and_nothing_runs(lab: Labs) -> None:
    run = lab("leave")
    assert run.lives(lives.until_it_waits) == 0
    said = run.said(run.start(lives.approver, digest=digest(CHARGE)))
    assert said == "this is not the call you were shown; look again"

    assert run.lives(lives.until_it_waits) == 0
    assert run.status() == "waiting:approval"
    assert _effects(run) == {"put": 1, "charge": 0}, run.story()


def _effects(run: Lab) -> dict[str, int]:
    return {tool: len(run.world.effects(tool)) for tool in ("put", "charge")}


def _read_by_the_model(thread: Thread) -> tuple[str, ...]:
    return render(thread, lives.PROMPTS).blocks

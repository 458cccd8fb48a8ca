"""`agent eval run` and `agent eval record`: what they ask, print, store and end with."""

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.engine.context.window import Prompts
from agent.engine.evals.reading import read_cases
from agent.engine.evals.verdicts import replay
from agent.engine.llms.output import JsonSteps
from agent.engine.llms.recordings import list_models
from agent.engine.log.errors import Unavailable
from agent.engine.loop.ports import Reply
from agent.engine.prices import Prices

from ..domain import Done, Says
from ..evals.lines import (
    CHARGE,
    DONE,
    FOLDER,
    HELLO,
    LOOK,
    RECORDINGS,
    make_line,
    write_lines,
)
from .conftest import Desk

SECOND = make_line("b", thread=[HELLO, HELLO])
PRICE = {"input": 100_000, "output": 0, "currency": "USD"}


def run(desk: Desk, *words: str) -> Any:
    return desk.agent("eval", "run", *words)


def record(desk: Desk, *words: str) -> Any:
    return desk.agent("eval", "record", *words)


def replayed(desk: Desk, **changes: Any) -> list[dict[str, str]]:
    agent = replace(desk.plugged.default, **changes)

    async def replay_all() -> list[dict[str, str]]:
        return [await replay(agent, each, RECORDINGS) for each in read_cases(FOLDER)]

    return asyncio.run(replay_all())


# Run: several models side by side.


def test_models_are_compared_side_by_side(desk: Desk) -> None:
    write_lines(make_line(), SECOND)
    desk.models = {"says:a": Says(LOOK, LOOK), "says:b": Says(LOOK, DONE)}
    done = run(desk, "--model", "says:a", "--model", "says:b", "--concurrency", "1")
    assert done.exit_code == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["MODEL", "PASSED", "CALLS", "INPUT", "OUTPUT", "COST", "LATENCY"]
    assert lines[1][:9] == "says:a 2 of 2 (100%) 2 20 10 unknown".split()
    assert lines[2][:9] == "says:b 1 of 2 (50%) 2 20 10 unknown".split()
    assert lines[4:7] == [
        ["CASE", "says:a", "says:b"],
        ["a", "pass", "pass"],
        ["b", "pass", "FAIL"],
    ]
    assert 'FAIL says:b, b: intent is not "look"' in done.stdout
    assert "1/4 says:a, a: pass" in done.stderr


def test_a_model_with_a_price_has_its_cost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(make_line())
    build = desk.build
    prices = Prices({"says:dear": PRICE})
    monkeypatch.setattr(desk, "build", lambda of: replace(build(of), prices=prices))
    desk.says(LOOK, LOOK)
    done = run(desk, "--model", "says:dear", "--model", "says:other")
    first, second = done.stdout.splitlines()[1:3]
    assert "  1.00 USD  " in first
    assert "  1 of 1 calls without a price  " in second


def test_all_that_pass_end_with_zero(desk: Desk) -> None:
    write_lines(make_line())
    desk.says(LOOK)
    done = run(desk, "--model", "says:a")
    assert (done.exit_code, "CASE" in done.stdout) == (0, False)


def test_json_has_all_for_a_machine(desk: Desk) -> None:
    write_lines(make_line(), SECOND)
    desk.says(LOOK, Unavailable("away"))
    done = run(desk, "--model", "says:a", "--json", "--concurrency", "1")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["passed"]) == (1, False)
    (totals,) = said["models"]
    assert totals["tokens"] == {"input": 10, "output": 5}
    assert (totals["model"], totals["passed"], totals["trials"]) == ("says:a", 1, 2)
    assert [(each["case"], each["verdict"], each["reason"]) for each in said["trials"]] == [
        ("a", "pass", ""),
        ("b", "error", "away"),
    ]
    assert said["changed"] == []


def test_a_model_that_fails_spoils_no_other_case(desk: Desk) -> None:
    write_lines(make_line(), SECOND)
    desk.says(Unavailable("the server is down"), LOOK)
    done = run(desk, "--model", "says:a", "--concurrency", "1")
    assert done.exit_code == 1
    assert "ERROR says:a, a: the server is down" in done.stdout
    assert "1 of 2 (50%)" in done.stdout


def test_results_are_compared_with_those_before(desk: Desk) -> None:
    write_lines(make_line(), SECOND)
    for replies, changed in (
        ([LOOK, LOOK], None),
        ([LOOK, DONE], "b: pass -> FAIL"),
        ([LOOK, LOOK], "b: FAIL -> pass"),
        ([LOOK, LOOK], "no verdict changed"),
    ):
        desk.says(*replies)
        done = run(desk, "--model", "says:a", "--concurrency", "1")
        assert ("compared with the last time" in done.stdout) == bool(changed)
        assert f"  {changed}" in done.stdout if changed else True
    assert "30 tokens -> 30 tokens; unknown -> unknown" in done.stdout
    assert len([*Path("data/evals").iterdir()]) == 4


def test_another_model_is_not_compared_with_this_one(desk: Desk) -> None:
    write_lines(make_line())
    desk.says(DONE, LOOK)
    run(desk, "--model", "says:a")
    assert "compared" not in run(desk, "--model", "says:b").stdout


def test_cases_are_chosen_by_name_and_agent(desk: Desk) -> None:
    write_lines(make_line("staging first"), make_line("then production", thread=[HELLO] * 2))
    desk.says(LOOK)
    done = run(desk, "--model", "says:a", "--case", "STAGING", "--agent", "test")
    assert "1 of 1 (100%)" in done.stdout
    none = run(desk, "--model", "says:a", "--case", "x")
    assert (none.exit_code, "no case has 'x' in its name" in none.stderr) == (2, True)
    none = run(desk, "--model", "says:a", "--agent", "x")
    assert (none.exit_code, "there is no agent 'x': test" in none.stderr) == (2, True)


def test_recordings_are_tried_without_a_model_and_are_not_saved(desk: Desk) -> None:
    write_lines(make_line())
    desk.says(LOOK, DONE)
    record(desk, "--model", "says:a", "--model", "says:b", "--concurrency", "1")
    done = run(desk, "--recorded")
    assert done.exit_code == 1
    assert "says:a  1 of 1 (100%)  1      10     5       unknown  -" in done.stdout
    assert "FAIL says:b, a: " in done.stdout
    assert run(desk, "--recorded", "--model", "says:a").exit_code == 0
    assert not Path("data").exists()
    write_lines(make_line(), SECOND)
    stale = run(desk, "--recorded", "--model", "says:a")
    assert "ERROR says:a, b: nothing is recorded" in stale.stdout
    none = run(desk, "--recorded", "--model", "says:c")
    assert (none.exit_code, "nothing of says:c is recorded" in none.stderr) == (1, True)


def test_a_stop_keeps_what_was_tried(desk: Desk) -> None:
    write_lines(make_line(), SECOND)

    async def interrupt() -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    desk.says(LOOK, interrupt)
    done = run(desk, "--model", "says:a", "--concurrency", "1")
    assert done.exit_code == 130
    assert "1 of 1 (100%)" in done.stdout
    assert len([*Path("data/evals").iterdir()]) == 1


@pytest.mark.parametrize("command", ["run", "record"])
def test_without_a_case_or_a_model_nothing_is_asked(
    command: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODEL", raising=False)
    assert "no cases in 'evals'" in desk.agent("eval", command, "--model", "says:this").stderr
    write_lines(make_line())
    none = desk.agent("eval", command)
    assert (none.exit_code, "MODEL is not set" in none.stderr) == (1, True)


# Recordings.


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": Prompts("You are another.", "What next?")},
        {"steps": JsonSteps(Done)},
    ],
)
def test_a_prompt_or_a_schema_that_changed_makes_a_recording_stale(
    change: dict[str, Any], desk: Desk
) -> None:
    write_lines(make_line())
    desk.says(LOOK)
    record(desk, "--model", "says:this")
    assert replayed(desk) == [{"says:this": ""}]
    assert replayed(desk, **change) == [{}]


def test_a_recording_of_one_model_is_no_verdict_of_another(desk: Desk) -> None:
    write_lines(make_line())
    desk.models = {"says:old": Says(LOOK), "says:new": Says(DONE)}
    record(desk, "--model", "says:old")
    done = record(desk, "--model", "says:new")
    assert "says:new, a: intent is not" in done.stderr
    (misses,) = replayed(desk)
    assert (misses["says:old"], bool(misses["says:new"])) == ("", True)


def test_a_model_is_asked_only_for_what_is_not_recorded(desk: Desk) -> None:
    write_lines(make_line(), SECOND)
    desk.says(LOOK, DONE)
    one = "--concurrency", "1", "--model", "says:this"
    done = record(desk, *one)
    assert (done.exit_code, done.stdout) == (
        0,
        "evals/test/recordings.jsonl: 2 cases of says:this\n",
    )
    assert "says:this, b: intent is not" in done.stderr
    first = RECORDINGS.read_text("utf-8").splitlines()

    write_lines(make_line("c", thread=[HELLO] * 3), SECOND)
    desk.says(LOOK)
    record(desk, *one)
    second = RECORDINGS.read_text("utf-8").splitlines()
    assert [line in first for line in second] == [True, False]

    desk.says(LOOK, LOOK)
    record(desk, *one, "--all")
    assert replayed(desk) == [{"says:this": ""}, {"says:this": ""}]
    assert len(RECORDINGS.read_text("utf-8").splitlines()) == 2
    assert desk.llm.replies == []


def test_each_step_of_a_case_with_an_end_is_recorded(desk: Desk) -> None:
    look = {"call": LOOK, "output": "blue"}
    write_lines(make_line(expect=CHARGE, end="approval", steps=2, tools=[look]))
    desk.says(LOOK, CHARGE)
    record(desk, "--model", "says:this")
    assert replayed(desk) == [{"says:this": ""}]
    assert len(RECORDINGS.read_text("utf-8").splitlines()) == 2


def test_what_was_written_by_hand_goes_once_a_model_is_recorded(desk: Desk) -> None:
    write_lines(make_line())
    by_hand = {"model": "scripted", "key": "k", "reply": {"text": "", "tokens": {}}}
    write_lines({"about": "by hand"}, by_hand, name="recordings")
    desk.says(LOOK)
    record(desk, "--model", "says:this")
    assert list_models(RECORDINGS) == ["says:this"]
    assert "by hand" not in RECORDINGS.read_text("utf-8")


def test_a_recording_that_is_broken_off_keeps_what_was_answered(desk: Desk) -> None:
    write_lines(make_line(), SECOND)
    one = "--concurrency", "1", "--model", "says:this"
    desk.says(LOOK, Unavailable("429"))
    done = record(desk, *one)
    assert (done.exit_code, "says:this, b: 429" in done.stderr) == (1, True)
    assert replayed(desk) == [{"says:this": ""}, {}]

    async def interrupt() -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    write_lines(make_line("c", thread=[HELLO] * 3), SECOND)
    desk.says(LOOK, interrupt)
    assert record(desk, *one).exit_code == 130
    assert replayed(desk) == [{"says:this": ""}, {}]
    desk.says(Reply(json.dumps({"next_step": LOOK}), {}))
    assert record(desk, *one).exit_code == 0
    assert sorted(path.name for path in FOLDER.iterdir()) == ["recordings.jsonl", "some.jsonl"]

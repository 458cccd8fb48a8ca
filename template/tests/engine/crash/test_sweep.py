"""The sweep that owners use: what it finds, and that it lets a careful agent pass."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.engine.llms.scripted import ScriptedLLM
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Call, Finish, Run
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import ModelOf
from agent.engine.stores.memory import MemoryStore

from ..domain import Put, World, build_ports, make_decide
from ..sweep import Scenario, sweep

pytestmark = pytest.mark.crash

CHARGES = """\
{"task": "Please go on."}
{"step": {"intent": "charge", "amount": 500}}
{"step": {"intent": "done", "message": "Done."}}
"""
PUTS = """\
{"task": "Please go on."}
{"step": {"intent": "put", "value": "a lamp"}}
{"step": {"intent": "done", "message": "Done."}}
"""
ASKS = """\
{"task": "Please go on.", "actor": "bob"}
{"step": {"intent": "ask_person", "question": "Which?"}, "expect": "Please go on."}
{"step": {"intent": "sleep", "seconds": 3600}, "expect": "As you think best."}
{"step": {"intent": "done", "message": "Done."}}
"""


def world() -> World:
    return World("world.db")


def nothing() -> None:
    """Need no files."""


def charges() -> list[str]:
    return world().effects("charge")


def puts() -> list[str]:
    return world().effects("put")


def careful(model_of: ModelOf) -> Ports:
    return _ports(model_of, make_decide(world()))


def careless(model_of: ModelOf) -> Ports:
    """Put again whatever the key is, though the policy says that this does no harm."""

    def put(step: Put, call: Call) -> str:
        return world().put(step, replace(call, key=str(len(puts()))))

    def decide(step: Any, thread: Thread) -> Action:
        return Run(put, effect="idempotent") if isinstance(step, Put) else Finish("Done.")

    return _ports(model_of, decide)


def forgetful(model_of: ModelOf) -> Ports:
    """Answer with what was seen by this process."""
    seen = Counter[str]()

    def decide(step: Any, thread: Thread) -> Action:
        seen[step.intent] += 1
        return Run(world().put, effect="idempotent") if isinstance(step, Put) else Finish(f"{seen}")

    return _ports(model_of, decide)


def _ports(model_of: ModelOf, decide: Any) -> Ports:
    script = ScriptedLLM.from_env(model_of("test").removeprefix("scripted:"))
    return build_ports(MemoryStore(), script, world(), decide=decide)


def scenario(folder: Path, script: str, effects: Any, plug: Any = careful) -> Scenario:
    file = folder / "test" / "script.jsonl"
    file.parent.mkdir()
    file.write_text(script, "utf-8")
    return Scenario(file, nothing, effects, plug)


def test_a_call_that_may_run_once_runs_once_whatever_is_killed(tmp_path: Path) -> None:
    assert sweep(scenario(tmp_path, CHARGES, charges), tmp_path) == ["500"]


def test_questions_and_timers_are_answered(tmp_path: Path) -> None:
    assert sweep(scenario(tmp_path, ASKS, charges), tmp_path) == []


def test_a_tool_that_ignores_its_key_is_found_and_the_moment_is_named(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="'ran put'") as found:
        sweep(scenario(tmp_path, PUTS, puts, careless), tmp_path)
    assert "effects: ['a lamp', 'a lamp']\nwithout the kill: ['a lamp']" in str(found.value)
    assert "tool_started" in str(found.value)


def test_an_answer_that_depends_on_the_process_is_found(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="answers: "):
        sweep(scenario(tmp_path, PUTS, puts, forgetful), tmp_path)


def test_a_script_that_does_not_fit_fails_before_anything_is_killed(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="not killed at all"):
        sweep(scenario(tmp_path, "\n".join(PUTS.splitlines()[:2]), puts), tmp_path)


def broken() -> None:
    raise OSError("a file is missing")


def test_what_fails_before_anything_is_stored_is_said(tmp_path: Path) -> None:
    unprepared = replace(scenario(tmp_path, PUTS, puts), prepare=broken)
    with pytest.raises(pytest.fail.Exception, match="a process ended with 1, see its traceback"):
        sweep(unprepared, tmp_path)

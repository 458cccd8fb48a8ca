"""Cases: how an answer is judged, how one is made of a real thread, and what is recorded."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.engine.cli import build_commands
from agent.engine.cli.evals import FOLDER, mount
from agent.engine.context.window import Prompts, render_prompt
from agent.engine.evals.cases import Case, find_miss, is_scripted, read_cases, replay
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import Misconfigured, Unavailable
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.ports import Ports, Reply
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Done,
    Says,
    World,
    build_ports,
    make_message,
    make_start,
    make_thread,
    rebind,
    store_thread,
)

Evals = Callable[..., Any]
HERE = FOLDER / "test"
RECORDINGS = HERE / "recordings.jsonl"
LOOK = {"intent": "look", "at": "the sky"}
HELLO = {"type": "message", "actor": "ana", "data": {"text": "hello", "source": "user"}}


@pytest.fixture
def llm() -> Says:
    return Says()


@pytest.fixture
def ports(
    store: MemoryStore, world: World, llm: Says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ports:
    monkeypatch.chdir(tmp_path)
    return build_ports(store, llm, world)


@pytest.fixture
def evals(ports: Ports) -> Evals:
    """Run `agent eval` with these words."""

    def run(*words: str) -> Any:
        def build(model_of: ModelOf) -> App:
            bound = rebind(ports, model=model_of("test"))
            return App(bound, LocalRunner(bound))

        cli = build_commands(build, mount)
        return CliRunner().invoke(cli, ["eval", *words], catch_exceptions=False)

    return run


def written(*lines: Any, name: str = "some") -> None:
    path = HERE / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")


def case(name: str = "a", expect: Any = LOOK, **changes: Any) -> dict[str, Any]:
    return {"name": name, "expect": expect, "thread": [HELLO]} | changes


# How an answer is judged.


@pytest.mark.parametrize(
    ("expect", "says", "miss"),
    [
        ([LOOK], LOOK, ""),
        ([{"intent": "look"}], LOOK, ""),
        ([{"intent": "look", "at": "sea"}], LOOK, 'at is not "sea"'),
        ([{"intent": "done"}], LOOK, 'intent is not "done"'),
        ([{"intent": "done"}, LOOK], LOOK, ""),
        ([{"intent": "done"}, {**LOOK, "at": 1}], LOOK, 'intent is not "done" / at is not 1'),
        ([{"intent": "look", "to": "x"}], LOOK, 'to is not "x"'),
        ([{"intent": "look", "at": {"in": ["the sea", "the sky"]}}], LOOK, ""),
        ([{"intent": "look", "at": {"in": ["the sea"]}}], LOOK, "at is not"),
        ([{"intent": "look", "at": {"matches": "^the s"}}], LOOK, ""),
        ([{"intent": "look", "at": {"matches": "^s"}}], LOOK, "at is not"),
        (
            [{"intent": "charge", "amount": {"matches": "^5"}}],
            {"intent": "charge", "amount": 5},
            "",
        ),
        ([LOOK], "I would look at the sky.", "has no"),
        ([LOOK], Reply(json.dumps({"next_step": LOOK}), {}, stop="truncated"), "truncated"),
    ],
)
def test_an_answer_is_held_to_the_arguments_that_are_named(
    expect: list[Any], says: Any, miss: str, ports: Ports
) -> None:
    seen = asyncio.run(
        find_miss(ports.default, Case("a", make_thread(make_message()), tuple(expect)), Says(says))
    )
    assert miss in seen
    assert bool(miss) == bool(seen)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([{"expect": LOOK, "thread": [HELLO]}], "name"),
        ([case(expect={"at": "the sky"})], "intent"),
        ([case(expect="look")], "cannot be read"),
        ([case(expect={**LOOK, "at": {"matches": "("}})], "case 'a' cannot be read"),
        ([case(thread=[{**HELLO, "type": "mesage"}])], "no event is called {'mesage'}"),
        ([case(thread=[{**HELLO, "seq": 1}])], "seq"),
        ([case(thread=[{**HELLO, "data": {}}])], "text"),
        ([case(thread=[HELLO, {"type": "tool_finished", "data": {"step": 9}}])], "case 'a'"),
        ([case(), case("b"), case("b")], "several cases are called 'b'"),
        (["case"], "some.jsonl', line 1"),
    ],
)
def test_a_case_that_is_wrong_is_named(lines: list[Any], problem: str, ports: Ports) -> None:
    written(*lines)
    with pytest.raises(Misconfigured) as raised:
        read_cases(HERE)
    assert problem in str(raised.value)


# Cases of real threads.


def step_of(ports: Ports, **changes: Any) -> Any:
    sha = render_prompt(Thread("t"), ports.default.prompts).sha
    cost = {"tokens": {"input": 9}, "model": "gpt", "prompt_sha": sha}
    return make_event("step", **{"call": LOOK, **cost, **changes})


async def held(ports: Ports) -> list[str | None]:
    return [await replay(ports.default, each, RECORDINGS) for each in read_cases(HERE)]


def test_a_step_of_a_real_thread_is_a_case_and_needs_no_model(ports: Ports, evals: Evals) -> None:
    log = make_message("naïve \u2028", "bob"), step_of(ports), make_start(2)
    thread = asyncio.run(store_thread(ports.store, *log, thread_id="0123456789"))
    done = evals("capture", "0123", "--at", "2")
    assert (done.exit_code, done.stdout) == (0, "evals/test/captured.jsonl: 01234567-2\n")
    (captured,) = read_cases(HERE)
    assert captured.expect == (LOOK,)
    assert [each.data for each in captured.thread.events] == [thread.events[0].data]
    assert captured.thread.state.owner == "bob"
    assert asyncio.run(held(ports)) == [""]
    assert not is_scripted(RECORDINGS)


def test_what_was_said_to_other_prompts_is_not_recorded(ports: Ports, evals: Evals) -> None:
    asyncio.run(store_thread(ports.store, make_message(), step_of(ports, prompt_sha="other")))
    done = evals("capture", "t", "--at", "2", "--name", "a")
    assert "Re-record: uv run agent eval record" in done.stderr
    assert asyncio.run(held(ports)) == [None]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("t", "--at", "1"), "event 1 is not a step; the steps of this thread are 2, 3"),
        (("t", "--at", "3"), "event 3 is no longer a valid step"),
        (("t", "--at", "2", "--name", "a"), "there is a case 'a' already"),
        (("x", "--at", "2"), "no thread's id begins with 'x'"),
    ],
)
def test_what_cannot_be_captured_changes_nothing(
    words: tuple[str, ...], reason: str, ports: Ports, evals: Evals
) -> None:
    written(case())
    gone = step_of(ports, call={"intent": "gone"})
    asyncio.run(store_thread(ports.store, make_message(), step_of(ports), gone))
    done = evals("capture", *words)
    assert done.exit_code == 1
    assert reason in done.stderr
    assert [path.name for path in FOLDER.rglob("*.jsonl")] == ["some.jsonl"]


# Recordings.


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": Prompts("You are another.", "What next?")},
        {"steps": JsonSteps(Done)},
    ],
)
def test_a_prompt_or_a_schema_that_changed_makes_a_recording_stale(
    change: dict[str, Any], ports: Ports, evals: Evals, llm: Says
) -> None:
    written(case())
    llm.replies += [LOOK]
    evals("record", "--model", "says:this")
    assert asyncio.run(held(ports)) == [""]
    assert asyncio.run(held(rebind(ports, **change))) == [None]


def test_a_model_is_asked_only_for_what_is_not_recorded(
    ports: Ports, evals: Evals, llm: Says
) -> None:
    written(case(), case("b", thread=[HELLO, HELLO]))
    llm.replies += [LOOK, {"intent": "done", "message": "."}]
    done = evals("record", "--model", "says:this")
    assert done.stdout == "evals/test/recordings.jsonl: 2 cases\n"
    assert "a: as expected\nb: intent is not" in done.stderr
    first = RECORDINGS.read_text("utf-8").splitlines()

    written(case("c", thread=[HELLO] * 3), case("b", thread=[HELLO, HELLO]))
    llm.replies += [LOOK]
    evals("record", "--model", "says:this")
    second = RECORDINGS.read_text("utf-8").splitlines()
    assert [line in first for line in second] == [False, True]

    llm.replies += [LOOK, LOOK]
    evals("record", "--model", "says:this", "--all")
    assert asyncio.run(held(ports)) == ["", ""]
    assert llm.replies == []


def test_a_recording_that_is_broken_off_changes_nothing(evals: Evals, llm: Says) -> None:
    written(case(), case("b", thread=[HELLO, HELLO]))
    llm.replies += [LOOK, Unavailable("429")]
    assert evals("record", "--model", "says:this").exit_code == 1
    assert [path.name for path in FOLDER.iterdir()] == ["test"]
    assert [path.name for path in HERE.iterdir()] == ["some.jsonl"]


def test_without_a_case_or_a_model_nothing_is_recorded(
    evals: Evals, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no cases in 'evals'" in evals("record", "--model", "says:this").stderr
    monkeypatch.delenv("MODEL", raising=False)
    written(case())
    assert "MODEL is not set" in evals("record").stderr


@pytest.mark.parametrize(
    ("models", "scripted"), [((), True), (("scripted",), True), (("scripted", "gpt"), False)]
)
def test_a_recording_is_scripted_until_a_model_was_recorded(
    models: tuple[str, ...], scripted: bool, tmp_path: Path
) -> None:
    lines = [
        {"key": model, "reply": {"text": "", "tokens": {}, "model": model}} for model in models
    ]
    path = tmp_path / "recordings.jsonl"
    assert is_scripted(path)
    path.write_text("\n".join(map(json.dumps, [{"about": "these"}, *lines])), "utf-8")
    assert is_scripted(path) == scripted

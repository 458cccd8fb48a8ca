"""`agent demo`: it plays whatever script there is, and always comes to an end."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest
from typer.testing import CliRunner

from agent.engine.cli import build_commands
from agent.engine.cli.demo import DATABASE
from agent.engine.log.state import Limits
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Ask, Call, Run, Wait
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Charge, Done, Says, Shown, World, build_ports, make_decide
from .conftest import Desk, Typist, now

pytestmark = pytest.mark.usefixtures("desk")

MODULE = sys.modules["agent.engine.cli.demo"]
"""Its name in the package is that of the command."""
SCRIPT = Path("sample/test/demo.jsonl")
CHARGE = {"step": {"intent": "charge", "amount": 500}}
SMALL = {"step": {"intent": "charge", "amount": 9}}
ASK = {"step": {"intent": "ask_person", "question": "which?"}}
SLEEP = {"step": {"intent": "sleep", "seconds": 3600}}
DONE = {"step": {"intent": "done", "message": "bye"}}


def write(*lines: Any, path: Path = SCRIPT, **head: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    first = {"task": "charge them", **head}
    path.write_text("\n".join(map(json.dumps, [first, *lines])), "utf-8")


Play = Callable[..., Any]


@pytest.fixture
def play(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run `agent demo` with these words; `action` is what the agent decides but at its end."""
    monkeypatch.delenv("MODEL")

    def run(*words: str, action: Any = None, **changes: Any) -> Any:
        def decide(step: Any, thread: Thread) -> Any:
            if action and not isinstance(step, Done):
                return action
            return make_decide(desk.world)(step, thread)

        ports = build_ports(desk.store, Says(), desk.world, **{"decide": decide, **changes})
        cli = build_commands(lambda _: App(ports, LocalRunner(ports, poll_s=0.01)))
        return CliRunner().invoke(cli, ["demo", *words], catch_exceptions=False)

    return run


def played() -> list[Thread]:
    """Return the threads of all demos, last changed first."""

    async def load() -> list[Thread]:
        store = SqliteStore(DATABASE)
        return [await store.load(row.id) for row in await store.threads()]

    return now(load())


def answers() -> list[tuple[str, str]]:
    """Return who answered what in the only demo."""
    (thread,) = played()
    given = (each for each in thread.events if each.type == "resumed")
    return [(each.actor, each.data["verdict"]) for each in given]


def succeed(step: Any, call: Call) -> str:
    return "ok"


def wait_for_bob(step: Any, call: Call) -> Wait:
    return Wait("a job", kind="job", audience=("bob",))


def break_down(step: Any, call: Call) -> None:
    raise ZeroDivisionError


FOR_BOB = Run(succeed, approvers=("bob",))

# -- without a terminal -----------------------------------------------------------------------


def test_it_plays_the_script_and_shows_the_log_and_a_prompt(play: Play) -> None:
    write({"step": {"intent": "look", "at": "x"}}, DONE, about="It looks up.")
    ran = play()
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "the script sample/test/demo.jsonl decides, not a model" in ran.stdout
    assert "It looks up.\n" in ran.stdout
    assert "\n> charge them\n" in ran.stdout
    assert "cli:you  said: charge them" in ran.stdout
    assert "What the model would have read before its last step, " in ran.stdout
    assert "<look_result>" in ran.stdout
    assert "  agent run 'charge them'\n" in ran.stdout


@pytest.mark.parametrize(
    ("action", "said", "answer"),
    [
        (FOR_BOB, "approve", ("bob", "approve")),
        (Run(succeed, approvers=("eve", "bob")), "approve", ("bob", "approve")),
        (Ask("?", audience=("bob",)), "answer (As you think best.)", ("bob", "answer")),
        (Ask("?", audience=("bob",), format="yes_no"), "answer (yes)", ("bob", "answer")),
        (
            Ask("?", audience=("bob",), format="multiple_choice", choices=("a", "b")),
            "answer (a)",
            ("bob", "answer"),
        ),
        (Wait("a nap", 3600, audience=("bob",)), "done", ("bob", "done")),
        (Run(wait_for_bob), "done", ("bob", "done")),
        (Run(break_down, approvers=("bob",)), "abort", ("bob", "abort")),
    ],
)
def test_without_a_terminal_it_answers_as_somebody_who_is_asked(
    action: Any, said: str, answer: tuple[str, str], play: Play
) -> None:
    write(CHARGE, DONE)
    ran = play(action=action)
    assert ran.exit_code == 0
    assert f"There is no terminal to ask, so the demo answers as bob: {said}\n" in ran.stdout
    assert answers()[-1] == answer
    assert played()[0].state.ended == "finished"


def test_whoever_gives_the_task_answers_if_they_may(play: Play) -> None:
    write(CHARGE, ASK, DONE, actor="eve")
    ran = play()
    assert "    May answer: you\n" in ran.stdout
    assert "so the demo answers as eve: approve\n" in ran.stdout
    assert answers() == [("eve", "approve"), ("eve", "answer")]


def test_it_goes_on_at_a_limit_while_there_are_steps(play: Play) -> None:
    write(SMALL, SMALL, DONE)
    assert play(limits=Limits(steps=1)).exit_code == 0
    assert answers() == [("cli:you", "continue")] * 2


def test_it_ends_at_a_limit_that_allows_no_step(play: Play) -> None:
    write(DONE)
    ran = play(limits=Limits(steps=0))
    assert (ran.exit_code, "Cancelled by cli:you." in ran.stdout) == (1, True)
    assert answers() == [("cli:you", "continue"), ("cli:you", "stop")]


def test_a_script_that_ends_too_early_is_said(play: Play) -> None:
    write(SMALL)
    ran = play()
    assert ran.exit_code == 1
    assert "has 1 steps, and this thread needs another one" in ran.stderr


def test_the_script_says_who_answers_and_how(play: Play) -> None:
    stop, reject = {"verdict": "stop"}, {"verdict": "reject", "actor": "eve", "text": "too much"}
    edit = {"verdict": "edit", "call": {"intent": "charge", "amount": 90}}
    write(CHARGE | {"answers": [stop, reject]}, CHARGE | {"answers": [edit]}, DONE)
    ran = play(action=Run(succeed, approvers=("bob", "eve")))
    assert "so the demo answers as eve: reject (too much)\n" in ran.stdout
    assert "bob edited and approved charge(amount=90)" in ran.stdout
    assert answers() == [("eve", "reject"), ("bob", "edit")]


def test_an_answer_of_the_script_is_for_the_wait_that_it_fits(play: Play) -> None:
    approve, red = {"verdict": "approve", "actor": "eve"}, {"verdict": "answer", "text": "red"}
    write(ASK | {"answers": [approve, red]}, DONE)
    ran = play(action=Ask("?", audience=("bob", "eve")))
    assert "so the demo answers as bob: answer (red)\n" in ran.stdout


def test_an_answer_that_is_not_allowed_ends_it(play: Play) -> None:
    write(CHARGE | {"answers": [{"verdict": "approve", "actor": "mallory"}]}, DONE)
    ran = play()
    assert (ran.exit_code, "mallory is not asked" in ran.stderr) == (1, True)


def test_a_wait_that_nobody_may_answer_ends_it(play: Play) -> None:
    write(ASK, DONE)
    ran = play(action=Ask("?", audience=()))
    assert (ran.exit_code, "nobody is named who may answer" in ran.stderr) == (1, True)


def test_an_approval_that_expires_at_once_does_not_stop_it(play: Play) -> None:
    write(CHARGE, DONE)
    assert play(action=Run(succeed, approvers=("bob",), expires_s=0)).exit_code == 0
    assert answers() == [("system", "expired")]


def test_it_notifies_nobody_outside(play: Play) -> None:
    write(CHARGE, DONE)
    outside = Shown()
    assert play(action=FOR_BOB, channel=outside).exit_code == 0
    assert outside.tried == []


# -- at a terminal ----------------------------------------------------------------------------


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Return somebody at the terminal of the demo, who has not typed anything yet."""
    person = Typist()
    person.interactive = True

    def sit_down(stream: TextIO) -> Typist:
        person._talk = stream
        return person

    monkeypatch.setattr(MODULE, "Screen", sit_down)
    return person


def test_a_person_answers_for_themselves_and_the_demo_for_others(
    play: Play, typist: Typist, world: World
) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        small = step == Charge(intent="charge", amount=9)
        return FOR_BOB if small else make_decide(world)(step, thread)

    write(CHARGE, SMALL, SLEEP, DONE)
    typist.lines.append("a")
    ran = play(decide=decide)
    assert ran.exit_code == 0
    assert len(typist.asked) == 1
    assert "bob is not at this terminal, so the demo answers as bob: approve" in ran.stdout
    assert "The demo does not wait for a timer, so the demo answers as cli:you: done" in ran.stdout
    assert answers() == [("cli:you", "approve"), ("bob", "approve"), ("cli:you", "done")]


def test_a_demo_that_was_stopped_is_continued(play: Play, typist: Typist) -> None:
    write(CHARGE, DONE)
    typist.lines.append("l")
    assert play().exit_code == 3
    typist.lines.append("a")
    assert play().exit_code == 0
    assert len(played()) == 1


def stop(play: Play, typist: Typist) -> None:
    write(CHARGE, DONE)
    typist.lines.append("l")
    assert play().exit_code == 3
    typist.interactive = False


def test_a_demo_is_not_continued_with_another_script(play: Play, typist: Typist) -> None:
    stop(play, typist)
    write(SMALL, DONE, task="charge them less")
    ran = play()
    assert (ran.exit_code, "bye\n" in ran.stdout) == (0, True)
    new, old = played()
    assert new.events[0].data["text"] == "charge them less"
    assert old.state.status == "waiting:approval"


def test_a_demo_of_long_ago_is_not_continued(
    play: Play, typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(play, typist)
    monkeypatch.setattr(MODULE, "RECENT", timedelta())
    assert play().exit_code == 0
    assert len(played()) == 2


def test_a_demo_is_not_continued_if_a_new_one_is_wanted(play: Play, typist: Typist) -> None:
    stop(play, typist)
    assert play("--new").exit_code == 0
    assert len(played()) == 2


# -- the file ---------------------------------------------------------------------------------


def test_without_a_script_there_is_no_demo(play: Play, desk: Desk) -> None:
    ran = play()
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "agent: there is no demo here, as there is no sample/AGENT/demo.jsonl\n"
    assert "demo" not in desk.agent("--help").stdout
    assert "demo" not in desk.agent("run", "hi").stderr  # MODEL is not set
    write(DONE)
    assert "\n  demo " in desk.agent("--help").stdout
    assert "`agent demo` runs without one" in desk.agent("run", "hi").stderr


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("other",), 1, "is for an agent that is not in app.py: 'other'"),
        (("nobody",), 2, "there is no demo of 'nobody'"),
        (("test",), 0, ""),
        ((), 0, ""),
    ],
)
def test_the_script_is_that_of_the_agent_or_is_named(
    words: tuple[str, ...], code: int, problem: str, play: Play
) -> None:
    write(DONE)
    write(DONE, path=Path("sample/other/demo.jsonl"))
    ran = play(*words)
    assert (ran.exit_code, problem in ran.stderr) == (code, True)


def test_of_several_agents_the_first_that_has_a_script_plays(desk: Desk) -> None:
    ports = build_ports(desk.store, Says(), desk.world)
    agents = {name: replace(ports.default, name=name) for name in ("none", "two", "one")}
    app = App(replace(ports, agents=agents), LocalRunner(ports))
    cli = build_commands(lambda _: app)
    for name in ("one", "two"):
        write(DONE, path=Path(f"sample/{name}/demo.jsonl"))
    first, named = (CliRunner().invoke(cli, ["demo", *words]).stdout for words in ((), ("one",)))
    assert "the script sample/two/demo.jsonl decides" in first
    assert "the script sample/one/demo.jsonl decides" in named
    assert "  agent run --agent one 'charge them'\n" in named
    assert [thread.state.agent for thread in played()] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'has to begin with a line {"task": "…"}'),
        ('{"step": {"intent": "done"}}', 'has to begin with a line {"task": "…"}'),
        ('{"task": " "}', 'has to begin with a line {"task": "…"}'),
        ('{"task": "x", "approver": "bob"}', 'has to begin with a line {"task": "…"}'),
        ('{"task": "x"}\n{"stop": 1}', "is not a"),
        ('{"task": "x"}\n{"step": {}, "answers": {}}', "`answers` is not a list: {}"),
        ('{"task": "x"}\n{"step": {}, "answers": [1]}', "1 is not an answer"),
        ('{"task": "x"}\n{"step": {}, "answers": [{"by": "ana"}]}', "is not an answer"),
        ("garbage", "line 1"),
    ],
)
def test_a_script_that_is_wrong_is_named(text: str, problem: str, play: Play) -> None:
    write()
    SCRIPT.write_text(text, "utf-8")
    ran = play()
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "sample/test/demo.jsonl" in ran.stderr
    assert problem in ran.stderr


def test_the_script_of_a_demo_is_one_of_a_scripted_model_too(desk: Desk) -> None:
    from agent.engine.llms.scripted import ScriptedLLM

    write(CHARGE | {"answers": [{"verdict": "approve"}]}, DONE)
    ports = build_ports(desk.store, ScriptedLLM.from_env(str(SCRIPT)), desk.world)
    cli = build_commands(lambda _: App(ports, LocalRunner(ports, poll_s=0.01)))
    ran = CliRunner().invoke(cli, ["run", "charge"], catch_exceptions=False)
    assert (ran.exit_code, desk.only().state.status) == (3, "waiting:approval")

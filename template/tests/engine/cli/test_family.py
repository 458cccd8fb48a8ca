"""Threads that one delegated to, as somebody at the terminal meets them."""

from pathlib import Path

import pytest

from agent.engine.cli.admin import export_threads, import_threads
from agent.engine.cli.dialog import ask_answer
from agent.engine.cli.talk import Talk
from agent.engine.log.thread import Thread
from agent.engine.people.poll import PollChannel
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..family import ASK, DONE, END, HAND, Family
from .conftest import Desk, Typist, now


@pytest.fixture
def family(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Family:
    family = Family(desk.store, desk.world, PollChannel())
    family.add("parent", HAND, END)
    family.add("child", ASK, DONE)
    monkeypatch.setattr(Desk, "bind", lambda *_: family.ports)
    return family


def talk(family: Family, *typed: str) -> Thread:
    app = App(family.ports, LocalRunner(family.ports, poll_s=0.01))
    return now(Talk(app, "ana", Typist(*typed), ask_answer).go_on(family.thread()))


def test_a_question_of_a_child_is_asked_at_the_terminal(
    family: Family, capsys: pytest.CaptureFixture[str]
) -> None:
    assert talk(family, "the left one").state.status == "finished"
    shown = capsys.readouterr()
    assert shown.out.strip() == "all done"
    assert "child, thread" in shown.err
    assert "Question: Which?" in shown.err


def test_a_question_of_a_child_may_be_left_for_later(family: Family) -> None:
    assert talk(family).state.status == "waiting:job"
    assert talk(family, "the left one").state.status == "finished"


def test_a_run_without_a_terminal_says_how_to_answer_the_child(desk: Desk, family: Family) -> None:
    ran = desk.agent("run", "--agent", "parent", "please")
    assert ran.exit_code == 3
    (child,) = [row.id for row in now(desk.store.threads()) if row.parent]
    assert f"agent answer {child[:8]}:3 'TEXT'" in ran.stderr


def test_children_are_listed_below_their_parent(desk: Desk, family: Family) -> None:
    now(family.start())
    (child,) = [row.id for row in now(desk.store.threads()) if row.parent]
    shown = desk.agent("threads", "--tree").stdout.splitlines()
    assert [line.split("  ")[0] for line in shown[1:]] == ["t", f"└─ {child[:8]}"]


def test_a_child_without_its_parent_in_the_list_stands_alone(desk: Desk, family: Family) -> None:
    now(family.start())
    now(family.said("the left one"))
    shown = desk.agent("threads", "--tree", "--limit", "1").stdout.splitlines()
    assert len(shown) == 2


def test_the_logs_of_both_name_each_other(desk: Desk, family: Family) -> None:
    now(family.start())
    (child,) = [row.id for row in now(desk.store.threads()) if row.parent]
    assert f"Delegated to: agent show {child[:8]}" in desk.agent("show", "t").stderr
    below = desk.agent("show", child).stderr
    assert "Delegated by: agent show t" in below


def test_a_family_is_moved_as_a_whole_and_goes_on(
    desk: Desk, family: Family, tmp_path: Path
) -> None:
    now(family.start())
    now(export_threads(desk.store, tmp_path / "all.jsonl"))
    moved = Family(MemoryStore(), desk.world, PollChannel())
    moved.add("parent", END)
    moved.add("child", DONE)

    async def move() -> Thread:
        lines = (tmp_path / "all.jsonl").read_text("utf-8").splitlines()
        assert await import_threads(moved.store, lines) == (2, 0)
        await moved.said("the left one")
        return await moved.settle()

    assert now(move()).state.status == "finished"

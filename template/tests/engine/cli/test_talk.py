"""Conversations with somebody at the terminal, and the words they are held in."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.characters import clean
from agent.engine.cli.dialog import ask_answer
from agent.engine.cli.talk import Talk, format_news
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Finish, Run
from agent.engine.loop.api import resume
from agent.engine.loop.clock import keep_time
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner

from ..conftest import Clock
from ..domain import make_message, make_pause, make_start, make_step, make_thread, rebind
from ..examples import given, settings, st
from ..play import logs
from .conftest import Desk, Typist, now

CALL = {"intent": "charge", "amount": 500}
DONE = {"intent": "done", "message": "bye"}


def talk(desk: Desk, typist: Typist) -> Thread:
    app = App(desk.plugged, LocalRunner(desk.plugged, poll_s=0.01))
    return now(Talk(app, "ana", typist, ask_answer).go_on(desk.thread()))


def verdicts(thread: Thread) -> list[dict[str, Any]]:
    return [each.data for each in thread.events if each.type == "resumed"]


@pytest.fixture
def charging(desk: Desk) -> Desk:
    desk.happened(make_message())
    desk.says(CALL, DONE)
    return desk


@pytest.mark.parametrize(
    ("typed", "charged"),
    [
        (["a"], ["500"]),
        (["approve"], ["500"]),
        (["", "what?", "APP"], ["500"]),
        (["e", "90", "y"], ["90"]),
        (["e", "", "y"], ["500"]),
        (["e", "90", "n", "a"], ["500"]),
        (["r", "too much"], []),
    ],
)
def test_an_approval_is_given_at_the_terminal(
    charging: Desk, typed: list[str], charged: list[str]
) -> None:
    thread = talk(charging, Typist(*typed))
    assert thread.state.ended == "finished"
    assert charging.world.effects("charge") == charged


def test_a_reason_goes_with_a_rejection(charging: Desk) -> None:
    (data,) = verdicts(talk(charging, Typist("r", "too much")))
    assert (data["verdict"], data["text"]) == ("reject", "too much")


@pytest.mark.parametrize("typed", [["l"], []])
def test_an_approval_may_be_left_for_later(charging: Desk, typed: list[str]) -> None:
    thread = talk(charging, Typist(*typed))
    assert thread.state.status == "waiting:approval"


def test_an_edit_that_is_not_valid_is_asked_again(
    charging: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    talk(charging, Typist("e", "lots", "e", "90", "y"))
    assert "Not accepted: the edited call is not valid" in capsys.readouterr().err
    assert charging.world.effects("charge") == ["90"]


@pytest.mark.parametrize(
    ("options", "asked", "typed", "text"),
    [
        ({}, "Answer, or Enter to leave it open:", "blue", "blue"),
        ({"format": "yes_no"}, "Answer (yes or no), or Enter to leave it open:", "Y", "yes"),
        (
            {"format": "multiple_choice", "choices": ["red", "blue"]},
            "Answer (1 to 2 or your own words), or Enter to leave it open:",
            "2",
            "blue",
        ),
    ],
)
def test_a_question_is_answered_at_the_terminal(
    desk: Desk, options: dict[str, Any], asked: str, typed: str, text: str
) -> None:
    desk.happened(
        make_message(),
        make_step("ask_person", question="which?"),
        make_pause("question", options=options),
    )
    desk.says(DONE)
    typist = Typist(typed)
    (data,) = verdicts(talk(desk, typist))
    assert (typist.asked, data["text"]) == ([asked], text)


@pytest.mark.parametrize(
    ("kind", "menu", "typed", "status"),
    [
        ("limit", "[c]ontinue, [s]top, [l]ater:", "s", "cancelled"),
        ("limit", "[c]ontinue, [s]top, [l]ater:", "c", "finished"),
        ("in_doubt", "[a]bort, [h]appened, [r]etry, [l]ater:", "h", "finished"),
        ("job", "[d]one, [f]ailed, [l]ater:", "d", "finished"),
    ],
)
def test_every_kind_of_wait_has_its_words(
    desk: Desk, kind: str, menu: str, typed: str, status: str
) -> None:
    desk.happened(make_message(), make_step("charge", amount=5), make_pause(kind, call=CALL))
    desk.says(DONE)
    typist = Typist(typed)
    assert talk(desk, typist).state.status == status
    assert typist.asked == [menu]


class Slow(Typist):
    """Somebody who is asked and does not answer, while `meanwhile` happens."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def ask(self, question: str) -> str | None:
        await self.meanwhile()
        await asyncio.Event().wait()
        return None


def test_an_answer_given_elsewhere_ends_the_question_here(
    charging: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    async def elsewhere() -> None:
        wait = (await charging.store.load("t")).state.wait
        assert wait
        shown = wait.data["digest"]
        await resume(charging.plugged, "t", wait.seq, "approve", actor="ana", digest=shown)

    assert talk(charging, Slow(elsewhere)).state.ended == "finished"
    assert charging.world.effects("charge") == ["500"]
    assert "· ana approved charge" in capsys.readouterr().err


def test_a_question_ends_when_its_time_is_over(
    charging: Desk, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def hours_pass() -> None:
        clock.tick(7200)

    assert talk(charging, Slow(hours_pass)).state.ended == "finished"
    assert charging.world.effects("charge") == []
    assert (
        "· system closed the approval request because nobody answered in time"
        in capsys.readouterr().err
    )


def test_who_is_not_asked_waits_for_those_who_are(desk: Desk) -> None:
    desk.happened(
        make_message(), make_step("ask_person", question="?"), make_pause("question", "bob")
    )
    desk.says(DONE)
    typist = Typist("never asked")

    async def both() -> Thread:
        app = App(desk.plugged, LocalRunner(desk.plugged, poll_s=0.01))
        talking = asyncio.create_task(Talk(app, "ana", typist, ask_answer).go_on(desk_thread))
        await asyncio.sleep(0)
        await resume(desk.plugged, "t", 3, "answer", actor="bob", text="mine")
        return await talking

    desk_thread = desk.thread()
    assert asyncio.run(both()).state.ended == "finished"
    assert typist.asked == []


def test_who_is_asked_once_the_time_is_over_is_shown_as_such(
    desk: Desk, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        if step.intent == "done":
            return Finish(step.message)
        run = Run(lambda *_: "charged", title="Charge 500 EUR", approvers=("owner",))
        return replace(run, expires_s=3600, remind_s=60, escalate=("bob",))

    desk.happened(make_message())
    desk.says(CALL, DONE)
    ports = rebind(desk.plugged, decide=decide)

    async def time_passes() -> None:
        clock.tick(61)
        await keep_time(ports, await desk.store.load("t"))
        clock.tick(7200)

    async def both() -> Thread:
        app = App(ports, LocalRunner(ports, poll_s=0.01))
        talking = asyncio.create_task(
            Talk(app, "ana", Slow(time_passes), ask_answer).go_on(desk_thread)
        )
        state = desk_thread.state
        while not (state.escalated and state.wait):
            await asyncio.sleep(0.01)
            state = (await desk.store.load("t")).state
        while "May answer: bob\n" not in printed[-1]:
            await asyncio.sleep(0.01)
            printed.append(printed[-1] + capsys.readouterr().err)
        wait = state.wait
        shown = wait.data["digest"]
        await resume(ports, "t", wait.seq, "approve", actor="bob", digest=shown)
        return await talking

    desk_thread, printed = desk.thread(), [""]
    assert asyncio.run(both()).state.ended == "finished"
    shown = printed[-1] + capsys.readouterr().err
    first, then = shown.split("· system closed the approval request because")
    assert "Approval: Charge 500 EUR\n    charge\n      amount: 500\n    May answer: you\n" in first
    assert "then bob will be asked\n" in first
    assert "May answer: bob\n" in then
    assert "· bob approved charge" in then


def test_a_reminder_is_news() -> None:
    reminded = make_event("reminded", "system", wait=3)
    thread = make_thread(make_message(), make_step("charge"), make_pause("approval"), reminded)
    said = "  · system reminded people of the approval request"
    assert format_news(thread, reminded, "ana") == (said, "dim")


def test_a_timer_runs_out_at_the_terminal(desk: Desk, clock: Clock) -> None:
    desk.happened(make_message())
    desk.says({"intent": "sleep", "seconds": 60}, DONE)

    async def both() -> Thread:
        app = App(desk.plugged, LocalRunner(desk.plugged, poll_s=0.01))
        talking = asyncio.create_task(Talk(app, "ana", Typist(), ask_answer).go_on(thread))
        while not (await desk.store.load("t")).state.wait:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        clock.tick(61)
        return await talking

    thread = desk.thread()
    assert asyncio.run(both()).state.ended == "finished"


def test_a_thread_that_somebody_holds_is_waited_for_and_that_is_said(
    desk: Desk, capsys: pytest.CaptureFixture[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.engine.cli.talk._QUIET_S", 0.001)
    desk.happened(make_message())
    desk.says(DONE)
    now(desk.store.claim("somebody", 15, "t"))

    class Impatient(Typist):
        def say(self, text: str = "", style: str = "") -> None:
            super().say(text, style)
            clock.tick(16)

    assert talk(desk, Impatient()).state.ended == "finished"
    assert "Another process runs this thread" in capsys.readouterr().err


def test_a_slow_step_is_no_other_process(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow() -> dict[str, str]:
        await asyncio.sleep(0.1)
        return DONE

    monkeypatch.setattr("agent.engine.cli.talk._QUIET_S", 0.001)
    desk.happened(make_message())
    desk.says({"intent": "look", "at": "x"}, lambda: _as_text(slow()))
    talk(desk, Typist())
    assert "Another process" not in capsys.readouterr().err


async def _as_text(call: Awaitable[dict[str, str]]) -> str:
    return json.dumps({"next_step": await call})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9 \u4e16 \U0001f600", "plain \u00e9 \u4e16 \U0001f600"),
        ("two\r\nlines", "two\nlines"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b2J", "\\x9b2J"),
        ("over\rwritten\x08\x07", "over\\rwritten\\x08\\x07"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_shown_steers_nothing(text: str) -> None:
    shown = clean(text)
    assert all(char.isprintable() or char in "\n\u200c\u200d" for char in shown)
    shown.encode()


@settings(max_examples=30, deadline=None)
@given(logs())
def test_every_log_can_be_followed(thread: Thread) -> None:
    seen = Thread(thread.id)
    for each in thread.events:
        seen = seen.plus(each)
        assert "\n" not in format_news(seen, each, "ana")[0]


def test_a_second_start_is_named_as_one() -> None:
    first = make_thread(make_message(), make_step("look", at="x"), make_start(2))
    assert format_news(first, first.events[-1], "ana")[0] == '  ▸ look(at="x")'
    again = make_thread(make_message(), make_step("look", at="x"), make_start(2), make_start(2))
    assert format_news(again, again.events[-1], "ana")[0].endswith(
        "(again: the last run reported no result)"
    )

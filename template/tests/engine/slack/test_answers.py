"""Buttons and lists that people press in Slack close the wait they belong to, once."""

import asyncio
import json
from typing import Any, Literal

import pytest

from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import Unavailable
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Ask, Finish, Run
from agent.engine.loop.api import resume
from agent.engine.loop.clock import keep_time
from agent.engine.loop.steps import Step
from agent.engine.slack.blocks import build_wait

from ..conftest import Clock
from ..domain import AskPerson, Done, World, make_decide, make_message, make_pause
from .office import (
    Open,
    find_wait,
    read_blocks,
    read_thread_id,
    store_waiting,
)
from .reading import find_code, list_labels

CHARGE = {"intent": "charge", "amount": 500}
ASK = {"intent": "ask_person", "question": "which?"}
DONE = {"intent": "done", "message": "all done"}


async def test_one_button_approves_and_the_message_says_who_pressed_it(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    assert (await office.press("U1", "Approve and run", shown)).status_code == 200
    assert "Approved by <@U1>" in read_blocks(shown)
    thread = await office.settle(thread.id)
    assert world.effects("charge") == ["500"]
    assert [m["text"] for m in office.slack.ours("C1")][1:] == ["all done"]
    assert "Approve by" not in read_blocks(shown)
    assert office.slack.whispers == []


DEPLOY = {"intent": "deploy", "where": "`prod`", "tag": "v1"}
SCOPE = r'```every deploy with where: "\u0060prod\u0060"```'


class Deploy(Step):
    intent: Literal["deploy"]
    where: str
    tag: str


def decide_deploy(step: Any, thread: Thread) -> Any:
    if not isinstance(step, Deploy):
        return Finish(step.message)
    return Run(lambda step, call: step.tag, approvers=("owner",), standing=("where",))


@pytest.mark.parametrize(
    ("label", "asked"), [("Approve for this thread", 1), ("Approve and run", 2)]
)
async def test_an_approval_for_the_thread_covers_the_scope_that_was_shown(
    label: str, asked: int, open_office: Open
) -> None:
    replies = (DEPLOY, DEPLOY | {"tag": "v2"}, DONE)
    office = open_office(*replies, steps=JsonSteps(Deploy | Done), decide=decide_deploy)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    assert find_code(shown["blocks"])[1] == SCOPE
    await office.press("U1", label, shown)
    thread = await office.settle(thread.id)
    assert len([each for each in thread.events if each.type == "paused"]) == asked
    for_thread = "*Approved for this thread by <@U1>*" in read_blocks(shown)
    assert for_thread == (asked == 1)
    assert (SCOPE in find_code(shown["blocks"])) == for_thread


def test_a_scope_that_is_too_long_to_be_shown_cannot_be_approved() -> None:
    call = {"intent": "deploy", "where": "x" * 2_900}
    scoped = make_pause("approval", call=call, standing={"where": call["where"]})
    for wait, offered in ((scoped, True), (make_pause("approval", call=call), False)):
        assert ("Approve for this thread" in list_labels(build_wait("t", wait, []))) == offered
    call = {"intent": "d", "w": "x" * 2_983}
    wait = make_pause("approval", call=call, standing={"w": call["w"]})
    blocks = build_wait("t", wait, [])
    assert list_labels(blocks) == ["Approve and run", "Reject…", "Edit…"]
    assert len(find_code(blocks)) == 1


async def test_whoever_presses_second_is_told_who_was_first(open_office: Open) -> None:
    office = open_office(DONE)
    shown = dict(await store_waiting(office, make_pause("limit", "ana", "bob")))
    await asyncio.gather(office.press("U1", "Go on", shown), office.press("U2", "Stop here", shown))
    (whisper,) = office.slack.whispers
    thread = await office.settle(read_thread_id(shown))
    (answer,) = [each for each in thread.events if each.type == "resumed"]
    winner, loser = ("U1", "U2") if answer.actor == "ana" else ("U2", "U1")
    assert whisper["user"] == loser
    assert f"by <@{winner}>" in whisper["text"]
    assert f"by <@{winner}>" in read_blocks(office.slack.ours("C1")[0])


async def test_a_button_pressed_twice_counts_once(open_office: Open, world: World) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    shown = dict(office.slack.ours("C1")[0])
    await asyncio.gather(*[office.press("U1", "Approve and run", shown) for _ in range(2)])
    await office.settle(thread.id)
    await office.press("U1", "Approve and run", shown)
    assert world.effects("charge") == ["500"]
    assert office.slack.whispers == [], "each press is answered as the first one was"
    assert "Approved by <@U1>" in read_blocks(office.slack.ours("C1")[0])


async def test_a_wait_answered_in_the_terminal_and_in_slack_at_once_is_answered_once(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    shown, wait = office.slack.ours("C1")[0], find_wait(thread)
    terminal = resume(
        office.ports,
        thread.id,
        wait.seq,
        "reject",
        actor="ana",
        text="no",
        digest=wait.data["digest"],
    )
    pressed = office.press("U1", "Approve and run", shown)
    await asyncio.gather(terminal, pressed, return_exceptions=True)
    thread = await office.settle(thread.id)
    (answer,) = [each for each in thread.events if each.type == "resumed"]
    assert len(world.effects("charge")) == (answer.data["verdict"] == "approve")
    verdicts = {"approve": "Approved by <@U1>", "reject": "Rejected by <@U1>"}
    assert verdicts[answer.data["verdict"]] in read_blocks(shown)


async def test_a_wait_answered_elsewhere_loses_its_buttons(open_office: Open) -> None:
    office = open_office(DONE)
    shown = await store_waiting(office, make_pause("limit", "ana"))
    before = dict(shown)
    await resume(office.ports, read_thread_id(shown), 2, "stop", actor="ana")
    await office.settle(read_thread_id(shown))
    assert "Stopped by <@U1>" in read_blocks(shown)
    assert "actions" not in read_blocks(shown)
    await office.press("U1", "Go on", before)
    assert "Stopped by <@U1>" in office.slack.whispers[0]["text"]


async def test_an_answer_after_expiry_is_refused(open_office: Open, clock: Clock) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    clock.tick(3601)
    await office.press("U1", "Approve and run", dict(shown))
    assert "Expired" in office.slack.whispers[0]["text"]
    assert "Expired" in read_blocks(shown)
    assert (await office.settle(thread.id)).state.status == "finished"


@pytest.mark.parametrize("pressed", [0, 1])
async def test_a_reminder_has_the_same_buttons_and_is_closed_with_the_first_message(
    pressed: int, open_office: Open, clock: Clock
) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        return (
            Ask("which?", format="yes_no", remind_s=60) if thread_is_new(thread) else Finish("ok")
        )

    def thread_is_new(thread: Thread) -> bool:
        return all(each.type != "resumed" for each in thread.events)

    office = open_office(ASK, DONE, decide=decide)
    thread = await office.mention()
    clock.tick(61)
    await keep_time(office.ports, thread)
    await office.settle(thread.id)
    first, again = office.slack.ours("C1")
    assert "*Question*" in read_blocks(first)
    assert "*Reminder: Question*" in read_blocks(again)
    await office.press("U2", "Yes", (first, again)[pressed])
    await office.settle(thread.id)
    for message in (first, again):
        assert "Answered by <@U2>" in read_blocks(message)
        assert "actions" not in read_blocks(message)


@pytest.mark.parametrize(
    ("user", "team", "problem"),
    [
        ("U2", "T1", "bob is not asked; ana may answer"),
        ("U5", "T1", "slack:U5 is not asked; ana may answer"),
        ("U1", "T2", None),
    ],
)
@pytest.mark.parametrize("label", ["Approve and run", "Reject…", "Edit…"])
async def test_whoever_is_not_in_the_audience_is_told_so_and_changes_nothing(
    user: str, team: str, problem: str | None, label: str, open_office: Open
) -> None:
    office = open_office(CHARGE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    assert (await office.press(user, label, shown, team)).status_code == 200
    assert (await office.ports.store.load(thread.id)).state.status == "waiting:approval"
    assert office.slack.views == []
    if problem is None:
        assert office.slack.whispers == []
    else:
        (whisper,) = office.slack.whispers
        assert (whisper["user"], whisper["thread_ts"]) == (user, shown["thread_ts"])
        assert problem in whisper["text"]


async def test_one_name_stands_for_a_person_in_the_terminal_and_in_slack(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention(user="U1")
    digest = find_wait(thread).data["digest"]
    await resume(
        office.ports, thread.id, find_wait(thread).seq, "approve", actor="ana", digest=digest
    )
    await office.settle(thread.id)
    assert world.effects("charge") == ["500"]
    assert "Approved by <@U1>" in read_blocks(office.slack.ours("C1")[0])


async def test_a_question_from_elsewhere_is_answered_in_a_direct_message(open_office: Open) -> None:
    office = open_office(DONE)
    await office.ports.store.append(
        Thread("t"), make_message(actor="ana", reply_to="poll:"), make_pause("limit", "bob")
    )
    await office.settle("t")
    (shown,) = office.slack.ours("D2")
    await office.press("U2", "Go on", shown)
    (answer,) = [e for e in (await office.settle("t")).events if e.type == "resumed"]
    assert answer.actor == "bob"
    assert "Continued by <@U2>" in read_blocks(shown)
    assert office.slack.channels["C1"] == []  # ana started it elsewhere, and follows it there


async def test_a_button_of_a_missing_thread_says_so(open_office: Open) -> None:
    office = open_office()
    shown = await store_waiting(office, make_pause("limit", "ana"))
    gone = json.loads(json.dumps(shown).replace(read_thread_id(shown), "gone"))
    assert (await office.press("U1", "Stop here", gone)).status_code == 200
    assert "there is no thread 'gone'" in office.slack.whispers[0]["text"]


async def test_a_button_works_again_after_the_store_was_unavailable(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    shown = await store_waiting(office, make_pause("limit", "ana"))

    async def away(*_: object) -> Thread:
        raise Unavailable("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(office.ports.store, "load", away)
        assert (await office.press("U1", "Stop here", shown)).status_code == 503
    assert (await office.press("U1", "Stop here", shown)).status_code == 200
    assert (await office.settle(read_thread_id(shown))).state.status == "cancelled"


COLOURS = [f"colour {number} " + "x" * 80 for number in range(8)]


QUESTIONS: list[tuple[dict[str, Any], str, str | None, str]] = [
    ({"format": "yes_no"}, "No", None, "no"),
    ({"format": "yes_no"}, "Other…", "maybe", "maybe"),
    ({"format": "multiple_choice", "choices": ("red", "<b>")}, "<b>", None, "<b>"),
    (
        {"format": "multiple_choice", "choices": tuple(COLOURS)},
        COLOURS[7][:74] + "…",
        None,
        COLOURS[7],
    ),
    ({}, "Answer…", "as you like & more", "as you like & more"),
]


@pytest.mark.parametrize(("options", "label", "typed", "answer"), QUESTIONS)
async def test_a_button_a_list_or_a_form_answers_a_question(
    options: dict[str, Any],
    label: str,
    typed: str | None,
    answer: str,
    open_office: Open,
    world: World,
) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        asks = isinstance(step, AskPerson)
        return Ask(step.question, **options) if asks else usual(step, thread)

    usual = make_decide(world)
    office = open_office(ASK, DONE, decide=decide)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U5", label, shown)
    if typed is not None:
        assert await office.fill_in("U5", office.slack.views[0], **{"Your answer": typed}) == {}
    (answered,) = [e for e in (await office.settle(thread.id)).events if e.type == "resumed"]
    assert (answered.actor, answered.data["text"]) == ("slack:U5", answer)

"""People in Slack talk to the agent and answer it, whatever Slack, they or the network do."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.engine.log.errors import Misconfigured, Unavailable
from agent.engine.log.events import Event, event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Ask
from agent.engine.loop.api import resume
from agent.engine.people.poll import PollChannel
from agent.engine.people.routing import Routing
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.slack import errands, served
from agent.engine.slack.channel import SlackChannel
from agent.engine.slack.client import Slack
from agent.engine.slack.forms import form
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import AskPerson, Says, World, decide_in, paused, ports_of, said, types
from .office import SECRET, Office, conversation, happened, quiet, signed, wait_in
from .rules import view_faults
from .server import APP_TOKEN, TOKEN, Message, SlackServer, limited

PEOPLE = """
[ana]
cli = "ana"
slack = "U1"

[bob]
cli = "bob"
slack = "U2"
"""
CHARGE = {"intent": "charge", "amount": 500}
ASK = {"intent": "ask_person", "question": "which?"}
VERIFICATION = {"type": "url_verification", "challenge": "c7"}
DONE = {"intent": "done", "message": "all done"}

Open = Callable[..., Office]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "people.toml").write_text(PEOPLE)
    monkeypatch.setenv("PEOPLE_FILE", str(tmp_path / "people.toml"))
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", SECRET)
    monkeypatch.delenv("SLACK_APP_TOKEN", raising=False)


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlackServer]:
    server = SlackServer()
    async with server.running():
        monkeypatch.setenv("SLACK_API_URL", server.url)
        yield server


@pytest.fixture
def open_office(slack: SlackServer, store: MemoryStore, world: World) -> Open:
    """`open_office(*replies)`: the agent will say them; `decide=` changes its switch."""

    def made(*replies: Any, **changes: Any) -> Office:
        routing = Routing({"slack": SlackChannel(Slack(TOKEN, slack.url)), "poll": PollChannel()})
        return Office(slack, ports_of(store, Says(*replies), world, notifier=routing, **changes))

    return made


async def waiting(office: Office, *log: Event) -> Message:
    """Store a thread that ana began in C1 and that waits; return the message that shows it."""
    root = office.slack.says("C1", "hello")
    first = said("hello", reply_to=f"slack:C1/{root['ts']}")
    thread_id = conversation(root["ts"])
    await office.ports.store.append(Thread(thread_id), first, *log)
    await office.settle(thread_id)
    return office.slack.ours("C1")[-1]


def about(message: Message) -> str:
    """Return the id of the thread that a message of ours is about."""
    return str(message["metadata"]["event_payload"]["thread"])


def read(message: Message) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


# What people write


async def test_a_mention_begins_a_thread_that_is_answered_where_it_was_asked(
    open_office: Open,
) -> None:
    office = open_office(DONE)
    thread = await office.mention("what is &lt;new&gt;, <@U2>?")
    first = thread.events[0]
    root = office.slack.channels["C1"][0]["ts"]
    assert (first.data["text"], first.actor) == ("what is <new>, @bob?", "ana")
    assert (first.data["source"], first.key) == ("slack", f"in:slack:C1:{root}")
    (answer,) = office.slack.ours("C1")
    assert (answer["thread_ts"], answer["text"]) == (root, "all done")


async def test_replies_in_the_slack_thread_go_on_and_other_talk_is_not_heard(
    open_office: Open,
) -> None:
    office = open_office(*[DONE] * 4)
    thread = await office.mention()
    root = thread.state.reply_to.partition("/")[2]
    assert await office.hear(office.slack.says("C1", "and now?", "U2", thread_ts=root)) == 200
    assert await office.hear(office.slack.says("C1", "lunch?")) == 200
    elsewhere = office.slack.says("C1", "lunch?")["ts"]
    assert await office.hear(office.slack.says("C1", "yes!", thread_ts=elsewhere)) == 200
    thread = await office.settle(thread.id)
    heard = [(e.actor, e.data["text"]) for e in thread.events if e.type == "message"]
    assert heard == [("ana", "charge"), ("bob", "and now?")]
    assert len(await office.ports.store.threads()) == 1
    # A mention in a thread of people: from then on the agent has part in it.
    asked = await office.mention("help us", "U3", thread_ts=elsewhere)
    assert await office.hear(office.slack.says("C1", "thanks", thread_ts=elsewhere)) == 200
    texts = [e.data["text"] for e in (await office.settle(asked.id)).events if e.type == "message"]
    assert texts == ["help us", "thanks"]


async def test_a_direct_message_begins_a_thread_without_a_mention(open_office: Open) -> None:
    office = open_office(DONE, DONE)
    message = office.slack.says("D5", "hello", "U5")
    assert await office.hear(message, "D5") == 200
    assert (
        await office.hear(office.slack.says("D5", "more", "U5", thread_ts=message["ts"]), "D5")
        == 200
    )
    (summary,) = await office.ports.store.threads()
    thread = await office.settle(summary.id)
    assert [e.actor for e in thread.events if e.type == "message"] == ["slack:U5", "slack:U5"]


@pytest.mark.parametrize(
    ("kind", "changes", "outer"),
    [
        ("message", {"bot_id": "B7"}, {}),
        ("message", {"user": "UBOT", "bot_id": "B1"}, {}),
        ("message", {"subtype": "message_changed", "message": {"text": "x"}}, {}),
        ("message", {"subtype": "channel_join"}, {}),
        ("message", {"subtype": "bot_message", "user": None}, {}),
        ("app_mention", {"edited": {"user": "U1", "ts": "1.0"}}, {}),
        ("app_mention", {"user_team": "T2"}, {}),
        ("app_mention", {"team": "T2", "source_team": "T2"}, {}),
        ("app_mention", {}, {"team_id": "T2"}),
        ("app_mention", {"user": None}, {}),
        ("app_mention", {"ts": None}, {}),
        ("reaction_added", {}, {}),
    ],
)
async def test_bots_edits_joins_and_other_workspaces_are_ignored(
    kind: str, changes: dict[str, Any], outer: dict[str, Any], open_office: Open
) -> None:
    office = open_office()
    message = office.slack.says("D1", "<@UBOT> hello")
    status = await office.hear({**message, **changes}, "D1", kind, **outer)
    assert status == (404 if kind == "reaction_added" else 200)
    assert await office.ports.store.threads() == []


async def test_files_are_named_and_not_read(open_office: Open) -> None:
    office = open_office()
    shared: dict[str, Any] = {"subtype": "file_share", "files": [{"name": "a.pdf"}]}
    await office.hear(office.slack.says("D1", "look", **shared), "D1")
    (summary,) = await office.ports.store.threads()
    text = (await office.ports.store.load(summary.id)).events[0].data["text"]
    assert text == "look\n[attached, not read: a.pdf]"


async def test_one_message_under_two_event_ids_and_again_is_one_message(open_office: Open) -> None:
    office = open_office(DONE)
    message = office.slack.says("C1", "<@UBOT> hello")
    again = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    events = [happened(message, "C1", "app_mention", event_id=f"Ev{n}") for n in "123"]
    mentioned = await asyncio.gather(*[office.post(each, **again) for each in events])
    assert await office.hear(message) == 200  # Slack sends a mention as a message, too
    (summary,) = await office.ports.store.threads()
    thread = await office.settle(summary.id)
    assert await office.hear(message, kind="app_mention") == 200
    assert [answer.status_code for answer in mentioned] == [200] * 3
    assert types(await office.settle(thread.id)).count("message") == 1


async def test_what_could_not_be_recorded_is_recorded_when_slack_sends_it_again(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(DONE)
    message = office.slack.says("C1", "<@UBOT> hello")

    async def away(*_: object) -> Thread:
        raise Unavailable("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("agent.engine.loop.record.PATIENCE_S", 0)
        patch.setattr(office.ports.store, "append", away)
        assert await office.hear(message, kind="app_mention") == 503
    assert await office.hear(message, kind="app_mention") == 200
    (summary,) = await office.ports.store.threads()
    assert (await office.settle(summary.id)).state.status == "finished"


@pytest.mark.parametrize(("where", "name"), [(MemoryStore, "append"), (Slack, "me")])
async def test_slack_is_answered_in_time_even_if_the_store_or_slack_is_slow(
    where: type, name: str, open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    message, goes_on = office.slack.says("C1", "<@UBOT> hello"), asyncio.Event()
    work = getattr(where, name)

    async def slow(*given: Any) -> Any:
        await goes_on.wait()
        return await work(*given)

    monkeypatch.setattr(where, name, slow)
    monkeypatch.setattr(errands, "ACK_S", 0.05)
    assert await office.hear(message, kind="app_mention") == 503
    goes_on.set()
    monkeypatch.setattr(errands, "ACK_S", 2.5)
    assert await office.hear(message, kind="app_mention") == 200
    (summary,) = await office.ports.store.threads()
    assert summary.version == 1


@pytest.mark.parametrize(
    "problem",
    [
        limited(1),
        web.json_response({"ok": False, "error": "fatal_error"}),
        web.Response(status=500),
    ],
)
async def test_nothing_is_acknowledged_while_slack_does_not_say_who_the_agent_is(
    problem: web.Response, open_office: Open
) -> None:
    office = open_office()
    message = office.slack.says("C1", "<@UBOT> hello")
    office.slack.answers_next["auth.test"] = [problem]
    assert await office.hear(message, kind="app_mention") == 503
    assert await office.hear(message, kind="app_mention") == 200
    assert len(await office.ports.store.threads()) == 1


# Who may post


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Slack_Signature": "v0=" + "0" * 64},
        {"X_Slack_Signature": ""},
        {"X_Slack_Request_Timestamp": ""},
        {"X_Slack_Request_Timestamp": "soon"},
        {"X_Slack_Request_Timestamp": str(int(time.time()) - 301)},
        {"X_Slack_Request_Timestamp": str(int(time.time()) + 301)},
    ],
)
@pytest.mark.parametrize("ssl_check", ["0", "1"])
async def test_what_slack_did_not_sign_just_now_is_refused(
    headers: dict[str, str], ssl_check: str, open_office: Open
) -> None:
    office = open_office()
    message = office.slack.says("C1", "<@UBOT> hello")
    body = happened(message, "C1", "app_mention", ssl_check=ssl_check)
    assert (await office.post(body, **headers)).status_code == 401
    assert await office.ports.store.threads() == []
    assert office.slack.calls == []


async def test_an_old_request_is_refused_though_its_signature_is_good(open_office: Open) -> None:
    _, headers = signed(VERIFICATION, int(time.time()) - 301)
    old = {name.replace("-", "_"): value for name, value in headers.items()}
    assert (await open_office().post(VERIFICATION, **old)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"\xff\xfe", 401), (b"{", 400), (b"payload=%7B", 400), (b"", 404), (b"{}", 404)],
)
async def test_what_is_no_request_of_slack_is_refused(
    body: bytes, status: int, open_office: Open
) -> None:
    answer = await open_office().post(body)
    assert answer.status_code == status


async def test_slack_can_verify_the_address(open_office: Open) -> None:
    answer = await open_office().post(VERIFICATION)
    assert (answer.status_code, answer.text) == (200, '{"challenge": "c7"}')


# What people press


async def test_an_approval_is_one_button_and_everybody_sees_who_pressed_it(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    assert (await office.press("U1", "Approve", shown)).status_code == 200
    assert "Approved by <@U1>" in read(shown)
    thread = await office.settle(thread.id)
    assert world.effects("charge") == ["500"]
    assert [m["text"] for m in office.slack.ours("C1")][1:] == ["all done"]
    assert "Approve by" not in read(shown)
    assert office.slack.whispers == []


async def test_the_second_of_two_people_reads_who_was_first(open_office: Open) -> None:
    office = open_office(DONE)
    shown = dict(await waiting(office, paused("limit", "ana", "bob")))
    await asyncio.gather(office.press("U1", "Continue", shown), office.press("U2", "Stop", shown))
    (whisper,) = office.slack.whispers
    thread = await office.settle(about(shown))
    (answer,) = [each for each in thread.events if each.type == "resumed"]
    winner, loser = ("U1", "U2") if answer.actor == "ana" else ("U2", "U1")
    assert whisper["user"] == loser
    assert f"by <@{winner}>" in whisper["text"]
    assert f"by <@{winner}>" in read(office.slack.ours("C1")[0])


async def test_a_button_pressed_twice_counts_once(open_office: Open, world: World) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    shown = dict(office.slack.ours("C1")[0])
    await asyncio.gather(*[office.press("U1", "Approve", shown) for _ in range(2)])
    await office.settle(thread.id)
    await office.press("U1", "Approve", shown)
    assert world.effects("charge") == ["500"]
    assert ["Approved by <@U1>" in each["text"] for each in office.slack.whispers] == [True] * 2


async def test_one_wait_answered_in_the_terminal_and_in_slack_is_answered_once(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    shown, wait = office.slack.ours("C1")[0], wait_in(thread)
    terminal = resume(
        office.ports,
        thread.id,
        wait.seq,
        "reject",
        actor="ana",
        text="no",
        digest=wait.data["digest"],
    )
    pressed = office.press("U1", "Approve", shown)
    await asyncio.gather(terminal, pressed, return_exceptions=True)
    thread = await office.settle(thread.id)
    (answer,) = [each for each in thread.events if each.type == "resumed"]
    assert len(world.effects("charge")) == (answer.data["verdict"] == "approve")
    verdicts = {"approve": "Approved by <@U1>", "reject": "Rejected by <@U1>"}
    assert verdicts[answer.data["verdict"]] in read(shown)


async def test_what_was_answered_elsewhere_cannot_be_pressed_any_more(open_office: Open) -> None:
    office = open_office(DONE)
    shown = await waiting(office, paused("limit", "ana"))
    before = dict(shown)
    await resume(office.ports, about(shown), 2, "stop", actor="ana")
    await office.settle(about(shown))
    assert "Stopped by <@U1>" in read(shown)
    assert "actions" not in read(shown)
    await office.press("U1", "Continue", before)
    assert "Stopped by <@U1>" in office.slack.whispers[0]["text"]


async def test_an_answer_after_its_time_is_refused(open_office: Open, clock: Clock) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    clock.tick(3601)
    await office.press("U1", "Approve", dict(shown))
    assert "Expired" in office.slack.whispers[0]["text"]
    assert "Expired" in read(shown)
    assert (await office.settle(thread.id)).state.status == "finished"


@pytest.mark.parametrize(
    ("user", "team", "told"),
    [
        ("U2", "T1", "bob is not asked; ana may answer"),
        ("U5", "T1", "slack:U5 is not asked; ana may answer"),
        ("U1", "T2", None),
    ],
)
@pytest.mark.parametrize("label", ["Approve", "Reject…", "Edit…"])
async def test_who_is_not_asked_is_told_so_and_changes_nothing(
    user: str, team: str, told: str | None, label: str, open_office: Open
) -> None:
    office = open_office(CHARGE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    assert (await office.press(user, label, shown, team)).status_code == 200
    assert (await office.ports.store.load(thread.id)).state.status == "waiting:approval"
    assert office.slack.views == []
    if told is None:
        assert office.slack.whispers == []
    else:
        (whisper,) = office.slack.whispers
        assert (whisper["user"], whisper["thread_ts"]) == (user, shown["thread_ts"])
        assert told in whisper["text"]


async def test_somebody_is_one_person_in_the_terminal_and_in_slack(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention(user="U1")
    digest = wait_in(thread).data["digest"]
    await resume(
        office.ports, thread.id, wait_in(thread).seq, "approve", actor="ana", digest=digest
    )
    await office.settle(thread.id)
    assert world.effects("charge") == ["500"]
    assert "Approved by <@U1>" in read(office.slack.ours("C1")[0])


async def test_who_is_asked_from_elsewhere_answers_in_a_direct_message(open_office: Open) -> None:
    office = open_office(DONE)
    await office.ports.store.append(Thread("t"), said(actor="ana"), paused("limit", "bob"))
    await office.settle("t")
    (shown,) = office.slack.ours("D2")
    await office.press("U2", "Continue", shown)
    (answer,) = [e for e in (await office.settle("t")).events if e.type == "resumed"]
    assert answer.actor == "bob"
    assert "Continued by <@U2>" in read(shown)
    assert office.slack.channels["C1"] == []  # ana began it elsewhere, and follows it there


async def test_a_button_of_a_thread_that_is_gone_says_so(open_office: Open) -> None:
    office = open_office()
    shown = await waiting(office, paused("limit", "ana"))
    gone = json.loads(json.dumps(shown).replace(about(shown), "gone"))
    assert (await office.press("U1", "Stop", gone)).status_code == 200
    assert "there is no thread 'gone'" in office.slack.whispers[0]["text"]


@pytest.mark.parametrize("problem", [None, limited(0)])
async def test_what_slack_did_not_take_is_told_later_and_once(
    problem: web.Response | None, open_office: Open
) -> None:
    office = open_office(DONE)
    office.slack.answers_next["chat.postMessage"] = [problem]
    with pytest.raises(Unavailable):
        await office.mention()
    thread = await office.settle(conversation(office.slack.channels["C1"][0]["ts"]))
    assert [message["text"] for message in office.slack.ours("C1")] == ["all done"]
    assert thread.events[-1].type == "delivered"
    assert "error" not in thread.events[-1].data


async def test_the_store_being_away_leaves_the_button_for_another_try(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    shown = await waiting(office, paused("limit", "ana"))

    async def away(*_: object) -> Thread:
        raise Unavailable("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(office.ports.store, "load", away)
        assert (await office.press("U1", "Stop", shown)).status_code == 503
    assert (await office.press("U1", "Stop", shown)).status_code == 200
    assert (await office.settle(about(shown))).state.status == "cancelled"


# What people fill in


async def test_a_rejection_has_a_reason_that_the_agent_reads(open_office: Open) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Reject…", shown)
    (view,) = office.slack.views
    assert await office.fill_in("U1", view, **{"Why? The agent reads it.": "too <much>"}) == {}
    (answer,) = [e for e in (await office.settle(thread.id)).events if e.type == "resumed"]
    assert (answer.data["verdict"], answer.data["text"]) == ("reject", "too <much>")
    assert "too &lt;much&gt;" in read(shown)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("70", ""),
        ("lots", "not JSON"),
        ('"lots"', "not valid"),
        ("", "not JSON"),
        ("[1]", "not valid"),
    ],
)
async def test_edited_arguments_are_checked_and_run_once(
    typed: str, problem: str, open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Edit…", shown)
    (view,) = office.slack.views
    labels = [block["label"]["text"] for block in view["blocks"] if block["type"] == "input"]
    assert labels == ["amount"]  # another tool is not to be had here
    errors = await office.fill_in("U1", view, amount=typed)
    status = (await office.ports.store.load(thread.id)).state.status
    await office.settle(thread.id)
    if problem:
        (error,) = errors.values()
        assert problem in error
        assert status == "waiting:approval"
        assert world.effects("charge") == []
    else:
        assert errors == {}
        assert world.effects("charge") == ["70"]
        assert "Edited and approved by <@U1>" in read(shown)


async def test_a_form_that_comes_too_late_says_who_was_faster(open_office: Open) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Edit…", dict(shown))
    await office.press("U1", "Approve", dict(shown))
    (error,) = (await office.fill_in("U1", office.slack.views[0], amount="7")).values()
    assert error == "already closed: approve by ana"
    assert "Approved by <@U1>" in read(shown)
    assert types(await office.settle(thread.id)).count("resumed") == 1


async def test_a_form_is_the_answer_of_who_sends_it(open_office: Open) -> None:
    office = open_office(CHARGE)
    await office.mention()
    await office.press("U1", "Edit…", office.slack.ours("C1")[0])
    (error,) = (await office.fill_in("U2", office.slack.views[0], amount="7")).values()
    assert error == "bob is not asked; ana may answer"


LONG = {"intent": "x", "text": "a" * 3001, "nested": {"a": [1, None]}, "note": "", "old": True}


async def test_arguments_too_long_for_a_form_stay_as_they_are(open_office: Open) -> None:
    office = open_office()
    shown = await waiting(office, event("step", call=LONG), paused("approval", call=LONG))
    await office.press("U1", "Edit…", shown)
    (view,) = office.slack.views
    fields = {b["label"]["text"]: b["element"] for b in view["blocks"] if b["type"] == "input"}
    assert fields.keys() == {"nested", "note", "old"}
    assert fields["nested"]["initial_value"] == '{"a": [1, null]}'
    assert "text cannot be edited here and stays as it is" in read(view)
    # This agent has no such tool; the refusal shows that the call was put together again.
    (error,) = (await office.fill_in("U1", view, nested="{}")).values()
    assert "not valid" in error


def test_a_form_has_no_more_fields_than_slack_takes() -> None:
    call = {"intent": "x", **{f"a{number}": number for number in range(150)}}
    view = form(paused("approval", call=call), "edit", {})
    assert view_faults(view) == []
    assert "a90 cannot be edited here" in read(view)


async def test_a_form_without_a_field_says_what_is_wrong_beside_it(open_office: Open) -> None:
    office = open_office()
    long = {"intent": "x", "text": "a" * 3001}
    shown = await waiting(office, event("step", call=long), paused("approval", call=long))
    await office.press("U1", "Edit…", shown)
    assert await office.fill_in("U1", office.slack.views[0]) == {}
    assert "not valid" in office.slack.whispers[0]["text"]


async def test_a_form_that_slack_does_not_open_is_only_noted(
    open_office: Open, caplog: pytest.LogCaptureFixture
) -> None:
    office = open_office(CHARGE)
    await office.mention()
    expired = web.json_response({"ok": False, "error": "expired_trigger_id"})
    office.slack.answers_next["views.open"] = [expired]
    assert (await office.press("U1", "Edit…", office.slack.ours("C1")[0])).status_code == 200
    assert "expired_trigger_id" in caplog.text


# Questions


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
async def test_a_question_is_answered_by_button_list_or_form(
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

    usual = decide_in(world)
    office = open_office(ASK, DONE, decide=decide)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U5", label, shown)
    if typed is not None:
        assert await office.fill_in("U5", office.slack.views[0], **{"Your answer": typed}) == {}
    (answered,) = [e for e in (await office.settle(thread.id)).events if e.type == "resumed"]
    assert (answered.actor, answered.data["text"]) == ("slack:U5", answer)


WAITS = [
    ("question", "", "running"),
    ("approval", "takes the question above back", "running"),
    ("limit", "takes the question above back", "running"),
    ("timer", "", "running"),
    ("job", "waits its turn", "waiting:job"),
    ("in_doubt", "waits its turn", "waiting:in_doubt"),
]


@pytest.mark.parametrize(("kind", "note", "status"), WAITS)
async def test_a_plain_reply_is_a_message_and_never_approves(
    kind: str, note: str, status: str, open_office: Open, world: World
) -> None:
    office = open_office()
    call = {"call": CHARGE} if kind in ("approval", "in_doubt") else {}
    log = [event("step", call=CHARGE)] if call else []
    shown = await waiting(office, *log, paused(kind, **call))
    reply = office.slack.says("C1", "yes, approve", thread_ts=shown["thread_ts"])
    for _ in range(2):
        assert await office.hear(reply) == 200
        await quiet()
    assert (await office.ports.store.load(about(shown))).events[-1].type != "resumed"
    assert (await office.ports.store.load(about(shown))).state.status == status
    notes = [message["text"] for message in office.slack.ours("C1")[1:]]
    assert [note in text for text in notes] == ([True] if note else [])
    assert world.effects("charge") == []


async def test_a_reply_to_a_question_asked_directly_goes_to_the_thread_it_came_from(
    open_office: Open,
) -> None:
    office = open_office(DONE, DONE)
    store = office.ports.store
    await store.append(Thread("t"), said(actor="cli:eve"), paused("question", "bob"))
    await office.settle("t")
    (shown,) = office.slack.ours("D2")
    reply = office.slack.says("D2", "the red one", "U2", thread_ts=shown["ts"])
    assert await office.hear(reply, "D2") == 200
    thread = await office.settle("t")
    heard = [(e.actor, e.data["text"]) for e in thread.events if e.type == "message"]
    assert heard[1:] == [("bob", "the red one")]
    assert "Answered by <@U2>" in read(shown)
    again = office.slack.says("D2", "or blue", "U2", thread_ts=shown["ts"])
    assert await office.hear(again, "D2") == 200
    assert (await store.load("t")).events[-1].data["text"] == "or blue"
    # Below anything else a reply is a conversation of its own.
    other = office.slack.says("D2", "hi", "U2")["ts"]
    assert await office.hear(office.slack.says("D2", "hm", "U2", thread_ts=other), "D2") == 200
    assert len(await store.threads()) == 2


# Settings


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"SLACK_SIGNING_SECRET": ""}, "neither SLACK_SIGNING_SECRET"),
        ({"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN is not"),
        ({"SLACK_APP_TOKEN": "xoxb-1"}, "begins with xapp-"),
        ({"SLACK_APP_TOKEN": "xapp-"}, "begins with xapp-"),
        ({"SLACK_SIGNING_SECRET": "<your signing secret>"}, "SECRET is a placeholder"),
    ],
)
def test_half_of_the_settings_is_an_error_that_names_the_other_half(
    changed: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch, app: App
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=problem):
        served(app)


def test_without_settings_slack_is_off_and_says_how_it_is_switched_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, app: App
) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.delenv(name)
    assert served(app) is None
    both = "SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET or SLACK_APP_TOKEN"
    assert caplog.messages == [f"slack is off: {both} switch it on, see docs/slack.md"]


@pytest.mark.parametrize(
    ("secret", "app_token", "said"),
    [
        (SECRET, "", ["Slack: by HTTP at /slack/events"]),
        ("", APP_TOKEN, ["Slack: by socket mode"]),
        (SECRET, APP_TOKEN, ["Slack: by HTTP at /slack/events", "Slack: by socket mode"]),
    ],
)
def test_the_log_says_how_slack_comes_in(
    secret: str,
    app_token: str,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    app: App,
) -> None:
    monkeypatch.setenv("SLACK_SIGNING_SECRET", secret)
    monkeypatch.setenv("SLACK_APP_TOKEN", app_token)
    caplog.set_level(logging.INFO, "agent")
    assert served(app)
    assert caplog.messages == said


@pytest.fixture
def app(store: MemoryStore, world: World) -> App:
    ports = ports_of(store, Says(), world)
    return App(ports, LocalRunner(ports))


def test_the_command_line_does_not_import_slack() -> None:
    code = (
        "import sys; import agent.engine.slack, agent.engine.slack.channel;"
        "print({'slack_sdk', 'slack_bolt', 'aiohttp', 'fastapi'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


# Socket mode


def envelope(name: str, message: Message) -> str:
    payload = happened(message, "C1", "app_mention")
    kind = {"type": "events_api", "envelope_id": name, "accepts_response_payload": False}
    return json.dumps({**kind, "payload": payload})


async def test_socket_mode_acknowledges_what_is_recorded_and_comes_back(
    open_office: Open, slack: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    monkeypatch.setenv("SLACK_APP_TOKEN", APP_TOKEN)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "")
    opened = served(App(office.ports, office.runner))
    assert opened
    assert opened.router is None
    assert opened.work
    slack.answers_next["auth.test"] = [limited(1)]
    message = slack.says("C1", "<@UBOT> hello")
    working = asyncio.create_task(opened.work())
    socket = await asyncio.wait_for(slack.sockets.get(), 5)
    await socket.send_str(envelope("lost", message))  # not acknowledged: Slack sends it again
    await socket.send_str(envelope("again", message))
    assert (await asyncio.wait_for(slack.received.get(), 5))["envelope_id"] == "again"
    await socket.send_str(json.dumps({"type": "disconnect", "reason": "refresh_requested"}))
    socket = await asyncio.wait_for(slack.sockets.get(), 5)
    await socket.send_str(envelope("new", slack.says("C1", "<@UBOT> more")))
    assert (await asyncio.wait_for(slack.received.get(), 5))["envelope_id"] == "new"
    assert len(await office.ports.store.threads()) == 2
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert working.cancelled()

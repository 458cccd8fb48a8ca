"""People in Slack write to the agent, however often each message arrives."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread

from .. import family
from ..domain import Town, World, list_types, make_message, make_pause
from ..family import HAND
from .office import (
    Open,
    build_event,
    finish_background,
    read_blocks,
    read_thread_id,
    store_waiting,
)

CHARGE = {"intent": "charge", "amount": 500}
DONE = {"intent": "done", "message": "all done"}


async def test_a_mention_starts_a_thread_that_is_answered_below_it(
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


async def test_replies_in_the_slack_thread_continue_it_and_other_talk_is_ignored(
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
    # A mention in other people's thread: from then on the agent takes part in it.
    asked = await office.mention("help us", "U3", thread_ts=elsewhere)
    assert await office.hear(office.slack.says("C1", "thanks", thread_ts=elsewhere)) == 200
    texts = [e.data["text"] for e in (await office.settle(asked.id)).events if e.type == "message"]
    assert texts == ["help us", "thanks"]


async def test_a_direct_message_starts_a_thread_without_a_mention(open_office: Open) -> None:
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


async def test_files_are_named_but_not_read(open_office: Open) -> None:
    office = open_office()
    shared: dict[str, Any] = {"subtype": "file_share", "files": [{"name": "a.pdf"}]}
    await office.hear(office.slack.says("D1", "look", **shared), "D1")
    (summary,) = await office.ports.store.threads()
    text = (await office.ports.store.load(summary.id)).events[0].data["text"]
    assert text == "look\n[attached, not read: a.pdf]"


async def test_a_message_delivered_several_times_is_recorded_once(open_office: Open) -> None:
    office = open_office(DONE)
    message = office.slack.says("C1", "<@UBOT> hello")
    again = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    events = [build_event(message, "C1", "app_mention", event_id=f"Ev{n}") for n in "123"]
    mentioned = await asyncio.gather(*[office.post(each, **again) for each in events])
    assert await office.hear(message) == 200  # Slack sends a mention as a message, too
    (summary,) = await office.ports.store.threads()
    thread = await office.settle(summary.id)
    assert await office.hear(message, kind="app_mention") == 200
    assert [answer.status_code for answer in mentioned] == [200] * 3
    assert list_types(await office.settle(thread.id)).count("message") == 1


async def test_who_may_not_write_is_told_so_and_nobody_else(open_office: Open) -> None:
    def may(person: str, *_: object) -> bool:
        return person != "bob"

    office = open_office(DONE, DONE, directory=Town(), may=may)
    thread = await office.mention()
    root = thread.state.reply_to.partition("/")[2]
    before = len(office.slack.ours("C1"))
    assert await office.hear(office.slack.says("C1", "stop", "U2", thread_ts=root)) == 200
    await finish_background()
    assert await office.ports.store.load(thread.id) == thread
    (told,) = (given for name, given in office.slack.calls if name == "chat.postEphemeral")
    assert told["user"] == "U2"
    assert told["text"] == "Your message was not recorded: bob may not write to this thread"
    assert len(office.slack.ours("C1")) == before


WAITS = [
    ("question", "", "running"),
    ("approval", "withdraws the request above", "running"),
    ("limit", "continues the thread", "running"),
    ("timer", "", "running"),
    ("job", "reads this once", "waiting:job"),
    ("in_doubt", "reads this once", "waiting:in_doubt"),
]


@pytest.mark.parametrize(("kind", "note", "status"), WAITS)
async def test_a_reply_is_a_message_and_never_approves(
    kind: str, note: str, status: str, open_office: Open, world: World
) -> None:
    office = open_office()
    call = {"call": CHARGE} if kind in ("approval", "in_doubt") else {}
    log = [make_event("step", call=CHARGE)] if call else []
    shown = await store_waiting(office, *log, make_pause(kind, **call))
    reply = office.slack.says("C1", "yes, approve", thread_ts=shown["thread_ts"])
    for _ in range(2):
        assert await office.hear(reply) == 200
        await finish_background()
    assert (await office.ports.store.load(read_thread_id(shown))).events[-1].type != "resumed"
    assert (await office.ports.store.load(read_thread_id(shown))).state.status == status
    notes = [message["text"] for message in office.slack.ours("C1")[1:]]
    assert [note in text for text in notes] == ([True] if note else [])
    assert world.effects("charge") == []


async def test_a_reply_in_the_thread_answers_the_question_of_a_child(open_office: Open) -> None:
    says = (HAND, family.ASK, family.DONE, family.END)
    office = open_office(*says, steps=family.STEPS, decide=family.decide, also=("child",))
    parent = await office.mention()
    child = await office.settle(parent.state.child)
    root = parent.state.reply_to.partition("/")[2]
    assert office.slack.ours("C1")[-1]["thread_ts"] == root
    posted = len(office.slack.ours("C1"))
    await office.hear(office.slack.says("C1", "the left one", thread_ts=root))
    await office.settle(parent.id)
    assert (await office.settle(child.id)).last_message == "the left one"
    assert (await office.settle(parent.id)).state.status == "finished"
    assert [one["text"] for one in office.slack.ours("C1")[posted:]] == ["all done"]


async def test_a_reply_to_a_message_that_is_gone_starts_a_thread(open_office: Open) -> None:
    office = open_office()
    message = office.slack.says("D1", "to staging", thread_ts="1700000000.000100")
    assert await office.hear(message, "D1") == 200
    assert len(await office.ports.store.threads()) == 1


async def test_a_link_without_an_address_is_read(open_office: Open) -> None:
    office = open_office()
    assert await office.hear(office.slack.says("D1", "see <|this>"), "D1") == 200
    assert len(await office.ports.store.threads()) == 1


async def test_a_reply_to_a_direct_question_goes_to_the_thread_that_asked(
    open_office: Open,
) -> None:
    office = open_office(DONE, DONE)
    store = office.ports.store
    first = make_message(actor="cli:eve", reply_to="poll:")
    await store.append(Thread("t"), first, make_pause("question", "bob"))
    await office.settle("t")
    (shown,) = office.slack.ours("D2")
    reply = office.slack.says("D2", "the red one", "U2", thread_ts=shown["ts"])
    assert await office.hear(reply, "D2") == 200
    thread = await office.settle("t")
    heard = [(e.actor, e.data["text"]) for e in thread.events if e.type == "message"]
    assert heard[1:] == [("bob", "the red one")]
    assert "Answered by <@U2>" in read_blocks(shown)
    again = office.slack.says("D2", "or blue", "U2", thread_ts=shown["ts"])
    assert await office.hear(again, "D2") == 200
    assert (await store.load("t")).events[-1].data["text"] == "or blue"
    # A reply below any other message is a conversation of its own.
    other = office.slack.says("D2", "hi", "U2")["ts"]
    assert await office.hear(office.slack.says("D2", "hm", "U2", thread_ts=other), "D2") == 200
    assert len(await store.threads()) == 2


@pytest.fixture
def people() -> Path:
    """Give the agent `rollback` a channel."""
    path = Path(os.environ["PEOPLE_FILE"])
    path.write_text(f'{path.read_text()}\n[agents.rollback]\nslack = "C1"\n')
    return path


async def test_a_mention_is_for_the_agent_of_its_channel_and_its_thread_stays_with_it(
    open_office: Open, people: Path
) -> None:
    office = open_office(DONE, DONE, also=("rollback",))
    thread = await office.mention()
    assert thread.state.agent == "rollback"
    people.unlink()  # noqa: ASYNC240 # one small file
    root = thread.state.reply_to.partition("/")[2]
    assert (await office.mention("more", thread_ts=root)).state.agent == "rollback"


async def test_a_channel_of_an_agent_that_is_not_in_app_py_stops_the_start(
    open_office: Open, people: Path
) -> None:
    with pytest.raises(Misconfigured, match=r"app\.py has no agent 'rollback', only test"):
        open_office()


async def test_a_late_reply_does_not_enter_the_thread_that_follows_a_deleted_one(
    open_office: Open,
) -> None:
    office = open_office(DONE, DONE)
    mention = office.slack.says("C1", "<@UBOT> hello")
    await office.hear(mention, kind="app_mention")
    (first,) = await office.ports.store.threads()
    reply = office.slack.says("C1", "my secret reply", thread_ts=mention["ts"])
    await office.hear(reply)
    await office.settle(first.id)
    await office.ports.store.forget(await office.ports.store.load(first.id))
    again = office.slack.says("C1", "<@UBOT> hello again", thread_ts=mention["ts"])
    await office.hear(again, kind="app_mention")
    (second,) = await office.ports.store.threads()
    assert await office.hear(reply) == 200
    thread = await office.ports.store.load(second.id)
    assert [e.data["text"] for e in thread.events if e.type == "message"] == ["hello again"]

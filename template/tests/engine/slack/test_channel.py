"""What the agent posts in Slack, and that it posts it once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.engine.log.errors import Misconfigured, Unavailable
from agent.engine.log.events import Event, make_event
from agent.engine.log.thread import Thread
from agent.engine.slack.channel import SlackChannel
from agent.engine.slack.client import Slack, SlackRefused

from ..domain import make_answer, make_delivery, make_message, make_pause, make_step, make_thread
from .office import Open, name_thread
from .server import EVENTS, SCOPES, TOKEN, SlackServer, build_rate_limit, read_manifest

PEOPLE = """
[ana]
cli = "ana"
slack = "U1"

[bob]
slack = ["U2", "U9"]
"""
CALL = {"intent": "charge", "amount": 500}


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "people.toml").write_text(PEOPLE)
    monkeypatch.setenv("PEOPLE_FILE", str(tmp_path / "people.toml"))


@pytest.fixture
def channel(slack: SlackServer) -> SlackChannel:
    return SlackChannel(Slack(TOKEN, slack.url))


def home(slack: SlackServer, *log: Event, text: str = "hello") -> Thread:
    """Return a thread that ana started in C1."""
    root = slack.says("C1", text)
    return make_thread(make_message(text, reply_to=f"slack:C1/{root['ts']}"), *log)


def shown(message: dict[str, Any]) -> str:
    """Return all the text of a message except for the labels of its buttons."""
    return "\n".join(str(text["text"]) for text in texts(message["blocks"], "mrkdwn"))


def find_elements(message: dict[str, Any]) -> list[dict[str, Any]]:
    (block,) = [block for block in message["blocks"] if block["type"] == "actions"]
    return list(block["elements"])


async def ask(slack: SlackServer, channel: SlackChannel, wait: Event) -> dict[str, Any]:
    """Show a wait in the Slack thread it came from; return the message."""
    thread = home(slack, wait)
    receipt = (await channel.send(thread, thread.events[-1])).receipt
    (message,) = slack.ours("C1")
    assert receipt == {"messages": [{"channel": "C1", "ts": message["ts"]}]}
    return message


def pause_with_question(format: str, *choices: str, **options: Any) -> Event:  # noqa: A002
    return make_pause("question", options={"format": format, "choices": choices, **options})


async def test_an_approval_shows_the_exact_call_and_mentions_who_is_asked(
    slack: SlackServer, channel: SlackChannel
) -> None:
    wait = make_pause("approval", "ana", "bob", call=CALL, expires_at="2026-01-01T12:00:00+00:00")
    message = await ask(slack, channel, wait)
    assert message["thread_ts"] == slack.channels["C1"][0]["ts"]
    assert "<@U1> <@U2> <@U9>" in shown(message)
    assert "Who may answer: ana or bob, until <!date^1767268800^" in shown(message)
    assert "charge\n  amount: 500" in shown(message)
    values = [json.loads(button["value"]) for button in find_elements(message)]
    named = {"thread": "t", "wait": 2, "digest": wait.data["digest"]}
    assert values == [{**named, "verdict": v} for v in ("approve", "reject", "edit")]


@pytest.mark.parametrize(
    ("wait", "labels"),
    [
        (pause_with_question("yes_no"), ["Yes", "No", "Other…"]),
        (pause_with_question("multiple_choice", "red", "blue"), ["red", "blue", "Other…"]),
        (pause_with_question("multiple_choice"), ["Answer…"]),
        (pause_with_question("free_text", urgency="high"), ["Answer…"]),
        (make_pause("question"), ["Answer…"]),
        (make_pause("approval", call={"intent": "restart"}), ["Approve and run", "Reject…"]),
        (make_pause("limit"), ["Go on", "Stop here"]),
        (
            make_pause("in_doubt", call=CALL),
            ["It went through", "It did not go through: run it again", "Give up"],
        ),
        (make_pause("job"), ["It is done…", "It failed…"]),
        (make_pause("timer"), ["Go on"]),
    ],
)
async def test_every_wait_has_the_buttons_that_answer_it(
    wait: Event, labels: list[str], slack: SlackServer, channel: SlackChannel
) -> None:
    message = await ask(slack, channel, wait)
    assert [button["text"]["text"] for button in find_elements(message)] == labels
    assert ("high urgency" in shown(message)) == (
        wait.data.get("options", {}).get("urgency") == "high"
    )


@pytest.mark.parametrize(
    ("wait", "hint"),
    [
        (make_pause("approval", call=CALL), "thread withdraws the request: the agent reads it"),
        (make_pause("question", "anyone"), "A message in this thread answers the question."),
        (
            make_pause("question", "ana", "<!here>"),
            "A message from ana or &lt;!here&gt; in this thread answers the question.",
        ),
        (make_pause("limit"), "A message in this thread lets the agent go on"),
        (make_pause("timer"), "A message in this thread ends the waiting."),
        (make_pause("job"), "The agent reads a message once this is answered."),
    ],
)
async def test_every_wait_says_what_a_message_would_do(
    wait: Event, hint: str, slack: SlackServer, channel: SlackChannel
) -> None:
    assert hint in shown(await ask(slack, channel, wait))


async def test_a_direct_message_says_who_else_may_answer(
    slack: SlackServer, channel: SlackChannel
) -> None:
    wait = make_pause("question", "slack:U3", "bob")
    thread = make_thread(make_message(), wait)
    # Another channel reaches bob.
    routed = replace(thread.events[-1], data=wait.data | {"audience": ["slack:U3"]})
    assert (await channel.send(thread, routed)).people == ("slack:U3",)
    (message,) = slack.ours("D3")
    assert "Who may answer: you or bob" in shown(message)
    assert "A message in this thread answers the question." in shown(message)
    assert "D2" not in slack.channels


async def test_a_wait_for_nobody_of_this_slack_says_who_may_answer(
    slack: SlackServer, channel: SlackChannel
) -> None:
    message = await ask(slack, channel, make_pause("approval", "eve", "hook:ci", call=CALL))
    assert "Who may answer: eve or hook:ci" in shown(message)
    assert "<@" not in shown(message)


@pytest.mark.parametrize(
    "wait",
    [
        make_pause("limit", error="the key <k> is wrong", idempotency_key="7f"),
        make_pause("in_doubt", call=CALL, error="the key <k> is wrong", idempotency_key="7f"),
    ],
)
async def test_a_wait_shows_the_last_error_and_the_key_to_look_the_call_up_by(
    wait: Event, slack: SlackServer, channel: SlackChannel
) -> None:
    message = await ask(slack, channel, wait)
    facts = "*Last error*: the key &lt;k&gt; is wrong\n*Idempotency key*: 7f"
    assert facts in shown(message)


async def test_a_reminder_posts_the_wait_again_and_an_answer_closes_both_messages(
    slack: SlackServer, channel: SlackChannel
) -> None:
    thread = home(slack, make_pause("approval", "ana", call=CALL))
    first = (await channel.send(thread, thread.events[-1])).receipt
    log = (*thread.events, make_delivery(2, receipt={"slack": first}))
    thread = make_thread(*log, make_event("reminded", wait=2))
    reminded = thread.events[-1]
    again = replace(reminded, data=thread.events[1].data | reminded.data)
    sent = await channel.send(thread, again)
    assert (await channel.send(thread, again)).receipt == sent.receipt
    before, after = slack.ours("C1")
    assert "*Reminder: Approval* <@U1>" in shown(after)
    assert find_elements(after) == find_elements(before)
    log = (*thread.events, make_delivery(4, receipt={"slack": sent.receipt}))
    closed = make_thread(*log, make_answer(2, "approve"))
    await channel.send(closed, closed.events[-1])
    for message in (before, after):
        assert "*Approved by <@U1>*" in shown(message)
        assert "actions" not in str(message["blocks"])


@pytest.mark.parametrize("count", [6, 100, 300])
async def test_many_choices_become_a_list(
    count: int, slack: SlackServer, channel: SlackChannel
) -> None:
    choices = [f"{number} " + "long " * 30 for number in range(count)]
    message = await ask(slack, channel, pause_with_question("multiple_choice", *choices))
    chooser, other = find_elements(message)
    last = chooser["options"][-1]
    assert other["text"]["text"] == "Other…"
    assert json.loads(last["value"])["choice"] == min(count, 100) - 1
    assert last["text"]["text"].endswith("…")


HOSTILE = "<!channel> <@U2> @here & *x* ``` \x1b[31m \u202egnp.exe"


@pytest.mark.parametrize(
    "log",
    [
        [make_step("done"), make_event("finished", message="The report.")],
        [make_pause("limit", "anyone")],
    ],
)
async def test_a_schedule_posts_to_the_channel_itself(
    log: list[Event], slack: SlackServer, channel: SlackChannel
) -> None:
    thread = make_thread(make_message(actor="cron:report", reply_to="slack:C1"), *log)
    for _ in range(2):
        await channel.send(thread, thread.events[-1])
    (message,) = slack.ours("C1")
    assert "thread_ts" not in message
    assert "in this thread" not in shown(message)  # nobody listens to replies there


@pytest.mark.parametrize(
    "log",
    [
        [
            make_pause(
                "approval", call={"intent": "x", "note": HOSTILE, "more": [HOSTILE, {"<!here>": 1}]}
            )
        ],
        [
            make_pause(
                "question", options={"format": "multiple_choice", "choices": [HOSTILE, "b" * 90]}
            )
        ],
        [make_event("paused", kind="limit", text=HOSTILE, audience=["<!channel>"])],
        [make_step("done"), make_event("finished", message=HOSTILE)],
    ],
)
async def test_nothing_in_a_message_notifies_anybody_or_forges_anything(
    log: list[Event], slack: SlackServer, channel: SlackChannel
) -> None:
    thread = home(slack, *log)
    await channel.send(thread, thread.events[-1])
    (message,) = slack.ours("C1")
    seen = shown(message) + message["text"]
    assert "<!" not in seen
    assert "<@U2>" not in seen
    assert "\x1b" not in seen
    assert "\u202e" not in seen
    assert all(part["verbatim"] for part in texts(message["blocks"], "mrkdwn"))
    fenced = [block for block in message["blocks"] if "```" in str(block.get("text"))]
    assert all(
        block["text"]["text"].count("```") == 2
        for block in fenced
        if block["text"]["text"].startswith("```")
    )
    assert not message["unfurl_links"]


def texts(value: Any, kind: str) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [text for item in value for text in texts(item, kind)]
    if not isinstance(value, dict):
        return []
    return [value] if value.get("type") == kind else texts([*value.values()], kind)


@pytest.mark.parametrize("char", ["x", "&", "\n", "\U000e0041", "`"])
@pytest.mark.parametrize("kind", ["question", "finished", "closed"])
async def test_long_text_is_cut_visibly(
    char: str, kind: str, slack: SlackServer, channel: SlackChannel
) -> None:
    long = char * 90_000 + "."
    log = {
        "question": [pause_with_question("multiple_choice", *[long] * 4)],
        "finished": [make_event("finished", message=long)],
        "closed": [
            make_pause("question"),
            make_delivery(
                2, receipt={"slack": {"messages": [{"channel": "C1", "ts": "1800000002.000100"}]}}
            ),
            make_answer(2, "answer", text=long),
        ],
    }[kind]
    thread = home(slack, *log)
    slack.channels["C1"].append({"ts": "1800000002.000100", "bot_id": "B1"})
    await channel.send(thread, thread.events[-1])
    message = slack.ours("C1")[-1] if kind != "closed" else slack.channels["C1"][-1]
    assert "cut …]" in shown(message)


async def test_a_long_result_is_split_into_sections(
    slack: SlackServer, channel: SlackChannel
) -> None:
    thread = home(slack, make_event("finished", message="**done** <b>\n" * 400))
    assert (await channel.send(thread, thread.events[-1])).receipt == {}
    (message,) = slack.ours("C1")
    pieces = [block["text"]["text"] for block in message["blocks"]]
    assert "".join(pieces) == "*done* &lt;b&gt;\n" * 400


async def test_people_asked_about_a_thread_from_elsewhere_get_direct_messages(
    slack: SlackServer, channel: SlackChannel
) -> None:
    thread = make_thread(make_message(), make_pause("limit", "ana", "slack:U3", "eve"))
    sent = await channel.send(thread, thread.events[-1])
    assert [place["channel"] for place in sent.receipt["messages"]] == ["D1", "D3"]
    assert sent.people == ("ana", "slack:U3")
    assert "<@U3>" in shown(slack.ours("D3")[0])


async def test_a_person_who_cannot_be_reached_does_not_keep_others_from_being_asked(
    slack: SlackServer, channel: SlackChannel
) -> None:
    thread = make_thread(make_message(), make_pause("limit", "bob"))  # U9 left the workspace
    sent = await channel.send(thread, thread.events[-1])
    assert [place["channel"] for place in sent.receipt["messages"]] == ["D2"]
    assert sent.people == ("bob",)
    slack.people.clear()
    with pytest.raises(SlackRefused, match="user_not_found"):
        await channel.send(thread, thread.events[-1])


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("page", [1, 200])
async def test_a_message_is_posted_once_despite_a_crash_or_a_lost_answer(
    direct: bool, page: int, slack: SlackServer, channel: SlackChannel
) -> None:
    slack.page = page
    wait = make_pause("limit", "slack:U3")
    thread = make_thread(make_message(), wait) if direct else home(slack, wait)
    where = "D3" if direct else "C1"
    slack.answers_next["chat.postMessage"] = [None]
    with pytest.raises(Unavailable):
        await channel.send(thread, thread.events[-1])
    receipts = [(await channel.send(thread, thread.events[-1])).receipt for _ in range(2)]
    (message,) = slack.ours(where)
    assert receipts == [{"messages": [{"channel": where, "ts": message["ts"]}]}] * 2


async def test_the_same_mark_from_another_app_does_not_count_as_posted(
    slack: SlackServer, channel: SlackChannel
) -> None:
    thread = home(slack, make_pause("limit"))
    mark = {"event_type": "agent_event", "event_payload": {"thread": "t", "seq": 2}}
    root = slack.channels["C1"][0]["ts"]
    slack.says("C1", "x", bot_id="B2", metadata=mark, thread_ts=root)
    await channel.send(thread, thread.events[-1])
    assert len(slack.ours("C1")) == 1


@pytest.mark.parametrize(
    ("answer", "problem", "after"),
    [
        (build_rate_limit(7), "rate limit", 7.0),
        (web.json_response({"ok": False, "error": "ratelimited"}), "rate limit", 30.0),
        (web.Response(status=502, text="<html>", content_type="text/html"), "502", None),
        (web.Response(text="{", content_type="application/json"), "200", None),
        (web.Response(text="hello", content_type="text/plain"), "cannot be reached", None),
        (web.json_response({"ok": False, "error": "internal_error"}, status=500), "500", None),
        (web.json_response({"ok": False, "error": "not_in_channel"}), "invite the app", None),
    ],
)
async def test_an_error_of_slack_is_unavailable_and_retried(
    answer: web.Response,
    problem: str,
    after: float | None,
    slack: SlackServer,
    channel: SlackChannel,
) -> None:
    thread = home(slack, make_pause("limit"))
    slack.answers_next["chat.postMessage"] = [answer]
    with pytest.raises(Unavailable, match=problem) as failed:
        await channel.send(thread, thread.events[-1])
    assert failed.value.retry_after_s == after
    await channel.send(thread, thread.events[-1])
    assert len(slack.ours("C1")) == 1


async def test_an_unreachable_slack_is_unavailable() -> None:
    nowhere = SlackChannel(Slack(TOKEN, "http://127.0.0.1:9/api/"))
    thread = make_thread(make_message(reply_to="slack:C1/1.0"), make_pause("limit"))
    with pytest.raises(Unavailable, match="cannot be reached"):
        await nowhere.send(thread, thread.events[-1])


async def test_a_conversation_that_the_app_may_not_read_still_gets_messages(
    slack: SlackServer, channel: SlackChannel
) -> None:
    thread = home(slack, make_pause("limit"))
    refused = web.json_response({"ok": False, "error": "missing_scope"})
    slack.answers_next["conversations.replies"] = [refused]
    await channel.send(thread, thread.events[-1])
    assert len(slack.ours("C1")) == 1


CLOSED: list[tuple[Event, Event, str]] = [
    (make_pause("approval", call=CALL), make_answer(2, "approve", "bob"), "*Approved by <@U2>*"),
    (
        make_pause("approval", call=CALL),
        make_answer(2, "reject", "eve", text="no <!here>"),
        "*Rejected by eve*\nno &lt;!here&gt;",
    ),
    (
        make_pause("approval", call=CALL),
        make_answer(2, "edit", call={"intent": "charge", "amount": 7}),
        "*Edited and approved by <@U1>*\n```charge\n→ amount: 7```",
    ),
    (
        make_pause("approval", call=CALL),
        make_answer(2, "edit", call={"intent": "charge", "amount": 7, "memo": "x" * 9_000}),
        "*Edited and approved by <@U1>*\nThe call is 9,025 characters long",
    ),
    (
        make_pause("approval", call=CALL, standing={"amount": 500}),
        make_answer(2, "approve", standing={"intent": "charge", "values": {"amount": 500}}),
        "*Approved for this thread by <@U1>*\n"
        "This also runs, without asking again, until the agent finishes or somebody revokes it:\n"
        "```every charge with amount: 500```",
    ),
    (
        make_pause("approval", call=CALL | {"memo": "x" * 9_000}),
        make_answer(2, "approve"),
        "The call is 9,027 characters long, which is too long for Slack. Open the inbox or run "
        "`agent inbox` to see all of it.\n*Approved by <@U1>*",
    ),
    (make_pause("approval", call=CALL), make_answer(2, "expired", "system"), "Expired"),
    (
        make_pause("approval", call=CALL),
        make_message("no"),
        "*Withdrawn*: <@U1> wrote a message instead",
    ),
    (make_pause("question"), make_message("red & blue"), "*Answered by <@U1>*\nred &amp; blue"),
    (make_pause("question"), make_answer(2, "answer", text="red"), "*Answered by <@U1>*\nred"),
    (
        make_pause("limit"),
        make_event("cancelled", "cli:eve", reason="enough"),
        "Cancelled by cli:eve*\nenough",
    ),
    (make_pause("timer"), make_answer(2, "done", "system"), "*The time has come*"),
    (
        make_pause("job"),
        make_answer(2, "done", "hook:ci", text="built"),
        "*Reported by hook:ci*\nbuilt",
    ),
    (make_pause("in_doubt", call=CALL), make_answer(2, "retry"), "*<@U1> decided to run it again*"),
]


@pytest.mark.parametrize(("wait", "over", "line"), CLOSED)
async def test_a_closed_wait_says_who_decided_what(
    wait: Event, over: Event, line: str, slack: SlackServer, channel: SlackChannel
) -> None:
    thread = home(slack, wait)
    receipt = {"slack": (await channel.send(thread, thread.events[-1])).receipt}
    closed = make_thread(*thread.events, make_delivery(2, receipt=receipt), over)
    assert (await channel.send(closed, closed.events[-1])).receipt == {}
    (message,) = slack.ours("C1")
    assert line in shown(message)
    assert "actions" not in str(message["blocks"])


@pytest.mark.parametrize("gone", ["message_not_found", "cant_update_message"])
async def test_a_deleted_message_needs_no_update(
    gone: str, slack: SlackServer, channel: SlackChannel
) -> None:
    thread = home(slack, make_pause("limit"))
    receipt = {"slack": (await channel.send(thread, thread.events[-1])).receipt}
    slack.answers_next["chat.update"] = [
        web.json_response({"ok": False, "error": error}) for error in (gone, "msg_too_long")
    ]
    closed = make_thread(*thread.events, make_delivery(2, receipt=receipt), make_answer(2, "stop"))
    await channel.send(closed, closed.events[-1])
    with pytest.raises(SlackRefused, match="msg_too_long"):
        await channel.send(closed, closed.events[-1])


def test_the_manifest_asks_for_exactly_what_the_agent_uses() -> None:
    assert read_manifest("bot_events") == EVENTS.keys()
    needed = {scope for scopes in SCOPES.values() for scope in scopes} | {*EVENTS.values()}
    assert read_manifest("bot") == needed


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"SLACK_SIGNING_SECRET": "s"}, "SLACK_BOT_TOKEN is not"),
        ({"SLACK_BOT_TOKEN": TOKEN, "PUBLIC_URL": "agent.example"}, "PUBLIC_URL is not a URL"),
        ({"SLACK_APP_TOKEN": "xapp-1"}, "SLACK_BOT_TOKEN is not"),
        ({"SLACK_BOT_TOKEN": "xoxp-1"}, "not a bot token"),
        ({"SLACK_BOT_TOKEN": "xoxb-"}, "not a bot token"),
        ({"SLACK_BOT_TOKEN": "xoxb-your-token"}, "not a bot token"),
    ],
)
def test_incomplete_or_wrong_settings_are_an_error(
    settings: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert SlackChannel.from_env() is None
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=problem):
        SlackChannel.from_env()


@pytest.mark.parametrize("problem", [None, build_rate_limit(0)])
async def test_a_message_that_slack_refused_is_posted_later_and_once(
    problem: web.Response | None, open_office: Open
) -> None:
    office = open_office({"intent": "done", "message": "all done"})
    office.slack.answers_next["chat.postMessage"] = [problem]
    with pytest.raises(Unavailable):
        await office.mention()
    thread = await office.settle(name_thread(office.slack.channels["C1"][0]["ts"]))
    assert [message["text"] for message in office.slack.ours("C1")] == ["all done"]
    assert thread.events[-1].type == "delivered"
    assert "error" not in thread.events[-1].data


def make_notice(thread: Thread, *audience: str) -> Event:
    data = {"text": "a is not available. <b> answers.", "audience": [*audience]}
    return replace(make_event("notice", **data), seq=thread.state.version)


async def test_a_notice_is_posted_where_the_thread_lives_or_to_its_readers(
    slack: SlackServer, channel: SlackChannel
) -> None:
    here = home(slack, make_step("done"))
    sent = await channel.send(here, make_notice(here, "anyone"))
    assert sent.people == (here.state.owner,)
    (message,) = slack.ours("C1")
    assert shown(message) == "a is not available. &lt;b&gt; answers."

    elsewhere = make_thread(make_message(), make_step("done"))
    sent = await channel.send(elsewhere, make_notice(elsewhere, "ana", "bob", "eve"))
    assert sent.people == ("ana", "bob")
    assert [len(slack.ours(place)) for place in ("D1", "D2")] == [1, 1]


async def test_a_notice_that_reaches_nobody_is_tried_again(
    slack: SlackServer, channel: SlackChannel
) -> None:
    thread = make_thread(make_message(), make_step("done"))
    slack.people.clear()
    with pytest.raises(SlackRefused, match="user_not_found"):
        await channel.send(thread, make_notice(thread, "bob"))

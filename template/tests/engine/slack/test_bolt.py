"""Requests from Slack, over HTTP and through a socket: who gets in, and when it is acknowledged."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest
from aiohttp import web

from agent.engine.log.errors import Unavailable
from agent.engine.log.thread import Thread
from agent.engine.runners.app import App
from agent.engine.slack import background, serve
from agent.engine.slack.client import Slack

from ..http.access import list_added
from .office import Open, build_event, sign
from .server import APP_TOKEN, Message, SlackServer, build_rate_limit

VERIFICATION = {"type": "url_verification", "challenge": "c7"}
DONE = {"intent": "done", "message": "all done"}


async def test_an_event_that_was_not_recorded_is_recorded_when_slack_sends_it_again(
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


@pytest.mark.parametrize("name", ["append", "get_bot"])
async def test_slack_gets_an_answer_in_time_while_the_store_or_slack_is_slow(
    name: str, open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    message, goes_on = office.slack.says("C1", "<@UBOT> hello"), asyncio.Event()
    where: Any = office.ports.store if name == "append" else Slack
    work = getattr(where, name)

    async def slow(*given: Any) -> Any:
        await goes_on.wait()
        return await work(*given)

    monkeypatch.setattr(where, name, slow)
    monkeypatch.setattr(background, "ACK_S", 0.05)
    assert await office.hear(message, kind="app_mention") == 503
    goes_on.set()
    monkeypatch.setattr(background, "ACK_S", 2.5)
    assert await office.hear(message, kind="app_mention") == 200
    (summary,) = await office.ports.store.threads()
    assert summary.version == 1


@pytest.mark.parametrize(
    "problem",
    [
        build_rate_limit(1),
        web.json_response({"ok": False, "error": "fatal_error"}),
        web.Response(status=500),
    ],
)
async def test_nothing_is_acknowledged_until_slack_says_whose_token_it_is(
    problem: web.Response, open_office: Open
) -> None:
    office = open_office()
    message = office.slack.says("C1", "<@UBOT> hello")
    office.slack.answers_next["auth.test"] = [problem]
    assert await office.hear(message, kind="app_mention") == 503
    assert await office.hear(message, kind="app_mention") == 200
    assert len(await office.ports.store.threads()) == 1


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
async def test_a_request_without_a_recent_signature_of_slack_is_refused(
    headers: dict[str, str], ssl_check: str, open_office: Open
) -> None:
    office = open_office()
    message = office.slack.says("C1", "<@UBOT> hello")
    body = build_event(message, "C1", "app_mention", ssl_check=ssl_check)
    assert (await office.post(body, **headers)).status_code == 401
    assert await office.ports.store.threads() == []
    assert office.slack.calls == []


async def test_an_old_request_is_refused_even_with_a_valid_signature(open_office: Open) -> None:
    _, headers = sign(VERIFICATION, int(time.time()) - 301)
    old = {name.replace("-", "_"): value for name, value in headers.items()}
    assert (await open_office().post(VERIFICATION, **old)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"\xff\xfe", 401), (b"{", 400), (b"payload=%7B", 400), (b"", 404), (b"{}", 404)],
)
async def test_a_request_that_is_not_slacks_is_refused(
    body: bytes, status: int, open_office: Open
) -> None:
    answer = await open_office().post(body)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "changed",
    [
        {"event": None},
        {"event": {"type": "app_mention", "user": {"id": "U1"}, "channel": "C1", "ts": "1.0"}},
        {"event": {"type": "message", "user": "U1", "files": [7], "channel": "C1", "ts": "1.0"}},
        {"authorizations": {}, "type": "block_actions", "actions": [{}]},
        {"team_id": [], "event": {"type": "message"}},
    ],
    ids=range(5),
)
async def test_a_payload_that_slack_does_not_describe_is_refused(
    changed: dict[str, Any], open_office: Open
) -> None:
    office = open_office()
    body = build_event(office.slack.says("C1", "<@UBOT> hello"), "C1", "app_mention", **changed)
    assert (await office.post(body)).status_code == 400
    assert await office.ports.store.threads() == []


async def test_slack_can_verify_the_url(open_office: Open) -> None:
    answer = await open_office().post(VERIFICATION)
    assert (answer.status_code, answer.text) == (200, '{"challenge": "c7"}')


def envelope(name: str, message: Message) -> str:
    payload = build_event(message, "C1", "app_mention")
    kind = {"type": "events_api", "envelope_id": name, "accepts_response_payload": False}
    return json.dumps({**kind, "payload": payload})


async def test_socket_mode_acknowledges_what_is_recorded_and_reconnects(
    open_office: Open, slack: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    monkeypatch.setenv("SLACK_APP_TOKEN", APP_TOKEN)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "")
    opened = serve(App(office.ports, office.runner))
    assert opened
    assert opened.router is None
    assert opened.work
    slack.answers_next["auth.test"] = [build_rate_limit(1)]
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


async def test_slack_does_not_turn_off_what_the_agent_logs(open_office: Open) -> None:
    await open_office(DONE).mention()
    assert logging.getLogger("agent").level <= logging.WARNING


async def test_every_route_is_known_here(open_office: Open) -> None:
    """A new one needs a test of who may use it."""
    assert list_added(open_office().api) == {("POST", "/slack/events")}

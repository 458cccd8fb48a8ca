"""An agent that is installed in the Slack on localhost, and the people there who talk to it.

What they do reaches the agent as Slack sends it: signed, and posted to its own address.
"""

import asyncio
import hmac
import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx2

from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop import api
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.slack import serve

from ..domain import make_message
from .rules import find_view_faults
from .server import TEAM, Message, SlackServer

Open = Callable[..., "Office"]

TOKENS = "ana:a0b1c2d3e4f5a6b7c8d90e1f2a3b4c5d"
INTERACTIVE = ("block_actions", "view_submission")
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


class Office:
    def __init__(self, slack: SlackServer, ports: Ports) -> None:
        self.slack = slack
        self.ports = ports
        self.runner = LocalRunner(ports)
        self.api = create_app(App(ports, self.runner, (serve,)), Tokens.parse(TOKENS))
        transport = httpx2.ASGITransport(self.api, raise_app_exceptions=False)
        self._http = httpx2.AsyncClient(transport=transport, base_url="http://agent")

    async def post(self, payload: Any, **headers: str) -> httpx2.Response:
        """Post as Slack does; `headers` replace its own, and an empty one removes it."""
        body, sent = sign(payload)
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in sent.items() if value}
        async with asyncio.timeout(10):
            return await self._http.post("/slack/events", content=body, headers=given)

    async def hear(
        self, message: Message, channel: str = "C1", kind: str = "message", **outer: Any
    ) -> int:
        """Deliver a message that somebody wrote; return the status."""
        return (await self.post(build_event(message, channel, kind, **outer))).status_code

    async def mention(self, text: str = "charge", user: str = "U1", **more: Any) -> Thread:
        """Let somebody mention the agent, and run the thread that this starts."""
        message = self.slack.says("C1", f"<@UBOT> {text}", user, **more)
        assert await self.hear(message, kind="app_mention") == 200
        return await self.settle(name_thread(str(message.get("thread_ts", message["ts"]))))

    async def press(
        self, user: str, label: str, message: Message, team: str = TEAM
    ) -> httpx2.Response:
        """Press the button with this label below a message, or choose it from a list."""
        await finish_background()
        body = build_press(user, label, message, team)
        self.slack.triggers.add(body["trigger_id"])
        return await self._interact(body)

    async def fill_in(self, user: str, view: dict[str, Any], **typed: str) -> dict[str, str]:
        """Submit a view with some fields changed; return its errors by field.

        The view that replaces it, if one does, is the newest of `slack.views`.
        """
        values = {}
        for block in view["blocks"]:
            if block["type"] == "input":
                name, element = block["label"]["text"], block["element"]
                text = typed.pop(name, element.get("initial_value")) or None
                assert text or block["optional"]
                state = {"type": "plain_text_input", "value": text}
                values[block["block_id"]] = {element["action_id"]: state}
        assert not typed, f"the form has no field {typed}"
        body = {
            "type": "view_submission",
            "team": {"id": TEAM, "domain": "x"},
            "user": {"id": user, "username": user, "team_id": TEAM},
            "view": {**view, "id": "V1", "state": {"values": values}},
        }
        answer = await self._interact(body)
        await finish_background()
        assert answer.status_code == 200
        said = answer.json() if answer.content else {}
        if said.get("response_action") == "update":
            assert find_view_faults(said["view"]) == []
            self.slack.views.append(said["view"])
            return {}
        errors: dict[str, str] = said.get("errors", {})
        assert errors.keys() <= values.keys()
        return errors

    async def edit(self, user: str, message: Message, **typed: str) -> dict[str, Any]:
        """Change arguments of the call below a message; return the view that shows the result."""
        await self.press(user, "Edit…", message)
        assert await self.fill_in(user, self.slack.views[-1], **typed) == {}
        return self.slack.views[-1]

    async def settle(self, thread_id: str) -> Thread:
        """Run the thread until it has nothing to do but wait."""
        await finish_background()
        return await self.runner.finish(thread_id)

    async def _interact(self, body: dict[str, Any]) -> httpx2.Response:
        answer = await self.post(body)
        await finish_background()
        return answer


def sign(payload: Any, now: int | None = None) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers that Slack sends for a payload; bytes stay as they are."""
    interactive = isinstance(payload, dict) and payload["type"] in INTERACTIVE
    if isinstance(payload, bytes):
        body = payload
    else:
        text = json.dumps(payload)
        body = (urlencode({"payload": text}) if interactive else text).encode()
    timestamp = str(now or int(time.time()))
    base = b":".join([b"v0", timestamp.encode(), body])
    kind = "x-www-form-urlencoded" if interactive else "json"
    return body, {
        "Content-Type": f"application/{kind}",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": "v0=" + hmac.new(SECRET.encode(), base, sha256).hexdigest(),
    }


def build_press(user: str, label: str, message: Message, team: str = TEAM) -> dict[str, Any]:
    """Return the payload of pressing or choosing what has this label below a message."""
    return {
        "type": "block_actions",
        "team": {"id": TEAM, "domain": "x"},
        "user": {"id": user, "username": user, "team_id": team},
        "trigger_id": uuid4().hex,
        "channel": {"id": message["channel"], "name": "general"},
        "message": message,
        "actions": [_action(message, label)],
    }


def name_thread(ts: str) -> str:
    """Return the id of the agent's thread below a message in C1."""
    return api.name_thread("slack", TEAM, f"C1:{ts}")


def build_event(message: Message, channel: str, kind: str, **outer: Any) -> dict[str, Any]:
    """Return the Events API's payload for a message."""
    teams = {"team": TEAM, "channel_type": {"D": "im", "C": "channel"}[channel[0]]}
    return {
        "type": "event_callback",
        "team_id": TEAM,
        "api_app_id": "A1",
        "event_id": f"Ev{message['ts']}{kind}",
        "event": {**teams, **message, "channel": channel, "type": kind},
        **outer,
    }


async def finish_background() -> None:
    """Wait until all work in the background is done."""
    work = "_log_failure"
    while tasks := [task for task in asyncio.all_tasks() if work in repr(task.get_coro())]:
        await asyncio.wait(tasks)


def find_wait(thread: Thread) -> Event:
    assert thread.state.wait
    return thread.event(thread.state.wait.seq)


def _action(message: Message, label: str) -> dict[str, Any]:
    for block in message["blocks"]:
        for element in block["elements"] if block["type"] == "actions" else ():
            for option in element.get("options", ()):
                if option["text"]["text"] == label:
                    return {**element, "selected_option": option}
            if element["type"] == "button" and element["text"]["text"] == label:
                return dict(element)
    raise AssertionError(f"nothing there has the label {label!r}: {message}")


async def store_waiting(office: Office, *log: Event) -> Message:
    """Store a thread that ana started in C1 and that waits; return the message that shows it."""
    root = office.slack.says("C1", "hello")
    first = make_message("hello", reply_to=f"slack:C1/{root['ts']}")
    thread_id = name_thread(root["ts"])
    await office.ports.store.append(Thread(thread_id), first, *log)
    await office.settle(thread_id)
    return office.slack.ours("C1")[-1]


def read_thread_id(message: Message) -> str:
    """Return the id of the thread that a message of ours is about."""
    return str(message["metadata"]["event_payload"]["thread"])


def read_blocks(message: Message) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)

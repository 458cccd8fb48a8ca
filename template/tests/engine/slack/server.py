"""Slack's Web API and socket mode on localhost: it refuses what Slack refuses, and remembers.

The agent may do only what the manifest in `docs/slack.md` asks for.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from .rules import find_faults, find_metadata_faults, find_view_faults

TEAM, BOT, BOT_USER = "T1", "B1", "UBOT"
TOKEN, APP_TOKEN = "xoxb-1", "xapp-1"
Message = dict[str, Any]

SCOPES = {
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "conversations.history": ("im:history",),
    "conversations.open": ("im:write",),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
}
"""The scopes that a method needs, for each kind of conversation that the agent calls it in."""
EVENTS = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
}


def read_manifest(name: str) -> set[str]:
    """Return a list in the manifest of `docs/slack.md`."""
    text = (Path(__file__).parents[3] / "docs" / "slack.md").read_text("utf-8")
    (items,) = re.findall(rf"\n +{name}:\n((?: +- .*\n)+)", text)
    return set(re.findall(r"- (\S+)", items))


class SlackServer:
    """A workspace with the people U1 to U5 and a channel C1 that the bot is in."""

    def __init__(self) -> None:
        self.url = ""
        self.people = {f"U{number}" for number in range(1, 6)}
        self.channels: dict[str, list[Message]] = {"C1": []}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.whispers: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.triggers: set[str] = set()
        """Each opens one form."""
        self.answers_next: dict[str, list[web.Response | None]] = {}
        """What a method answers before it works again; None breaks the connection after the work
        was done."""
        self.page = 200
        self.sockets: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        """What came through a socket."""
        self._scopes = read_manifest("bot")
        self._time = 1_800_000_000

    def now(self) -> str:
        self._time += 1
        return f"{self._time}.000100"

    def says(self, channel: str, text: str, user: str = "U1", **more: Any) -> Message:
        """Let a person write; return the message."""
        message = {"type": "message", "user": user, "text": text, "ts": self.now(), **more}
        self.channels.setdefault(channel, []).append(message)
        return message

    def ours(self, channel: str) -> list[Message]:
        """Return what the bot posted there."""
        return [each for each in self.channels[channel] if each.get("bot_id") == BOT]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/socket", self._socket)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}/api/".format(*runner.addresses[0])
        try:
            yield
        finally:
            await runner.cleanup()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        posted = await request.json() if request.content_type == "application/json" else {}
        given = dict(request.query) | posted
        self.calls.append((method, given))
        planned = self.answers_next.get(method)
        lost = False
        if planned:
            if answer := planned.pop(0):
                return answer
            lost = True
        token = APP_TOKEN if method == "apps.connections.open" else TOKEN
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if not self._scopes.issuperset(SCOPES.get(method, ())):
            return web.json_response({"ok": False, "error": "missing_scope"})
        work = getattr(self, "_" + method.replace(".", "_"), None)
        result = work(given) if work else "unknown_method"
        if lost and request.transport:
            request.transport.abort()
        if isinstance(result, str):
            return web.json_response({"ok": False, "error": result})
        return web.json_response({"ok": True, **result})

    def _auth_test(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"team_id": TEAM, "user_id": BOT_USER, "bot_id": BOT, "url": "https://x.slack.com"}

    def _apps_connections_open(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"url": self.url.replace("http", "ws").replace("/api/", "/socket")}

    def _conversations_open(self, given: dict[str, Any]) -> dict[str, Any] | str:
        if given["users"] not in self.people:
            return "user_not_found"
        channel = given["users"].replace("U", "D")
        self.channels.setdefault(channel, [])
        return {"channel": {"id": channel}}

    def _chat_postMessage(self, given: dict[str, Any]) -> dict[str, Any] | str:  # noqa: N802
        if wrong := self._wrong(given):
            return wrong
        below = given.get("thread_ts")
        if below and not self._message(given["channel"], below):
            return "thread_not_found"
        message = {"type": "message", "user": BOT_USER, "bot_id": BOT, "ts": self.now()}
        self.channels[given["channel"]].append(message | given)
        return {"channel": given["channel"], "ts": message["ts"]}

    def _chat_update(self, given: dict[str, Any]) -> dict[str, Any] | str:
        if wrong := self._wrong(given):
            return wrong
        message = self._message(given["channel"], given["ts"])
        if not message:
            return "message_not_found"
        if message.get("bot_id") != BOT:
            return "cant_update_message"
        message.update(given)
        return {"channel": given["channel"], "ts": given["ts"]}

    def _chat_postEphemeral(self, given: dict[str, Any]) -> dict[str, Any] | str:  # noqa: N802
        if given["user"] not in self.people:
            return "user_not_in_channel"
        self.whispers.append(given)
        return self._wrong(given) or {"message_ts": self.now()}

    def _conversations_history(self, given: dict[str, Any]) -> dict[str, Any] | str:
        return self._listed(given, [m for m in self._of(given) if "thread_ts" not in m])

    def _conversations_replies(self, given: dict[str, Any]) -> dict[str, Any] | str:
        if not self._message(given["channel"], given["ts"]):
            return "thread_not_found"
        within = [m for m in self._of(given) if given["ts"] in (m["ts"], m.get("thread_ts"))]
        return self._listed(given, within)

    def _views_open(self, given: dict[str, Any]) -> dict[str, Any] | str:
        if given["trigger_id"] not in self.triggers:
            return "expired_trigger_id"
        if find_view_faults(given["view"]):
            return f"invalid_arguments: {find_view_faults(given['view'])}"
        self.triggers.remove(given["trigger_id"])
        self.views.append(given["view"])
        return {"view": given["view"]}

    def _wrong(self, given: dict[str, Any]) -> str:
        if given.get("channel") not in self.channels:
            return "channel_not_found"
        if not 1 <= len(given.get("text", "")) <= 40_000:
            return "no_text"
        found = find_faults(given["blocks"], 50) if "blocks" in given else []
        found += find_metadata_faults(given["metadata"]) if "metadata" in given else []
        return f"invalid_blocks: {found}" if found else ""

    def _listed(self, given: dict[str, Any], found: list[Message]) -> dict[str, Any]:
        oldest, start = float(given.get("oldest", 0)), int(given.get("cursor") or 0)
        root = given.get("ts")
        known = [m for m in found if float(m["ts"]) > oldest or m["ts"] == root]
        end = start + min(int(given["limit"]), self.page)
        page = [dict(message) for message in known[start:end]]
        if given.get("include_all_metadata") not in (True, "1", "true"):
            for message in page:
                message.pop("metadata", None)
        following = str(end) if end < len(known) else ""
        return {"messages": page, "response_metadata": {"next_cursor": following}}

    def _of(self, given: dict[str, Any]) -> list[Message]:
        return self.channels.get(given["channel"], [])

    def _message(self, channel: str, ts: str) -> Message | None:
        return next((m for m in self.channels.get(channel, ()) if m["ts"] == ts), None)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(json.dumps({"type": "hello"}))
        self.sockets.put_nowait(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                self.received.put_nowait(json.loads(message.data))
        return socket


def build_rate_limit(seconds: int) -> web.Response:
    error = {"ok": False, "error": "ratelimited"}
    return web.json_response(error, status=429, headers={"Retry-After": str(seconds)})

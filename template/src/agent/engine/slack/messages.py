"""What people write in Slack becomes a message of a thread, once, however often it arrives.

A mention or a direct message begins a thread, its Slack thread is the conversation. A reply goes
on with it; in Slack threads that the agent has no part in, nothing is heard.
"""

from contextlib import suppress
from typing import Any

from ..log.errors import ThreadNotFound
from ..log.events import Event
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import launch, message, thread_of
from ..people.identity import name_of
from ..runners.app import App
from .client import Slack
from .errands import Errands
from .posts import Place, begun_by, post_once
from .text import readable

HEARD = (None, "file_share", "thread_broadcast")
"""Subtypes that are somebody's words; edits, joins, bots and the like are not."""

_WAITS_ITS_TURN = "Noted. It waits its turn: what is waited for above has to be settled first."
_TAKES_BACK = (
    "Your message takes the question above back, and I think again. "
    "Words here never approve anything; the buttons do."
)


class Messages:
    def __init__(self, app: App, slack: Slack, errands: Errands) -> None:
        self._app = app
        self._slack = slack
        self._errands = errands

    async def said(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        """Record a message event, if it is for the agent. Raises Unavailable."""
        if not await self._for_us(body, event):
            return
        channel, ts = event["channel"], event["ts"]
        place = Place(channel, event.get("thread_ts") or ts)
        said = {
            "text": await self._text(event),
            "actor": name_of("slack", event["user"]),
            "delivery": f"slack:{channel}:{ts}",
            "source": "slack",
        }
        if thread := await self._errands.in_time(self._recorded(event, place, said)):
            self._app.runner.wake(thread.id)
            self._errands.run(self._explain(thread, place, said["delivery"]))

    async def _recorded(
        self, event: dict[str, Any], place: Place, said: dict[str, str]
    ) -> Thread | None:
        ports, direct = self._app.ports, event.get("channel_type") == "im"
        team = (await self._slack.me()).team
        ours = thread_of("slack", team, f"{place.channel}:{place.ts}")
        reply = event["type"] == "message" and place.ts != event["ts"]
        with suppress(ThreadNotFound):
            if reply:
                return await message(ports, ours, **said)
        with suppress(ThreadNotFound):
            # Somebody who is asked on behalf of a thread from elsewhere replies to the question.
            if reply and direct and (about := await begun_by(self._slack, place)):
                return await message(ports, str(about["thread"]), **said)
        begins = direct or event["type"] == "app_mention"
        return await launch(ports, ours, **said, reply_to=place.address) if begins else None

    async def _for_us(self, body: dict[str, Any], event: dict[str, Any]) -> bool:
        me = await self._slack.me()
        teams = {body.get("team_id"), *map(event.get, ("team", "user_team", "source_team"))}
        own = teams <= {me.team, None} and body.get("team_id")  # Slack Connect: others' people
        person = event.get("user") and not event.get("bot_id") and event["user"] != me.user
        words = event.get("subtype") in HEARD and "edited" not in event
        return bool(own and person and words and event.get("ts") and event.get("channel"))

    async def _text(self, event: dict[str, Any]) -> str:
        text = str(event.get("text") or "").replace(f"<@{(await self._slack.me()).user}>", "", 1)
        files = [f"[attached, not read: {file.get('name')}]" for file in event.get("files") or ()]
        return "\n".join(filter(None, [readable(text), *files]))

    async def _explain(self, thread: Thread, place: Place, delivery: str) -> None:
        """Say so where a message did not do what its writer may think it did."""
        said = next(past for past in thread.events if past.key == f"in:{delivery}")
        before = Thread.of(thread.id, thread.events[: said.seq - 1]).state.wait
        if text := _surprise(before, said):
            mark = {"thread": thread.id, "seq": said.seq}
            await post_once(self._slack, place, mark, said.at, text=text)


def _surprise(before: OpenWait | None, said: Event) -> str:
    if before is None or before.kind == "timer":
        return ""
    if before.kind in ("approval", "limit"):
        return _TAKES_BACK
    answers = before.kind == "question" and before.admits(said.actor)
    return "" if answers else _WAITS_ITS_TURN

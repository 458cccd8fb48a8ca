"""Factor 7: contact humans with tool calls, here in Slack.

Waits and results of a thread that came from Slack go to its Slack thread; people who are asked
about another thread get a direct message. The messages of a closed wait are updated.
"""

from typing import Any, Self

from ..log.errors import Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..people.identity import find_identities
from ..people.routing import find_receipt, find_wait
from .blocks import build_closed_wait, build_result, build_wait, summarize_wait
from .client import Slack, SlackRefused
from .posts import Mark, Place, build_metadata, post_once
from .text import escape

GONE = ("message_not_found", "channel_not_found", "cant_update_message", "is_archived")
"""Slack's codes for a message that nobody can press a button of any more."""


class SlackChannel:
    def __init__(self, slack: Slack) -> None:
        self._slack = slack

    @classmethod
    def from_env(cls) -> Self | None:
        slack = Slack.from_env()
        return cls(slack) if slack else None

    async def send(self, thread: Thread, event: Event) -> dict[str, Any]:
        match event.type:
            case "paused":
                return {"messages": await self._ask(thread, event)}
            case "finished":
                await self._finish(thread, event)
            case _:
                messages = (find_receipt(thread, event).get("slack") or {}).get("messages", ())
                for message in messages:
                    shown = Place(message["channel"], message["ts"])
                    await close_wait(self._slack, shown, thread.id, find_wait(thread, event), event)
        return {}

    async def _ask(self, thread: Thread, wait: Event) -> list[dict[str, str]]:
        """Post a wait, and return where; it is enough to reach one of several people."""
        users = [user for name in wait.data["audience"] for user in find_identities(name, "slack")]
        home = Place.of(thread.state.reply_to)
        messages, refused = list[dict[str, str]](), list[SlackRefused]()
        for mentioned in [users] if home else [[user] for user in users]:
            blocks, text = build_wait(thread.id, wait, mentioned), summarize_wait(wait)
            try:
                place = home or await self._open_direct(mentioned[0])
                ts = await self._post(place, thread, wait, text=text, blocks=blocks)
                messages.append({"channel": place.channel, "ts": ts})
            except SlackRefused as error:
                refused.append(error)
        if not messages:
            raise refused[0] if refused else Unavailable("nobody who is asked is known in Slack")
        return messages

    async def _finish(self, thread: Thread, event: Event) -> None:
        message = event.data["message"]
        if home := Place.of(thread.state.reply_to):
            text, blocks = escape(message, 300), build_result(message)
            await self._post(home, thread, event, text=text, blocks=blocks)

    async def _post(self, place: Place, thread: Thread, event: Event, **message: Any) -> str:
        mark = make_mark(thread.id, event)
        return await post_once(self._slack, place, mark, event.at, **message)

    async def _open_direct(self, user: str) -> Place:
        opened = await self._slack.call("conversations.open", users=user)
        return Place(opened["channel"]["id"])


async def close_wait(slack: Slack, shown: Place, thread_id: str, wait: Event, over: Event) -> None:
    """Update the message at `shown` to say how its wait was closed."""
    metadata = build_metadata(make_mark(thread_id, wait))
    message = {"channel": shown.channel, "ts": shown.ts, "metadata": metadata}
    text, blocks = summarize_wait(wait), build_closed_wait(wait, over)
    try:
        await slack.call("chat.update", **message, text=text, blocks=blocks)
    except SlackRefused as error:
        if error.code not in GONE:
            raise


def make_mark(thread_id: str, event: Event) -> Mark:
    return {"thread": thread_id, "seq": event.seq}

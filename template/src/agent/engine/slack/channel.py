"""Factor 7: contact humans with tool calls, here in Slack.

A thread that came from Slack is told things in the Slack thread it came from; people who are
asked on behalf of others are each told in a direct message. What was shown of a wait is changed
when it is closed, wherever that happened.
"""

from typing import Any, Self

from ..log.errors import Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..people.identity import identities
from ..people.routing import receipt_of, wait_of
from .blocks import asked, closed, finished, summary
from .client import Slack, SlackRefused
from .posts import Place, marked, post_once
from .text import escaped

GONE = ("message_not_found", "channel_not_found", "cant_update_message", "is_archived")
"""Nobody can press what is not there."""


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
                messages = (receipt_of(thread, event).get("slack") or {}).get("messages", ())
                for place in messages:
                    shown = Place(place["channel"], place["ts"])
                    await close(self._slack, shown, thread.id, wait_of(thread, event), event)
        return {}

    async def _ask(self, thread: Thread, wait: Event) -> list[dict[str, str]]:
        """Return where it was asked; some of several people may be out of reach."""
        users = [user for name in wait.data["audience"] for user in identities(name, "slack")]
        home = Place.of(thread.state.reply_to)
        asked_at, refused = list[dict[str, str]](), list[SlackRefused]()
        for mentioned in [users] if home else [[user] for user in users]:
            blocks = asked(thread.id, wait, mentioned)
            try:
                place = home or await self._direct(mentioned[0])
                posted = await self._post(place, thread, wait, text=summary(wait), blocks=blocks)
                asked_at.append({"channel": place.channel, "ts": posted})
            except SlackRefused as error:
                refused.append(error)
        if not asked_at:
            raise refused[0] if refused else Unavailable("nobody who is asked is known in Slack")
        return asked_at

    async def _finish(self, thread: Thread, event: Event) -> None:
        message = event.data["message"]
        if home := Place.of(thread.state.reply_to):
            text, blocks = escaped(message, 300), finished(message)
            await self._post(home, thread, event, text=text, blocks=blocks)

    async def _post(self, place: Place, thread: Thread, event: Event, **message: Any) -> str:
        return await post_once(self._slack, place, mark(thread.id, event), event.at, **message)

    async def _direct(self, user: str) -> Place:
        opened = await self._slack.call("conversations.open", users=user)
        return Place(opened["channel"]["id"])


async def close(slack: Slack, shown: Place, thread_id: str, wait: Event, over: Event) -> None:
    """Change the message at `shown` to say how its wait was closed."""
    metadata = marked(mark(thread_id, wait))
    named = {"channel": shown.channel, "ts": shown.ts, "metadata": metadata}
    try:
        await slack.call("chat.update", **named, text=summary(wait), blocks=closed(wait, over))
    except SlackRefused as error:
        if error.code not in GONE:
            raise


def mark(thread_id: str, event: Event) -> dict[str, Any]:
    """Return what the message about an event carries."""
    return {"thread": thread_id, "seq": event.seq}

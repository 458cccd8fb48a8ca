"""The messages that the agent posts in Slack, each of them once.

Slack has no idempotency keys. So every message carries `{thread, seq}` as metadata, and before one
is posted, its conversation is searched for it: a message that was posted before a crash is not
posted again.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .client import Slack, SlackRefused

EVENT_TYPE = "agent_event"
"""The type of the metadata that our messages carry."""
SKEW_S = 3600.0
"""How far Slack's clock and the store's may differ when an earlier message is searched for."""

Mark = dict[str, Any]
"""What a message of ours is about: `{thread, seq}`."""


@dataclass(frozen=True)
class Place:
    """A conversation, or the Slack thread below `ts` in it."""

    channel: str
    ts: str = ""

    @property
    def address(self) -> str:
        return f"slack:{self.channel}/{self.ts}"

    @classmethod
    def of(cls, reply_to: str) -> "Place | None":
        """Read an `address`; `slack:C1` is a whole channel. None for another kind of address."""
        kind, _, address = reply_to.partition(":")
        channel, _, ts = address.partition("/")
        return cls(channel, ts) if kind == "slack" and channel else None


async def post_once(
    slack: Slack, place: Place, mark: Mark, since: datetime | None, **message: Any
) -> str:
    """Post a message with `mark`, unless one was posted after `since`; return its `ts`.

    Raises:
        Unavailable: the message may or may not have been posted.
    """
    try:
        async for past in _read_messages(slack, place, since):
            if await read_mark(slack, past) == mark:
                return str(past["ts"])
    except SlackRefused:
        pass  # the app may post there but not read: then a message may be posted twice
    posted = await slack.call(
        "chat.postMessage",
        channel=place.channel,
        metadata=build_metadata(mark),
        unfurl_links=False,  # an address could carry what the agent read to whoever wrote it
        unfurl_media=False,
        **({"thread_ts": place.ts} if place.ts else {}),
        **message,
    )
    return str(posted["ts"])


def build_metadata(mark: Mark) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": mark}


async def read_mark(slack: Slack, message: dict[str, Any]) -> Mark | None:
    """Return the mark of a message; None if the message is not ours."""
    metadata = message.get("metadata") or {}
    ours = message.get("bot_id") == (await slack.get_bot()).id
    return (
        metadata.get("event_payload") if ours and metadata.get("event_type") == EVENT_TYPE else None
    )


async def find_first_mark(slack: Slack, place: Place) -> Mark | None:
    """Return the mark of the first message in a Slack thread, if that message is ours."""
    try:
        page = await slack.call(
            "conversations.replies",
            channel=place.channel,
            ts=place.ts,
            limit=1,
            include_all_metadata=True,
        )
    except SlackRefused as error:
        if error.code != "thread_not_found":
            raise
        return None
    first: dict[str, Any] = next(iter(page["messages"]), {})
    return await read_mark(slack, first) if first.get("ts") == place.ts else None


async def _read_messages(slack: Slack, place: Place, since: datetime | None) -> AsyncIterator[Any]:
    which: dict[str, Any] = {"channel": place.channel, "limit": 200, "include_all_metadata": True}
    which |= {"ts": place.ts} if place.ts else {}
    which |= {"oldest": f"{since.timestamp() - SKEW_S:.6f}"} if since else {}
    method = "conversations.replies" if place.ts else "conversations.history"
    while True:
        page = await slack.call(method, **which)
        for message in page["messages"]:
            yield message
        which["cursor"] = (page.get("response_metadata") or {}).get("next_cursor")
        if not which["cursor"]:
            break

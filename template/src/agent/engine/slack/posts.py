"""Messages of ours in Slack: each is posted once, and can be told from everybody else's.

Slack has no idempotency keys. So every message carries `{thread, seq}` as metadata, and before
one is posted its conversation is searched for it: what was told before a crash is not told twice.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .client import Slack, SlackRefused

MARK = "agent_event"
"""The kind of the metadata that our messages carry."""
SKEW_S = 3600.0
"""How far Slack's clock and the store's may differ when an earlier message is searched."""


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
        """Read an `address`, `slack:C1` being all of a channel; None for one of elsewhere."""
        kind, _, address = reply_to.partition(":")
        channel, _, ts = address.partition("/")
        return cls(channel, ts) if kind == "slack" and channel else None


async def post_once(
    slack: Slack, place: Place, mark: dict[str, Any], since: datetime | None, **message: Any
) -> str:
    """Post a message that carries `mark`, unless it is there since `since`; return its `ts`.

    Raises:
        Unavailable: it is not known to be there.
    """
    try:
        async for past in _messages(slack, place, since):
            if await mark_of(slack, past) == mark:
                return str(past["ts"])
    except SlackRefused:
        pass  # it may post there but not read: at least once, then
    posted = await slack.call(
        "chat.postMessage",
        channel=place.channel,
        metadata=marked(mark),
        unfurl_links=False,  # an address could carry what the agent read to whoever wrote it
        unfurl_media=False,
        **({"thread_ts": place.ts} if place.ts else {}),
        **message,
    )
    return str(posted["ts"])


def marked(mark: dict[str, Any]) -> dict[str, Any]:
    return {"event_type": MARK, "event_payload": mark}


async def mark_of(slack: Slack, message: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a message of ours carries; None for everybody else's."""
    metadata = message.get("metadata") or {}
    ours = message.get("bot_id") == (await slack.me()).bot
    return metadata.get("event_payload") if ours and metadata.get("event_type") == MARK else None


async def begun_by(slack: Slack, place: Place) -> dict[str, Any] | None:
    """Return what the first message of a Slack thread carries, if it is ours."""
    page = await slack.call(
        "conversations.replies",
        channel=place.channel,
        ts=place.ts,
        limit=1,
        include_all_metadata=True,
    )
    first: dict[str, Any] = next(iter(page["messages"]), {})
    return await mark_of(slack, first) if first.get("ts") == place.ts else None


async def _messages(slack: Slack, place: Place, since: datetime | None) -> AsyncIterator[Any]:
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

"""Factor 7: contact humans with tool calls, here in Slack.

Waits and results of a thread that came from Slack go to its Slack thread; people who are asked
about another thread get a direct message. The messages of a closed wait are updated.
"""

from typing import Any, Self

from ..log.errors import Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Sent
from ..people.history import find_receipts, find_wait
from ..people.identity import find_identities
from ..settings import read_public_url
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
        """Return None if nothing is set. Raises Misconfigured if a setting is missing or wrong."""
        slack = Slack.from_env()
        if slack:
            read_public_url()
        return cls(slack) if slack else None

    async def send(self, thread: Thread, event: Event) -> Sent:
        match event.type:
            case "paused" | "reminded":
                return await self._ask(thread, event)
            case "finished":
                return await self._finish(thread, event)
            case "notice":
                return await self._notify(thread, event)
        for receipt in find_receipts(thread, event).get("slack", ()):
            for message in receipt["messages"]:
                shown = Place(message["channel"], message["ts"])
                await close_wait(self._slack, shown, thread.id, find_wait(thread, event), event)
        return Sent()

    async def _ask(self, thread: Thread, event: Event) -> Sent:
        """Post a wait, or post it once more; it is enough to reach one of several people."""
        home, wait = Place.of(thread.state.reply_to), find_wait(thread, event)
        known = {name: find_identities(name, "slack") for name in event.data["audience"]}
        each = [(name, [user]) for name, found in known.items() for user in found]
        together = [("", [user for _, (user,) in each])]
        how = {"again": event.type == "reminded", "replies": not home or bool(home.ts)}
        messages, refused = dict[str, dict[str, str]](), list[SlackRefused]()
        for reader, mentioned in together if home else each:
            blocks, text = (
                build_wait(thread.id, wait, mentioned, reader, **how),
                summarize_wait(wait),
            )
            try:
                place = home or await self._open_direct(mentioned[0])
                ts = await self._post(place, thread, event, text=text, blocks=blocks)
            except SlackRefused as error:
                refused.append(error)
            else:
                posted = {"channel": place.channel, "ts": ts}
                messages |= dict.fromkeys(mentioned, posted) or {"": posted}
        if not messages:
            raise refused[0] if refused else Unavailable("nobody who is asked is known in Slack")
        people = tuple(
            name for name, found in known.items() if not messages.keys().isdisjoint(found)
        )
        places = {posted["ts"]: posted for posted in messages.values()}
        return Sent(people or _find_home_people(thread, home), {"messages": [*places.values()]})

    async def _finish(self, thread: Thread, event: Event) -> Sent:
        home, message = Place.of(thread.state.reply_to), event.data["message"]
        if home:
            text, blocks = escape(message, 300), build_result(message)
            await self._post(home, thread, event, text=text, blocks=blocks)
        return Sent(_find_home_people(thread, home))

    async def _notify(self, thread: Thread, event: Event) -> Sent:
        """Post a text where the thread lives, or else to each person whom Slack can reach."""
        home, text = Place.of(thread.state.reply_to), event.data["text"]
        message = {"text": escape(text, 300), "blocks": build_result(text)}
        if home:
            await self._post(home, thread, event, **message)
            return Sent(_find_home_people(thread, home))
        reached, refused = list[str](), list[SlackRefused]()
        for name in event.data["audience"]:
            for user in find_identities(name, "slack"):
                try:
                    await self._post(await self._open_direct(user), thread, event, **message)
                except SlackRefused as error:
                    refused.append(error)
                else:
                    reached.append(name)
        if refused and not reached:
            raise refused[0]
        return Sent(tuple(dict.fromkeys(reached)))

    async def _post(self, place: Place, thread: Thread, event: Event, **message: Any) -> str:
        mark = make_mark(thread.id, event)
        return await post_once(self._slack, place, mark, event.at, **message)

    async def _open_direct(self, user: str) -> Place:
        opened = await self._slack.call("conversations.open", users=user)
        return Place(opened["channel"]["id"])


def _find_home_people(thread: Thread, home: Place | None) -> tuple[str, ...]:
    """Return who reads the conversation that a thread came from, as far as the log knows."""
    return (thread.state.owner,) if home else ()


async def close_wait(slack: Slack, shown: Place, thread_id: str, wait: Event, over: Event) -> None:
    """Update the message at `shown` to say how its wait was closed."""
    metadata = build_metadata(make_mark(thread_id, wait))
    message = {"channel": shown.channel, "ts": shown.ts, "metadata": metadata}
    text, blocks = summarize_wait(wait), build_closed_wait(thread_id, wait, over)
    try:
        await slack.call("chat.update", **message, text=text, blocks=blocks)
    except SlackRefused as error:
        if error.code not in GONE:
            raise


def make_mark(thread_id: str, event: Event) -> Mark:
    return {"thread": thread_id, "seq": event.seq}

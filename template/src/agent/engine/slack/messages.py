"""A message that somebody writes in Slack becomes a message of a thread, once, however often it
arrives.

A mention or a direct message starts a thread, whose conversation is its Slack thread. A reply there
continues it. Slack threads that the agent takes no part in are ignored.
"""

from contextlib import suppress
from typing import Any

from ..log.errors import Forgotten, Refused, ThreadNotFound
from ..log.events import Event
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import append_message, launch, name_thread
from ..loop.conversations import find_conversation
from ..people.access import check_act, check_reader, check_sender
from ..people.identity import choose_agent, resolve_person
from ..runners.app import App
from .background import Background
from .client import Slack
from .payloads import Message, Sender, read
from .posts import Place, find_first_mark, post_once
from .text import escape, read_message

SUBTYPES = (None, "file_share", "thread_broadcast")
"""Of what a person wrote; edits, joins, bots and the like have others."""

_WAITS_ITS_TURN = "Noted. The agent reads this once the request above is settled."
_NOTES = {
    "approval": "Your message withdraws the request above, and the agent decides again. "
    "A message never approves anything; only the buttons do.",
    "limit": "Your message continues the thread. The agent reads it.",
}


class Messages:
    def __init__(self, app: App, slack: Slack, background: Background) -> None:
        self._app = app
        self._slack = slack
        self._background = background

    async def on_message(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        """Record a message event if it is for the agent. Raises Unavailable or Malformed."""
        team, written = read(Sender, body).team_id, read(Message, event)
        channel, ts, user = written.channel, written.ts, written.user
        if not (channel and ts and user and await self._is_for_us(team, written)):
            return
        place = Place(channel, written.thread_ts or ts)
        message: dict[str, Any] = {
            "text": await self._read_text(written),
            "actor": resolve_person("slack", user),
            "delivery": f"slack:{channel}:{ts}",
            "source": "slack",
        }
        try:
            thread = await self._background.wait_in_time(self._record(written, place, message))
        except Refused as why:
            return self._background.start(self._say_refused(place, user, why))
        if thread:
            self._app.runner.wake(thread.id)
            self._background.start(self._explain(thread, place, message["delivery"]))

    async def _record(self, written: Message, place: Place, given: dict[str, Any]) -> Thread | None:
        ports, direct = self._app.ports, written.channel_type == "im"
        team = (await self._slack.get_bot()).team
        named = name_thread("slack", team, f"{place.channel}:{place.ts}")
        try:
            ours = await find_conversation(ports.store, named, f"in:{given['delivery']}")
        except Forgotten:  # it was for a thread that was deleted since
            return None
        reply = written.type == "message" and place.ts != written.ts
        await check_sender(ports, ours, given["actor"])
        with suppress(ThreadNotFound):
            if reply:
                return await append_message(ports, ours, **given)
        with suppress(ThreadNotFound):
            # Somebody who is asked about a thread from elsewhere replies to the question.
            if reply and direct and (mark := await find_first_mark(self._slack, place)):
                thread = await ports.store.load(str(mark["thread"]))
                await check_reader(ports, thread, given["actor"])
                await check_act(ports, thread, given["actor"], "write")
                return await append_message(ports, thread.id, **given)
        starts = direct or written.type == "app_mention"
        if not starts:
            return None
        agent = choose_agent("slack", [place.channel])
        with suppress(Forgotten):  # it was for a thread that was deleted since
            return await launch(ports, named, **given, reply_to=place.address, agent=agent)
        return None

    async def _is_for_us(self, team: str | None, written: Message) -> bool:
        bot = await self._slack.get_bot()
        teams = {team, written.team, written.user_team, written.source_team}
        own = teams <= {bot.team, None} and team  # others come by Slack Connect
        person = not written.bot_id and written.user != bot.user
        return bool(own and person and written.subtype in SUBTYPES and written.edited is None)

    async def _read_text(self, written: Message) -> str:
        user = (await self._slack.get_bot()).user
        text = (written.text or "").replace(f"<@{user}>", "", 1)
        files = [f"[attached, not read: {file.name}]" for file in written.files or ()]
        return "\n".join(filter(None, [read_message(text), *files]))

    async def _say_refused(self, place: Place, user: str, why: Refused) -> None:
        """Tell whoever wrote a message, and nobody else, why it was not taken."""
        text = f"Your message was not recorded: {escape(str(why))}"
        where = {"channel": place.channel, "thread_ts": place.ts, "user": user}
        await self._slack.call("chat.postEphemeral", **where, text=text)

    async def _explain(self, thread: Thread, place: Place, delivery: str) -> None:
        """Post a note if a message did something else than its writer may expect."""
        recorded = next(past for past in thread.events if past.key == f"in:{delivery}")
        before = thread.before(recorded.seq).state.wait
        if text := _describe_effect(before, recorded):
            mark = {"thread": thread.id, "seq": recorded.seq}
            await post_once(self._slack, place, mark, recorded.at, text=text)


def _describe_effect(before: OpenWait | None, written: Event) -> str:
    """Return what a message did to the wait that was open before it; "" if that is plain."""
    if before is None or before.kind == "timer" or "to" in written.data:
        return ""
    if before.kind in _NOTES:
        return _NOTES[before.kind]
    answers = before.kind == "question" and before.admits(written.actor)
    return "" if answers else _WAITS_ITS_TURN

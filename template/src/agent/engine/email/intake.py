"""Turns a mail into a message of a thread, in the same way for IMAP and for every provider."""

import asyncio
import logging
from dataclasses import dataclass

from ..log.errors import Forgotten, Refused, ThreadNotFound
from ..log.events import make_event
from ..log.thread import Thread
from ..loop import api
from ..loop.conversations import find_conversation, find_open_parent
from ..people.access import check_act, check_reader
from ..people.identity import choose_agent, resolve_person
from ..runners.app import App
from .body import read_body
from .head import MAX_MAIL, BrokenMail, Head
from .home import format_delivery, format_home, read_home
from .letters import UNREAD
from .quota import Quota
from .senders import Senders, detect_robot
from .stamp import Stamp
from .text import extract_message

MAX_MAILS = 100
"""In one thread; if more come, two machines are writing to each other."""
MAX_NAMES = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    app: App
    stamp: Stamp
    senders: Senders
    most: int
    """Threads that one sender may start within an hour."""

    async def take_mail(self, raw: bytes) -> str:
        """Append what somebody wrote; return why a mail was ignored, which is logged too, else "".

        Raises:
            BrokenMail: the mail cannot be read.
            Postponed: its sender started too many threads; it has to be delivered again later.
            Unavailable: the store cannot be reached; the mail has to be delivered again.
        """
        if len(raw) > MAX_MAIL:
            raise BrokenMail(f"it has more than {MAX_MAIL} bytes")
        head = Head.of(raw)
        thread_id = self._find_thread_id(head)
        reason = detect_robot(head, self.stamp) or self.senders.find_refusal(head)
        actor = resolve_person("email", head.sender)
        thread = None if reason else await self._find_thread(thread_id)
        reason = reason or await self._find_refusal(thread, actor)
        address = self.stamp.address if thread and head.references else ""
        text = "" if reason else await asyncio.to_thread(_compose_text, head, raw, address)
        if not text:
            reason = reason or "it has no text"
            log.info("ignored mail %s from %s: %s", head.id, head.sender, reason)
            return reason
        agent = choose_agent("email", head.recipients)
        if thread is None:
            begun = Thread(thread_id).plus(make_event("message", actor, agent=agent))
            await self._quota.check_start(begun, self.senders.find_entry(head.sender))
        try:
            launched = await api.launch(
                self.app.ports,
                thread.id if thread else thread_id,
                text,
                actor=actor,
                delivery=format_delivery(head.id),
                source="email",
                reply_to=format_home(head.sender, self.app.ports.redact(head.subject)),
                agent=agent,
            )
        except Forgotten as forgotten:
            return str(forgotten)
        self.app.runner.wake(launched.id)
        return ""

    @property
    def _quota(self) -> Quota:
        return Quota(self.app.ports, self.most)

    def _find_thread_id(self, head: Head) -> str:
        """Return the thread of the mail that this one answers, else the one its root names."""
        ids = [self.stamp.read_thread_id(reference) for reference in head.references]
        ours = [thread_id for thread_id in ids if thread_id]
        root = (*head.references, head.id)[0]
        return ours[-1] if ours else api.name_thread("email", self.stamp.address, root)

    async def _find_thread(self, thread_id: str) -> Thread | None:
        """Return the thread of a conversation; None if there is none yet, or it was deleted."""
        store = self.app.ports.store
        try:
            thread = await store.load(await find_conversation(store, thread_id))
        except ThreadNotFound:
            return None
        return await find_open_parent(store, thread)

    async def _find_refusal(self, thread: Thread | None, person: str) -> str:
        """Return why the thread takes no more mails, or none of this person; else ""."""
        if thread is None:
            return ""
        mails = sum(past.data.get("source") == "email" for past in thread.events)
        if mails >= MAX_MAILS:
            return f"thread {thread.id} already has {mails} mails"
        try:
            if read_home(thread) == ("", ""):  # it lives elsewhere, so a mail need not be its own
                await check_reader(self.app.ports, thread, person)
            await check_act(self.app.ports, thread, person, "write")
        except (Refused, ThreadNotFound) as refused:
            return str(refused)
        return ""


def _compose_text(head: Head, raw: bytes, address: str) -> str:
    """Return the message: the subject if it is new, the text, and the names of attachments."""
    body = read_body(raw)
    parts = ["" if head.references else head.subject, extract_message(body.text, address)]
    parts += body.forwarded
    if body.files:
        more = ["…"] if len(body.files) > MAX_NAMES else []
        parts.append(UNREAD.format(", ".join([*body.files[:MAX_NAMES], *more])))
    return "\n\n".join(filter(None, parts))

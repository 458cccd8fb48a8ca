"""From a mail to a message in a thread, the same for IMAP and for every provider."""

import asyncio
import logging
from dataclasses import dataclass

from ..log.errors import ThreadNotFound
from ..loop import api
from ..people.identity import name_of
from ..runners.app import App
from .home import delivery_of, home_of
from .letters import UNREAD
from .mail import MAX_MAIL, BrokenMail, Head, body
from .senders import Senders, robot
from .stamp import Stamp
from .text import own_words, without_signature

MAX_MAILS = 100
"""In one thread; where more come, two machines write to each other."""
MAX_NAMES = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    app: App
    stamp: Stamp
    senders: Senders

    async def take(self, raw: bytes) -> str:
        """Append what somebody wrote; return why not where it was put aside, which is logged.

        Raises:
            BrokenMail: it cannot be read.
            Unavailable: the store is away; the mail has to come again.
        """
        if len(raw) > MAX_MAIL:
            raise BrokenMail(f"it has more than {MAX_MAIL} bytes")
        head = Head.of(raw)
        thread_id = self._thread(head)
        reason = robot(head, self.stamp) or self.senders.refusal(head)
        reason = reason or await self._loop(thread_id)
        text = "" if reason else await asyncio.to_thread(_text, head, raw)
        if not text:
            reason = reason or "it says nothing"
            log.info("mail %s of %s is ignored: %s", head.id, head.sender, reason)
            return reason
        await api.launch(
            self.app.ports,
            thread_id,
            text,
            actor=name_of("email", head.sender),
            delivery=delivery_of(head.id),
            source="email",
            reply_to=home_of(head.sender, head.subject),
        )
        self.app.runner.wake(thread_id)
        return ""

    def _thread(self, head: Head) -> str:
        """Return where a mail belongs: to what it answers, by our word or by its root."""
        ours = [thread for one in head.references if (thread := self.stamp.thread_of(one))]
        root = (*head.references, head.id)[0]
        return ours[-1] if ours else api.thread_of("email", self.stamp.address, root)

    async def _loop(self, thread_id: str) -> str:
        try:
            thread = await self.app.ports.store.load(thread_id)
        except ThreadNotFound:
            return ""
        mails = sum(past.data.get("source") == "email" for past in thread.events)
        return f"its thread {thread_id} has {mails} mails already" if mails >= MAX_MAILS else ""


def _text(head: Head, raw: bytes) -> str:
    """Return what the agent is told: the subject if it is new, the text, what was attached."""
    text, names = body(raw)
    if head.references:
        parts = [own_words(text, head.subject)]
    else:
        parts = [head.subject, without_signature(text)]
    if names:
        more = ["…"] if len(names) > MAX_NAMES else []
        parts.append(UNREAD.format(", ".join(names[:MAX_NAMES] + more)))
    return "\n\n".join(filter(None, parts))

"""Reads a mailbox over IMAP. The server keeps track of what was read: a mail is marked as seen
once it is in the log. A mail that cannot be read is also flagged, for a person to look at, and does
not block the others. Nor does one whose sender started too many threads, which stays unseen.

Every poll opens a connection of its own, so there is none to keep alive.
"""

import asyncio
import imaplib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from ..log.errors import Misconfigured, Unavailable
from ..settings import optional
from .head import BrokenMail
from .intake import Intake
from .mailbox import Connection, fetch_mail, open_mailbox, search_unseen, set_flags
from .quota import RETRY_S, Postponed
from .server import Server

MAX_BACK_OFF_S = 300.0
_PORTS = {"imaps": 993, "imap": 143}
_HINT = "The mailbox to read: imaps://user:password@host/INBOX."
_FAILURES = (imaplib.IMAP4.error, OSError, Unavailable)

log = logging.getLogger(__name__)


class ImapBox:
    def __init__(self, server: Server, intake: Intake, poll_s: float = 30.0) -> None:
        self._server = server
        self._intake = intake
        self._poll_s = poll_s
        self._postponed: dict[str, float] = {}
        """When mails are taken that wait in the mailbox, by the clock of the event loop."""

    @classmethod
    def from_env(cls, intake: Intake) -> Self:
        try:
            poll_s = float(optional("EMAIL_POLL_S", "30"))
        except ValueError:
            raise Misconfigured("EMAIL_POLL_S is not a number of seconds") from None
        if not 0.1 <= poll_s <= 86_400:
            raise Misconfigured("EMAIL_POLL_S is not a number of seconds between 0.1 and 86400")
        return cls(Server.from_env("EMAIL_IMAP_URL", _PORTS, _HINT), intake, poll_s)

    async def run(self) -> None:
        """Poll until cancelled, less often while the server cannot be reached."""
        pause_s = self._poll_s
        while True:
            try:
                await self.poll()
                pause_s = self._poll_s
            except _FAILURES as error:
                pause_s = min(2 * pause_s, max(MAX_BACK_OFF_S, self._poll_s))
                where = f"{self._server.host} (EMAIL_IMAP_URL)"
                log.warning(
                    "cannot read mail from %s, retrying in %.3g s: %s", where, pause_s, error
                )
            await asyncio.sleep(pause_s)

    async def poll(self) -> None:
        """Take all unseen mails, oldest first, but for those that are postponed."""
        clock = asyncio.get_running_loop()
        async with self._connect() as box:
            unseen = await asyncio.to_thread(search_unseen, box)
            self._postponed = {uid: self._postponed.get(uid, 0.0) for uid in unseen}
            for uid in unseen:
                if self._postponed[uid] > clock.time():
                    continue
                if flags := await self._take_mail(box, uid):
                    await asyncio.to_thread(set_flags, box, uid, flags)

    async def _take_mail(self, box: imaplib.IMAP4, uid: str) -> str:
        """Hand one mail to the intake, and return the flags that it gets; "" if it is postponed."""
        try:
            if (raw := await asyncio.to_thread(fetch_mail, box, uid)) is not None:
                await self._intake.take_mail(raw)
            return r"\Seen"
        except Postponed as why:
            log.info("mail %s in %s waits: %s", uid, self._server.path, why)
            self._postponed[uid] = asyncio.get_running_loop().time() + RETRY_S
            return ""
        except BrokenMail as error:
            log.warning("mail %s in %s cannot be read: %s", uid, self._server.path, error)
            return r"\Seen \Flagged"

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[imaplib.IMAP4]:
        connection = Connection()
        try:
            box = await asyncio.to_thread(connection.connect, self._server)
            await asyncio.to_thread(open_mailbox, box, self._server)
            yield box
            await asyncio.to_thread(box.logout)
        finally:
            connection.drop()

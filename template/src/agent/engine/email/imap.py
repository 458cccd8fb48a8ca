"""Reads a mailbox over IMAP. The server keeps track of what was read: a mail is marked as seen
once it is in the log. A mail that cannot be read is also flagged, for a person to look at, and does
not block the others.

Every poll opens a connection of its own, so there is none to keep alive.
"""

import asyncio
import imaplib
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from ..log.errors import Misconfigured, Unavailable
from ..settings import optional
from .intake import Intake
from .mail import MAX_MAIL, BrokenMail
from .server import TIMEOUT_S, Server

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
        """Take all unseen mails, oldest first."""
        async with self._connect() as box:
            for uid in await asyncio.to_thread(_search_unseen, box):
                flags = await self._take_mail(box, uid)
                await asyncio.to_thread(_set_flags, box, uid, flags)

    async def _take_mail(self, box: imaplib.IMAP4, uid: str) -> str:
        """Hand one mail to the intake, and return the flags that it gets."""
        try:
            if (raw := await asyncio.to_thread(_fetch, box, uid)) is not None:
                await self._intake.take_mail(raw)
            return r"\Seen"
        except BrokenMail as error:
            log.warning("mail %s in %s cannot be read: %s", uid, self._server.path, error)
            return r"\Seen \Flagged"

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[imaplib.IMAP4]:
        connection = _Connection()
        try:
            box = await asyncio.to_thread(connection.connect, self._server)
            await asyncio.to_thread(_open_mailbox, box, self._server)
            yield box
            await asyncio.to_thread(box.logout)
        finally:
            connection.drop()


class _Connection:
    """A connection that can be dropped while its thread opens it, or waits for an answer."""

    def __init__(self) -> None:
        self._box: imaplib.IMAP4 | None = None
        self._dropped = False

    def connect(self, server: Server) -> imaplib.IMAP4:
        host, port = server.host, server.port
        if server.tls:
            context = server.make_context()
            self._box = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=TIMEOUT_S)
        else:
            self._box = imaplib.IMAP4(host, port, timeout=TIMEOUT_S)
        if self._dropped:
            self.drop()
        return self._box

    def drop(self) -> None:
        self._dropped = True
        if self._box:
            with suppress(OSError):  # wakes who waits, who would keep it open
                self._box.socket().shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                self._box.shutdown()


def _open_mailbox(box: imaplib.IMAP4, server: Server) -> None:
    if server.wants_tls("STARTTLS" in box.capabilities):
        box.starttls(server.make_context())
    box.login(server.user, server.password)
    name = (server.path or "INBOX").replace("\\", r"\\").replace('"', r"\"")
    _check(box.select(f'"{name}"'))


def _search_unseen(box: imaplib.IMAP4) -> list[str]:
    return [uid.decode() for uid in (_check(box.uid("SEARCH", "UNSEEN"))[0] or b"").split()]


def _fetch(box: imaplib.IMAP4, uid: str) -> bytes | None:
    """Return a mail, or None if another process removed it."""
    size = _check(box.uid("FETCH", uid, "(RFC822.SIZE)"))[0] or b""
    if (found := re.search(rb"RFC822\.SIZE (\d+)", size)) and int(found[1]) > MAX_MAIL:
        raise BrokenMail(f"it has more than {MAX_MAIL} bytes")
    answer = _check(box.uid("FETCH", uid, "(BODY.PEEK[])"))
    return next((part[1] for part in answer if isinstance(part, tuple)), None)


def _set_flags(box: imaplib.IMAP4, uid: str, flags: str) -> None:
    _check(box.uid("STORE", uid, "+FLAGS", f"({flags})"))


def _check(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(f"the server answered {answer[0]}: {answer[1]!r}")
    return answer[1]

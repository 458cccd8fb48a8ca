"""A mailbox on an IMAP server: the connection, and the few commands that reading it needs.

All of it blocks, so it runs in threads.
"""

import imaplib
import re
import socket
from contextlib import suppress
from typing import Any

from .head import MAX_MAIL, BrokenMail
from .server import TIMEOUT_S, Server


class Connection:
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
            with suppress(OSError):  # wakes a thread that waits, and would keep it open
                self._box.socket().shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                self._box.shutdown()


def open_mailbox(box: imaplib.IMAP4, server: Server) -> None:
    if server.wants_tls("STARTTLS" in box.capabilities):
        box.starttls(server.make_context())
    box.login(server.user, server.password)
    name = (server.path or "INBOX").replace("\\", r"\\").replace('"', r"\"")
    _check(box.select(f'"{name}"'))


def search_unseen(box: imaplib.IMAP4) -> list[str]:
    return [uid.decode() for uid in (_check(box.uid("SEARCH", "UNSEEN"))[0] or b"").split()]


def fetch_mail(box: imaplib.IMAP4, uid: str) -> bytes | None:
    """Return a mail, or None if another process removed it."""
    size = _check(box.uid("FETCH", uid, "(RFC822.SIZE)"))[0] or b""
    if (found := re.search(rb"RFC822\.SIZE (\d+)", size)) and int(found[1]) > MAX_MAIL:
        raise BrokenMail(f"it has more than {MAX_MAIL} bytes")
    answer = _check(box.uid("FETCH", uid, "(BODY.PEEK[])"))
    return next((part[1] for part in answer if isinstance(part, tuple)), None)


def set_flags(box: imaplib.IMAP4, uid: str, flags: str) -> None:
    _check(box.uid("STORE", uid, "+FLAGS", f"({flags})"))


def _check(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(f"the server answered {answer[0]}: {answer[1]!r}")
    return answer[1]

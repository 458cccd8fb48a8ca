"""Factor 7: contact humans by email. Questions and results are sent over SMTP.

Each person asked gets a mail of their own. A mail cannot be changed after it was sent, so none is
sent when a question is closed: its link says how it was closed. A mail that is sent again has the
same Message-ID, so mail programs recognize it.
"""

import asyncio
import logging
import smtplib
from collections.abc import Collection
from email.message import EmailMessage
from typing import Self

from ..log.errors import Misconfigured, Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Ports, Sent
from ..people.identity import find_identities
from ..settings import optional, read_public_url
from .home import goes_home, read_home
from .letters import Letterhead, write_letter
from .quota import RETRY_S, Quota, read_most
from .server import TIMEOUT_S, Server
from .stamp import Stamp

log = logging.getLogger(__name__)

INBOUND = ("EMAIL_IMAP_URL", "EMAIL_MAILGUN_KEY", "EMAIL_POSTMARK_PASSWORD")
"""Receiving mail needs any of them."""
OUTBOUND = ("EMAIL_FROM", "EMAIL_SECRET", "EMAIL_SMTP_URL")
"""Sending mail needs all of them."""
SETTINGS = (*OUTBOUND, "EMAIL_ALLOWED", *INBOUND)
_PORTS = {"smtps": 465, "smtp": 587}
_HINT = "It sends the mail: smtps://user:password@host, or smtp:// for STARTTLS."


def is_set_up() -> bool:
    """Say whether email is set up. Raises Misconfigured if only in part, naming what is missing."""
    if not any(map(optional, SETTINGS)):
        return False
    inbound = any(map(optional, INBOUND))
    needed = (*OUTBOUND, "EMAIL_AUTHSERV_ID") if inbound else OUTBOUND
    if missing := [name for name in needed if not optional(name)]:
        verb = "is" if len(missing) == 1 else "are"
        raise Misconfigured(f"{', '.join(missing)} {verb} not set. See docs/email.md.")
    return True


class EmailChannel:
    def __init__(self, letterhead: Letterhead, server: Server, most: int) -> None:
        self._letterhead = letterhead
        self._server = server
        self._most = most
        self._quota: Quota | None = None

    @classmethod
    def from_env(cls) -> Self | None:
        """Return None if nothing is set. Raises Misconfigured if only some of it is."""
        if not is_set_up():
            return None
        server = Server.from_env("EMAIL_SMTP_URL", _PORTS, _HINT)
        takes_replies = any(map(optional, INBOUND))
        letterhead = Letterhead(Stamp.from_env(), read_public_url(), takes_replies)
        return cls(letterhead, server, read_most())

    def connect(self, ports: Ports) -> None:
        """Count from now on how many mails each address gets."""
        self._quota = Quota(ports, self._most)

    async def send(self, thread: Thread, event: Event) -> Sent:
        if event.data.get("kind") == "timer":
            return Sent()  # a timer needs no answer
        receivers = await self._admit(thread, event, _find_receivers(thread, event))
        letters = {
            person: write_letter(self._letterhead, thread, event, person, address)
            for person, address in receivers.items()
        }
        refused = await asyncio.to_thread(self._send, [*letters.values()])
        return Sent(tuple(name for name, one in letters.items() if one["To"] not in refused))

    async def _admit(
        self, thread: Thread, event: Event, receivers: dict[str, str]
    ) -> dict[str, str]:
        """Return those whose address may get a mail now.

        Raises:
            Unavailable: no address may; the mail waits.
        """
        if not self._quota or event.type == "notice":
            return receivers
        admitted = {
            name: address
            for name, address in receivers.items()
            if await self._quota.admits(thread, event, address)
        }
        if over := ", ".join(each for name, each in receivers.items() if name not in admitted):
            why = f"{over} got {self._most} mails within an hour (EMAIL_MAX_PER_HOUR)"
            if not admitted:
                raise Unavailable(f"this mail waits: {why}", RETRY_S)
            log.warning("no mail about %s, event %d: %s", thread.id, event.seq, why)
        return admitted

    def _send(self, letters: list[EmailMessage]) -> Collection[str]:
        """Send letters, and return the addresses that were refused."""
        refused: dict[str, tuple[int, bytes]] = {}
        try:
            with self._connect() as smtp:
                self._log_in(smtp)
                for one in letters:
                    refused |= _send_one(smtp, one)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"mail cannot be sent: {error}") from None
        why = "; ".join(f"{to}: {code} {text!r}" for to, (code, text) in refused.items())
        if len(refused) == len(letters) or any(code < 500 for code, _ in refused.values()):
            raise Unavailable(f"{self._server.host} did not accept the mail: {why}")
        if refused:
            log.warning("%s did not accept a mail: %s", self._server.host, why)
        return refused

    def _connect(self) -> smtplib.SMTP:
        host, port = self._server.host, self._server.port
        if self._server.tls:
            context = self._server.make_context()
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(host, port, timeout=TIMEOUT_S)

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo()
        if self._server.wants_tls(smtp.has_extn("starttls")):
            smtp.starttls(context=self._server.make_context())
        if self._server.user:
            smtp.login(self._server.user, self._server.password)


def _find_receivers(thread: Thread, event: Event) -> dict[str, str]:
    """Return the address of each receiver by name: whoever wrote, unless others are asked."""
    audience = () if goes_home(thread, event) else event.data["audience"]
    known = {
        name: addresses[0] for name in audience if (addresses := find_identities(name, "email"))
    }
    if known:
        return known
    if not (address := read_home(thread)[0]):
        raise Unavailable(f"none of {', '.join(audience)} has an email address in people.toml")
    return {thread.state.owner: address}


def _send_one(smtp: smtplib.SMTP, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """Send a mail, and return the addresses that the server refused, with its answers."""
    try:
        return smtp.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        return error.recipients

"""Factor 7: contact humans by email. Questions and results are sent by SMTP.

Everybody asked gets a mail of their own. Mail cannot be changed once it is sent, so nothing is
sent when a question is closed: its link says what became of it. A mail that is sent again has
the same Message-ID, by which mail programs know it.
"""

import asyncio
import logging
import smtplib
from email.message import EmailMessage
from typing import Any, Self

from ..log.errors import Misconfigured, Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..people.identity import identities
from ..settings import optional
from .home import goes_home, home
from .letters import Desk, letter
from .server import TIMEOUT_S, Server
from .stamp import Stamp

log = logging.getLogger(__name__)

INBOUND = ("EMAIL_IMAP_URL", "EMAIL_MAILGUN_KEY", "EMAIL_POSTMARK_PASSWORD")
"""Any of them lets mail in."""
OUTBOUND = ("EMAIL_FROM", "EMAIL_SECRET", "EMAIL_SMTP_URL")
"""All of them let mail out."""
SETTINGS = (*OUTBOUND, "EMAIL_ALLOWED", *INBOUND)
_PORTS = {"smtps": 465, "smtp": 587}
_HINT = "Mail is sent by it: smtps://user:password@host, or smtp:// for STARTTLS."


def is_set_up() -> bool:
    """Raises Misconfigured where half of it is, and names all that is missing."""
    if not any(map(optional, SETTINGS)):
        return False
    inbound = any(map(optional, INBOUND))
    needed = (*OUTBOUND, "EMAIL_AUTHSERV_ID") if inbound else OUTBOUND
    if missing := [name for name in needed if not optional(name)]:
        what = "is" if len(missing) == 1 else "are"
        raise Misconfigured(f"{', '.join(missing)} {what} not set: see docs/email.md")
    return True


class EmailChannel:
    def __init__(self, desk: Desk, server: Server) -> None:
        self._desk = desk
        self._server = server

    @classmethod
    def from_env(cls) -> Self | None:
        """Return None where no setting of it is there. Raises Misconfigured where half are."""
        if not is_set_up():
            return None
        server = Server.from_env("EMAIL_SMTP_URL", _PORTS, _HINT)
        url = optional("PUBLIC_URL").rstrip("/")
        if url and not url.startswith(("https://", "http://")):
            raise Misconfigured("PUBLIC_URL is no URL, such as https://agent.example.org")
        return cls(Desk(Stamp.from_env(), url, any(map(optional, INBOUND))), server)

    async def send(self, thread: Thread, event: Event) -> dict[str, Any]:
        if event.data.get("kind") == "timer":
            return {}  # nobody has to do anything
        asked = _asked(thread, event)
        letters = [letter(self._desk, thread, event, *one) for one in asked.items()]
        await asyncio.to_thread(self._send, letters)
        return {}

    def _send(self, letters: list[EmailMessage]) -> None:
        refused: dict[str, tuple[int, bytes]] = {}
        try:
            with self._connection() as smtp:
                self._greet(smtp)
                for one in letters:
                    refused |= _refusals(smtp, one)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"no mail can be sent: {error}") from None
        why = "; ".join(f"{to}: {code} {text!r}" for to, (code, text) in refused.items())
        if len(refused) == len(letters) or any(code < 500 for code, _ in refused.values()):
            raise Unavailable(f"{self._server.host} does not take the mail: {why}")
        if refused:
            log.warning("%s does not take the mail: %s", self._server.host, why)

    def _connection(self) -> smtplib.SMTP:
        host, port = self._server.host, self._server.port
        if self._server.tls:
            context = self._server.context()
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(host, port, timeout=TIMEOUT_S)

    def _greet(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo()
        if self._server.wants_tls(smtp.has_extn("starttls")):
            smtp.starttls(context=self._server.context())
        if self._server.user:
            smtp.login(self._server.user, self._server.password)


def _asked(thread: Thread, event: Event) -> dict[str, str]:
    """Return whom to tell, and at which address: who wrote, unless others are asked."""
    audience = () if goes_home(thread, event) else event.data["audience"]
    known = {name: addresses[0] for name in audience if (addresses := identities(name, "email"))}
    if known:
        return known
    if not (address := home(thread)[0]):
        raise Unavailable(f"nobody of {', '.join(audience)} has an address in people.toml")
    return {thread.state.owner: address}


def _refusals(smtp: smtplib.SMTP, one: EmailMessage) -> dict[str, tuple[int, bytes]]:
    try:
        return smtp.send_message(one)
    except smtplib.SMTPRecipientsRefused as error:
        return error.recipients

"""Signed Message-IDs and links, so that replies find their thread and nothing has to be stored.

A Message-ID of ours names a thread and the event that the mail is about; a link names a wait, its
call and the person it was sent to. Nobody else can make either.
"""

import hmac
import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any, Self

from ..log.errors import Misconfigured
from ..settings import is_placeholder, optional, required

ADDRESS = re.compile(r"[^\s@<>\"(),:;?\[\]\\]{1,64}@[A-Za-z0-9.-]{1,255}")
MIN_LENGTH = 32
_OURS = re.compile(r"<([0-9A-Za-z-]{1,64})\.([0-9]{1,9})\.([0-9a-f]{24})@([^<>@\s]+)>")
_FROM = "It is the sender of our mails: EMAIL_FROM='Deploy agent <agent@example.org>'."
_SECRET = "Make one with `openssl rand -hex 32`."


@dataclass(frozen=True)
class Link:
    """Lets one person answer one wait about one call."""

    thread: str
    wait: int
    digest: str
    person: str


@dataclass(frozen=True)
class Stamp:
    name: str
    address: str
    """The agent's own, in lower case."""
    secret: str = field(repr=False)

    @classmethod
    def from_env(cls) -> Self:
        """Raises Misconfigured if the address is missing, or the secret is easy to guess."""
        name, address = parseaddr(required("EMAIL_FROM", _FROM))
        if not ADDRESS.fullmatch(address):
            raise Misconfigured(f"EMAIL_FROM={optional('EMAIL_FROM')!r} is not an address. {_FROM}")
        secret = required("EMAIL_SECRET", f"It signs links and Message-IDs. {_SECRET}")
        if is_placeholder(secret):
            raise Misconfigured(f"EMAIL_SECRET is a placeholder. {_SECRET}")
        if len(secret) < MIN_LENGTH or len(set(secret)) < 8:
            raise Misconfigured(f"EMAIL_SECRET is too easy to guess. {_SECRET}")
        return cls(name, address.lower(), secret)

    def make_message_id(self, thread_id: str, seq: int) -> str:
        """Name the mail about an event; 0 stands for the thread itself."""
        domain = self.address.partition("@")[2]
        return f"<{thread_id}.{seq}.{self._sign(thread_id, str(seq))}@{domain}>"

    def read_thread_id(self, message_id: str) -> str | None:
        """Return the thread that a Message-ID names, if the Message-ID is ours."""
        if not (parts := _OURS.fullmatch(message_id)):
            return None
        thread_id, seq, tag, _ = parts.groups()
        return thread_id if hmac.compare_digest(tag, self._sign(thread_id, seq)) else None

    def seal_link(self, link: Link) -> str:
        """Return a link as a token for a URL."""
        return str(
            self._make_serializer().dumps([link.thread, link.wait, link.digest, link.person])
        )

    def open_link(self, token: str) -> Link | None:
        """Return the link in a token, if the token is ours."""
        from itsdangerous import BadData

        try:
            return Link(*self._make_serializer().loads(token))
        except BadData:
            return None

    def _sign(self, thread_id: str, seq: str) -> str:
        name = f"message:{thread_id}.{seq}".encode()
        return hmac.new(self.secret.encode(), name, "sha256").hexdigest()[:24]

    def _make_serializer(self) -> Any:
        from hashlib import sha256

        from itsdangerous import URLSafeSerializer

        return URLSafeSerializer(self.secret, "email", signer_kwargs={"digest_method": sha256})

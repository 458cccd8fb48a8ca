"""What the agent signs, so that mail finds its way back and nothing has to be stored.

A Message-ID of the agent names the thread and the event it tells of, a link the wait, the call
and the person it was sent to. Nobody else can make either.
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
_FROM = "The agent writes as it: EMAIL_FROM='Deploy agent <agent@example.org>'."
_SECRET = "Make one with `openssl rand -hex 32`."


@dataclass(frozen=True)
class Link:
    """One person's way to one question about one call."""

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
        """Raises Misconfigured where the agent has no address, or a secret easy to guess."""
        name, address = parseaddr(required("EMAIL_FROM", _FROM))
        if not ADDRESS.fullmatch(address):
            raise Misconfigured(f"EMAIL_FROM={optional('EMAIL_FROM')!r} is no address. {_FROM}")
        secret = required("EMAIL_SECRET", f"It signs links and Message-IDs. {_SECRET}")
        if is_placeholder(secret):
            raise Misconfigured(f"EMAIL_SECRET is a placeholder. {_SECRET}")
        if len(secret) < MIN_LENGTH or len(set(secret)) < 8:
            raise Misconfigured(f"EMAIL_SECRET is too easy to guess. {_SECRET}")
        return cls(name, address.lower(), secret)

    def message_id(self, thread_id: str, seq: int) -> str:
        """Name the mail that tells of an event; 0 is the thread itself."""
        domain = self.address.partition("@")[2]
        return f"<{thread_id}.{seq}.{self._tag(thread_id, str(seq))}@{domain}>"

    def thread_of(self, message_id: str) -> str | None:
        """Return the thread of a Message-ID, if it is one of ours."""
        if not (parts := _OURS.fullmatch(message_id)):
            return None
        thread_id, seq, tag, _ = parts.groups()
        return thread_id if hmac.compare_digest(tag, self._tag(thread_id, seq)) else None

    def seal(self, link: Link) -> str:
        """Return a link as a word for a URL."""
        return str(self._links().dumps([link.thread, link.wait, link.digest, link.person]))

    def opened(self, token: str) -> Link | None:
        """Return what a word of a URL stands for, if we made it."""
        from itsdangerous import BadData

        try:
            return Link(*self._links().loads(token))
        except BadData:
            return None

    def _tag(self, thread_id: str, seq: str) -> str:
        named = f"message:{thread_id}.{seq}".encode()
        return hmac.new(self.secret.encode(), named, "sha256").hexdigest()[:24]

    def _links(self) -> Any:
        from hashlib import sha256

        from itsdangerous import URLSafeSerializer

        return URLSafeSerializer(self.secret, "email", signer_kwargs={"digest_method": sha256})

"""A mail server as one setting: `smtps://user:password@host`, `imap://…`.

With `s` the connection uses TLS from the start. Without it the server is asked for TLS (STARTTLS).
A password is never sent to another machine without TLS.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from ..log.errors import Misconfigured, Unavailable
from ..settings import required

TIMEOUT_S = 20.0
_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    tls: bool
    """The connection uses TLS from the start."""
    user: str
    password: str = field(repr=False)
    path: str = ""
    """The mailbox, for IMAP."""

    @classmethod
    def from_env(cls, name: str, ports: Mapping[str, int], hint: str) -> Self:
        """Read the setting `name`; `ports` has the default port of each scheme.

        Raises:
            Misconfigured: it is missing or not such a URL; the message never quotes it.
        """
        try:
            url = urlsplit(required(name, hint))
            port = url.port or ports[url.scheme]
        except (KeyError, ValueError):
            raise Misconfigured(f"{name} is not the URL of a mail server. {hint}") from None
        if not url.hostname or (url.username and not url.password):
            raise Misconfigured(f"{name} lacks a host or a password. {hint}")
        user, password = unquote(url.username or ""), unquote(url.password or "")
        tls = url.scheme.endswith("s")
        return cls(url.hostname, port, tls, user, password, unquote(url.path.strip("/")))

    def make_context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def wants_tls(self, offered: bool) -> bool:
        """Say whether to start TLS now.

        Raises:
            Unavailable: the password would be sent unencrypted.
        """
        if self.tls or self.host in _HERE:
            return False
        if self.user and not offered:
            raise Unavailable(f"{self.host} offers no TLS, so the password was not sent")
        return offered

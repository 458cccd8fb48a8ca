"""A real SMTP server in this event loop, and the settings that email needs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from agent.engine.email.channel import SETTINGS

SECRET = "0123456789abcdef0123456789abcdef"
PEOPLE = """
[ana]
cli = "ana"
email = "ana@example.org"

[bob]
slack = "U2"
email = ["bob@example.org", "bob@home.example"]
"""


class Outbox:
    """An SMTP server: the mails that it took, and the addresses that it refuses."""

    def __init__(self) -> None:
        self.port = 0
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.refuses: dict[str, str] = {}
        self.logins: list[object] = []

    @property
    def mails(self) -> list[EmailMessage]:
        return [mail for _, mail in self.taken]

    @property
    def receivers(self) -> list[str]:
        return [address for addresses, _ in self.taken for address in addresses]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        self.taken.append((list(envelope.rcpt_tos), mail))
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == b"se/cret", handled=False)


@asynccontextmanager
async def listen(
    outbox: Outbox, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> AsyncIterator[Outbox]:
    """Let `outbox` listen, on the port that it had before if it had one."""
    open_ones: list[asyncio.BaseTransport] = []

    class Connection(SMTP):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            open_ones.append(transport)
            super().connection_made(transport)

    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"enable_SMTPUTF8": True, "loop": loop, "tls_context": starttls}
    options |= {"authenticator": outbox.authenticate, "auth_require_tls": False}
    server = await loop.create_server(
        lambda: Connection(outbox, **options), "0.0.0.0", outbox.port, ssl=tls
    )
    outbox.port = server.sockets[0].getsockname()[1]
    try:
        yield outbox
    finally:
        server.close()
        for transport in open_ones:
            transport.close()
        for _ in range(5):  # the loop closes them in its next few iterations
            await asyncio.sleep(0)


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: str) -> None:
    """Set what email needs and nothing else; `people.toml` has ana and bob."""
    for name in (
        *SETTINGS,
        "EMAIL_AUTHSERV_ID",
        "EMAIL_MAX_PER_HOUR",
        "EMAIL_POLL_S",
        "PUBLIC_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    (folder / "people.toml").write_text(PEOPLE)
    known = {
        "PEOPLE_FILE": str(folder / "people.toml"),
        "EMAIL_FROM": "Agent <Agent@Example.org>",
        "EMAIL_SECRET": SECRET,
        "EMAIL_SMTP_URL": "smtp://127.0.0.1:1",
        "EMAIL_ALLOWED": "@partner.example",
        "EMAIL_AUTHSERV_ID": "none",
    }
    for name, value in (known | settings).items():
        monkeypatch.setenv(name, value)

"""An agent that people write to: its settings, its intake, and the servers around it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from agent.engine import email
from agent.engine.email.intake import Intake
from agent.engine.email.quota import read_most
from agent.engine.email.senders import Senders
from agent.engine.email.stamp import Stamp
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import App

from ..domain import Asleep
from ..http.conftest import TOKENS, Caller, caller
from .mail_servers import Outbox, configure, listen

ADDRESS = "agent@example.org"
KEY = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
PASSWORD = "1b4d1fcff2ab3c4d5e6f"


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, tmp_path)


@pytest.fixture
async def outbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbox]:
    async with listen(Outbox()) as outbox:
        monkeypatch.setenv("EMAIL_SMTP_URL", f"smtp://127.0.0.1:{outbox.port}")
        yield outbox


@pytest.fixture
def app(ports: Ports, runner: Asleep) -> App:
    return App(ports, runner)


@pytest.fixture
def intake(app: App) -> Intake:
    return Intake(app, Stamp.from_env(), Senders.from_env(), read_most())


def write_mail(
    text: str = "hello", sender: str = "ana@example.org", number: int = 1, **headers: Any
) -> bytes:
    """Write a mail; `in_reply_to=…` sets the header In-Reply-To."""
    mail = EmailMessage()
    known = {"from": sender, "to": ADDRESS, "subject": "Hi", "message_id": f"<m{number}@x.example>"}
    for name, value in (known | headers).items():
        if value is not None:
            mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes()


async def read_logs(ports: Ports) -> list[list[str]]:
    """Return the texts of each thread, as `actor: text`."""
    found = [await ports.store.load(row.id) for row in await ports.store.threads()]
    return sorted(
        [f"{past.actor}: {past.data['text']}" for past in thread.events if "text" in past.data]
        for thread in found
    )


async def wait_until(true: Callable[[], object]) -> None:
    """Wait until other tasks have made it true."""
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never became true")


@pytest.fixture
async def provider(
    ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Caller]:
    monkeypatch.setenv("EMAIL_MAILGUN_KEY", KEY)
    monkeypatch.setenv("EMAIL_POSTMARK_PASSWORD", PASSWORD)
    tokens = Tokens.parse(f"ana:{TOKENS['ana']}")
    async with caller(create_app(App(ports, runner, (email.serve,)), tokens)) as client:
        yield client

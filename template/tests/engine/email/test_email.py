"""Real servers end to end: a mail comes in, a question goes out, the answer comes back."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from agent.engine import email
from agent.engine.email.channel import EmailChannel
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.people.routing import Routing
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Says, World, build_ports
from ..http.conftest import TOKENS, caller
from .conftest import wait_until, write_mail
from .imap_servers import Mailbox, run_pymap
from .mail_servers import Outbox, configure, listen
from .test_page import send, sign_in


def read_words(mail: EmailMessage) -> list[str]:
    part = mail.get_body(("plain",))
    assert part
    return str(part.get_content()).split()


@pytest.fixture
async def servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Mailbox, Outbox]]:
    with run_pymap(tmp_path) as mailbox:
        async with listen(Outbox()) as outbox:
            smtp = f"smtp://127.0.0.1:{outbox.port}"
            more = {"EMAIL_IMAP_URL": mailbox.url, "EMAIL_POLL_S": "0.2"}
            public = {"PUBLIC_URL": "http://agent"}
            configure(monkeypatch, tmp_path, EMAIL_SMTP_URL=smtp, **more, **public)
            yield mailbox, outbox


async def test_a_request_a_question_and_an_approval_by_mail(
    tmp_path: Path, world: World, servers: tuple[Mailbox, Outbox]
) -> None:
    says = Says(
        {"intent": "ask_person", "question": "How much?"},
        {"intent": "charge", "amount": 500},
        {"intent": "done", "message": "charged"},
    )
    mailbox, outbox = servers
    channel = EmailChannel.from_env()
    assert channel
    store = SqliteStore(tmp_path / "threads.db")
    ports = build_ports(store, says, world, notifier=Routing({"email": channel}))
    app = App(ports, LocalRunner(ports, poll_s=0.05), (email.serve,))
    api = create_app(app, Tokens.parse(f"ana:{TOKENS['ana']}"))
    async with api.router.lifespan_context(api), caller(api) as browser:
        mailbox.put(write_mail("please", subject="Charge them"))
        await wait_until(lambda: len(outbox.mails) == 1)
        question = outbox.mails[0]
        reply = {"in_reply_to": question["Message-ID"], "subject": "Re: Charge them"}
        quoted = "500\n\nOn Mon, 5 Jan 2026, Agent <agent@example.org> wrote:\n> How much?\n"
        mailbox.put(write_mail(quoted, number=2, **reply))
        await wait_until(lambda: len(outbox.mails) == 2)
        assert world.effects("charge") == []
        path = next(word for word in read_words(outbox.mails[1]) if "/email/wait/" in word)
        await sign_in(browser, "ana")
        assert (await send(browser, path, do="approve"))[0] == 303
        await wait_until(lambda: len(outbox.mails) == 3)
        assert (await browser.get("/healthz")).status_code == 200
    assert world.effects("charge") == ["500"]
    assert read_words(outbox.mails[2]) == ["charged"]
    assert {mail["Subject"] for mail in outbox.mails} == {"Re: Charge them"}
    assert outbox.receivers == ["ana@example.org"] * 3
    (row,) = await store.threads()
    texts = [
        past.data["text"] for past in (await store.load(row.id)).events if past.type == "message"
    ]
    assert texts == ["Charge them\n\nplease", "500"]

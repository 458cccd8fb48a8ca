"""Polling a mailbox on a real server: what is taken is marked, and nothing blocks the rest."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.engine.email import mailbox as mailbox_module
from agent.engine.email.imap import ImapBox
from agent.engine.email.intake import Intake
from agent.engine.email.quota import HOUR_S
from agent.engine.log.errors import Misconfigured, Unavailable
from agent.engine.loop.ports import Ports

from ..conftest import Clock
from ..domain import Asleep
from .conftest import read_logs, wait_until, write_mail
from .imap_servers import Mailbox, run_dovecot, run_pymap

NEEDS_DOVECOT = pytest.mark.skipif(
    not (shutil.which("dovecot") or Path("/usr/sbin/dovecot").exists()),
    reason="dovecot is not installed (apt install dovecot-imapd)",
)
SEEN, BROKEN = {r"\Seen"}, {r"\Seen", r"\Flagged"}


@pytest.fixture(
    scope="module",
    params=[run_pymap, pytest.param(run_dovecot, marks=[NEEDS_DOVECOT, pytest.mark.server])],
    ids=["pymap", "dovecot"],
)
def server(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own can be entered only by its user
        Path(folder).chmod(0o755)
        with request.param(Path(folder)) as mailbox:
            yield mailbox


@pytest.fixture
def mailbox(server: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    server.empty()
    monkeypatch.setenv("EMAIL_IMAP_URL", server.url)
    return server


async def test_a_new_mail_is_taken_once_and_marked_seen(
    mailbox: Mailbox, intake: Intake, ports: Ports
) -> None:
    box = ImapBox.from_env(intake)
    await box.poll()
    mailbox.put(write_mail("one"), write_mail("two", number=2, in_reply_to="<m1@x.example>"))
    await box.poll()
    await box.poll()
    assert await read_logs(ports) == [["ana: Hi\n\none", "ana: two"]]
    assert mailbox.flags() == [SEEN, SEEN]
    mailbox.put(write_mail("three", number=3))
    await box.poll()
    assert len(await read_logs(ports)) == 2


async def test_an_unreadable_mail_is_flagged_and_does_not_block_others(
    mailbox: Mailbox,
    intake: Intake,
    ports: Ports,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [write_mail(sender="eve@evil.example"), write_mail("x" * 300_000, number=3)]
    many = b"From: ana@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    many += b"--b\r\n\r\nx\r\n" * 600
    mailbox.put(b"Subject: from nobody\r\n\r\n", *others, many, write_mail("fine", number=9))
    monkeypatch.setattr(mailbox_module, "MAX_MAIL", 250_000)
    await ImapBox.from_env(intake).poll()
    assert await read_logs(ports) == [["ana: Hi\n\nfine"]]
    assert mailbox.flags() == [BROKEN, SEEN, BROKEN, BROKEN, SEEN]
    assert "cannot be read: its From is not one address" in caplog.text
    assert "cannot be read: it has more than 500 parts" in caplog.text


async def test_a_mail_stays_unseen_until_it_is_recorded(
    mailbox: Mailbox, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.put(write_mail())
    with monkeypatch.context() as patch:
        patch.setattr(type(intake), "take_mail", _away)
        with pytest.raises(Unavailable):
            await ImapBox.from_env(intake).poll()
    assert mailbox.flags() == [set()]
    await ImapBox.from_env(intake).poll()
    assert mailbox.flags() == [SEEN]


async def _away(intake: Intake, raw: bytes) -> str:
    raise Unavailable("the store is unavailable")


async def test_mails_of_a_sender_who_started_too_many_threads_stay_unseen_for_a_while(
    mailbox: Mailbox, intake: Intake, ports: Ports, clock: Clock
) -> None:
    """They hold up no other mail, and are not fetched again at each poll."""
    box = ImapBox.from_env(replace(intake, most=1))
    mailbox.put(write_mail("1"), write_mail("2", number=2), write_mail("3", "bob@example.org", 3))
    await box.poll()
    assert await read_logs(ports) == [["ana: Hi\n\n1"], ["bob: Hi\n\n3"]]
    assert mailbox.flags() == [SEEN, set(), SEEN]
    clock.tick(HOUR_S)
    await box.poll()
    assert mailbox.flags() == [SEEN, set(), SEEN]
    box._postponed.clear()  # a quarter of an hour has passed
    await box.poll()
    assert mailbox.flags() == [SEEN] * 3
    assert len(await read_logs(ports)) == 3


async def test_a_wrong_password_is_not_shown_and_polling_continues(
    mailbox: Mailbox,
    intake: Intake,
    ports: Ports,
    runner: Asleep,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Polling continues, less often, and the mail is read once the server lets us in."""
    mailbox.put(write_mail())
    right = ImapBox.from_env(intake)._server
    monkeypatch.setenv("EMAIL_IMAP_URL", mailbox.url.replace("se%2Fcret", "hush-hush"))
    box = ImapBox(ImapBox.from_env(intake)._server, intake, poll_s=0.01)
    work = asyncio.create_task(box.run())
    await wait_until(lambda: "127.0.0.1 (EMAIL_IMAP_URL), retrying in 0.04 s" in caplog.text)
    box._server = right
    await wait_until(lambda: runner.woken)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert "hush-hush" not in caplog.text
    assert await read_logs(ports) == [["ana: Hi\n\nhello"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_IMAP_URL", "imap.example"),
        ("EMAIL_IMAP_URL", "pop://u:hush-hush@imap.example"),
        ("EMAIL_POLL_S", "often"),
        ("EMAIL_POLL_S", "0"),
        ("EMAIL_POLL_S", "nan"),
    ],
)
def test_a_wrong_setting_is_named(
    name: str, value: str, intake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_IMAP_URL", "imaps://u:hush-hush@imap.example")
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=name) as error:
        ImapBox.from_env(intake)
    assert "hush-hush" not in str(error.value)


async def test_stopping_does_not_wait_for_a_silent_server(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    met, left = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK\r\n")
        tag = (await reader.readline()).split()[0]
        writer.write(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")
        assert b"LOGIN" in await reader.readline()
        met.set()
        await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("EMAIL_IMAP_URL", f"imap://u:p@127.0.0.1:{port}")
    work = asyncio.create_task(ImapBox.from_env(intake).run())
    async with asyncio.timeout(10):
        await met.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await left.wait()
    server.close()
    await asyncio.sleep(0)

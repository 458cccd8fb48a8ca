"""Mails that go out: to whom, what they say, and what happens if the server is unreachable."""

import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest

from agent.engine.email.channel import EmailChannel
from agent.engine.email.letters import UNREAD
from agent.engine.email.server import Server
from agent.engine.email.stamp import Link, Stamp
from agent.engine.log.errors import Misconfigured, Unavailable
from agent.engine.log.events import Event, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.advance import MAX_DELIVERIES
from agent.engine.loop.ports import Ports
from agent.engine.people.routing import Routing
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Says,
    World,
    advance,
    build_ports,
    list_types,
    make_delivery,
    make_message,
    make_pause,
    make_step,
    make_thread,
    store_thread,
)
from .mail_servers import SECRET, Outbox, configure, listen
from .mails import read_call

CALL = {"intent": "charge", "amount": 500}
STAMP = Stamp("Agent", "agent@example.org", SECRET)
HOME = "email:ana@example.org?subject=Charge+them"


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, tmp_path, PUBLIC_URL="https://agent.example/", EMAIL_MAILGUN_KEY="k")


@pytest.fixture
async def outbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbox]:
    async with listen(Outbox()) as outbox:
        monkeypatch.setenv("EMAIL_SMTP_URL", f"smtp://127.0.0.1:{outbox.port}")
        yield outbox


def make_mail(text: str = "please", number: int = 1, **data: str) -> Event:
    """Return a message that came by mail."""
    key = f"in:email:<m{number}@example.org>"
    about = {"text": text, "source": "email", "reply_to": HOME, **data}
    return make_event("message", "ana", key, **about)


def read_text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part
    return str(part.get_content()).replace("\r\n", "\n")


async def send_last(outbox: Outbox, *log: Event) -> list[EmailMessage]:
    """Send the last event of a log, and return all mails so far."""
    channel = EmailChannel.from_env()
    assert channel
    thread = make_thread(*log, thread_id="t-1")
    assert (await channel.send(thread, thread.events[-1])).receipt == {}
    return outbox.mails


async def test_a_result_answers_the_mail_it_came_from(outbox: Outbox) -> None:
    log = [
        make_mail(),
        make_mail("more", 2),
        make_step("done"),
        make_event("finished", message="all <b>done</b>"),
    ]
    (mail,) = await send_last(outbox, *log)
    assert outbox.receivers == ["ana@example.org"]
    assert mail["From"] == "Agent <agent@example.org>"
    assert mail["Subject"] == "Re: Charge them"
    assert mail["In-Reply-To"] == "<m2@example.org>"
    root = STAMP.make_message_id("t-1", 0)
    assert mail["References"] == f"{root} <m1@example.org> <m2@example.org>"
    assert mail["Message-ID"] == STAMP.make_message_id("t-1", 4)
    assert mail["Auto-Submitted"] == "auto-replied"
    assert read_text(mail) == "all <b>done</b>\n"
    html = mail.get_body(("html",))
    assert html
    assert "all &lt;b&gt;done&lt;/b&gt;" in html.get_content()


@pytest.mark.parametrize(
    ("reply_to", "audience", "receivers"),
    [
        (HOME, ["anyone"], ["ana@example.org"]),
        (HOME, ["ana", "bob"], ["ana@example.org"]),
        (HOME, ["bob"], ["bob@example.org"]),
        (HOME, ["bob", "email:eve@x.example"], ["bob@example.org", "eve@x.example"]),
        ("poll:", ["bob"], ["bob@example.org"]),
        (HOME, ["nobody"], ["ana@example.org"]),
    ],
)
async def test_a_question_goes_to_the_writer_unless_others_are_asked(
    reply_to: str, audience: list[str], receivers: list[str], outbox: Outbox
) -> None:
    mails = await send_last(
        outbox, make_message(reply_to=reply_to), make_pause("question", *audience)
    )
    assert outbox.receivers == receivers
    for mail, receiver in zip(mails, receivers, strict=True):
        assert mail["To"] == receiver
        others = {"ana@example.org", *receivers} - {receiver}
        assert not any(other in mail.as_string() for other in others)


@pytest.mark.parametrize(
    ("settings", "wait", "says", "link"),
    [
        ({}, make_pause("approval", "ana", call=CALL), "A reply does not approve", True),
        ({}, make_pause("approval", "ana", call=CALL), "  charge\n  amount: 500", True),
        ({}, make_pause("question", "ana"), "A reply answers", True),
        (
            {},
            make_pause("question", "ana", options={"format": "yes_no"}),
            "  1. yes\n  2. no",
            True,
        ),
        ({}, make_pause("limit", "anyone"), "Decide on this page", True),
        ({}, make_pause("in_doubt", "ana", call=CALL), "Check what happened", True),
        ({}, make_pause("approval", "nobody", call=CALL), "waits for nobody", False),
        ({"PUBLIC_URL": ""}, make_pause("approval", "ana", call=CALL), "agent inbox", False),
        ({"PUBLIC_URL": ""}, make_pause("question", "ana"), "Reply to this mail", False),
        (
            {"EMAIL_MAILGUN_KEY": ""},
            make_pause("question", "ana"),
            "Replies to this mail are not read",
            True,
        ),
        (
            {"EMAIL_MAILGUN_KEY": "", "PUBLIC_URL": ""},
            make_pause("question", "ana"),
            "cannot be answered by mail",
            False,
        ),
    ],
)
async def test_a_question_says_how_to_answer_it(
    settings: dict[str, str],
    wait: Event,
    says: str,
    link: bool,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (mail,) = await send_last(outbox, make_mail(), wait)
    assert says in read_text(mail)
    words = [word for word in read_text(mail).split() if word.startswith("https://agent.example/")]
    assert bool(words) == link
    if link:
        token = words[0].removeprefix("https://agent.example/email/wait/")
        assert STAMP.open_link(token) == Link("t-1", 2, wait.data.get("digest", ""), "ana")


async def test_a_person_without_a_name_gets_no_link_and_is_told_what_to_do(outbox: Outbox) -> None:
    first = make_event("message", "email:x@y.example", text="hi", reply_to="email:x@y.example")
    (mail,) = await send_last(outbox, first, make_pause("approval", "email:x@y.example", call=CALL))
    assert "https://" not in read_text(mail)
    assert "people.toml" in read_text(mail)


async def test_a_timer_sends_no_mail(outbox: Outbox) -> None:
    assert await send_last(outbox, make_mail(), make_pause("timer", "anyone")) == []


async def test_attachments_are_declined_once_and_only_to_whoever_sent_them(outbox: Outbox) -> None:
    note = UNREAD.format("plan.pdf, x.png")
    log = [make_mail(f"look\n\n{note}"), make_pause("question", "bob")]
    (others,) = await send_last(outbox, *log)
    assert "plan.pdf" not in others.as_string()
    log += [make_delivery(2), make_event("finished", message="done")]
    mail = (await send_last(outbox, *log))[-1]
    assert "Attachments are not read: plan.pdf, x.png." in read_text(mail)
    log += [make_delivery(4), make_mail("and?", 2), make_event("finished", message="done")]
    assert "plan.pdf" not in (await send_last(outbox, *log))[-1].as_string()


HOSTILE = "x\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script> \x1b[31m \u202e \0 \ud800"


async def test_hostile_data_adds_no_header_receiver_or_markup(outbox: Outbox) -> None:
    home = "email:ana@example.org?subject=" + "Hi%0D%0ABcc%3A+eve%40evil.example"
    first = make_mail(HOSTILE, reply_to=home)
    call = {"intent": "charge", HOSTILE: HOSTILE}
    for wait in (
        make_pause("approval", "ana", call=call),
        make_pause("approval", "bob", call=call),
    ):
        await send_last(outbox, first, make_event("paused", **wait.data | {"text": HOSTILE}))
    assert outbox.receivers == ["ana@example.org", "bob@example.org"]
    for mail in outbox.mails:
        assert mail["Bcc"] is None
        assert mail.get_body(("html",)).get_content().count("<script") == 0  # type: ignore[union-attr]
        assert not {"\x1b", "\u202e", "\0"}.intersection(read_text(mail))


@pytest.mark.parametrize(
    "memo", ["漢字 " * 6_000, "x" * 19_000, "a\u202e\n" * 1_000, "é" * 900, "</pre>&amp;" * 90]
)
async def test_a_long_call_survives_the_way_to_its_reader(memo: str, outbox: Outbox) -> None:
    call = {"intent": "charge", "memo": memo, "amount": 500}
    (mail,) = await send_last(outbox, make_mail(), make_pause("approval", "ana", call=call))
    assert [read_call(mail, part) for part in ("plain", "html")] == [call, call]
    assert mail.as_string().isascii()


async def test_a_long_text_is_cut_and_keeps_its_characters(outbox: Outbox) -> None:
    (mail,) = await send_last(
        outbox, make_mail(), make_event("finished", message="ä漢🚀" + "x" * 90_000)
    )
    assert read_text(mail).startswith("ä漢🚀x")
    assert len(mail.as_bytes()) < 100_000


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    done = [{"intent": "done", "message": "bye"}] * 2
    channel = EmailChannel.from_env()
    assert channel
    return build_ports(store, Says(*done), world, channel=channel)


async def test_an_unreachable_server_gets_the_same_mail_later(
    store: MemoryStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox()
    async with listen(outbox):
        pass
    monkeypatch.setenv("EMAIL_SMTP_URL", f"smtp://127.0.0.1:{outbox.port}")
    says = Says({"intent": "done", "message": "bye"})
    ports = build_ports(store, says, world, channel=EmailChannel.from_env())
    thread = await store_thread(store, make_mail())
    with pytest.raises(Unavailable, match="mail cannot be sent"):
        await advance(ports, thread)
    async with listen(outbox):
        thread = await advance(ports, await store.load(thread.id), attempts=1)
        assert list_types(thread)[-2:] == ["finished", "delivered"]
        # After a crash before `delivered` it is sent again, and mail programs recognize it.
        before = Thread(thread.id, thread.events[:-1])
        await ports.notifier.notify(before, before.events[-1])
    assert len(outbox.mails) == 2
    assert len({mail["Message-ID"] for mail in outbox.mails}) == 1


async def test_a_mail_is_given_up_if_the_server_stays_unreachable(
    store: MemoryStore, ports: Ports
) -> None:
    thread = await store_thread(
        store, make_mail(), make_step("done"), make_event("finished", message="bye")
    )
    thread = await advance(ports, thread, attempts=MAX_DELIVERIES)
    assert "mail cannot be sent" in thread.events[-1].data["error"]


@pytest.mark.parametrize(
    ("refuses", "receivers", "error"),
    [
        ({"bob@example.org": "550 no"}, ["eve@x.example"], None),
        ({"bob@example.org": "451 later"}, ["eve@x.example"], "451"),
        ({"bob@example.org": "550 no", "eve@x.example": "550 no"}, [], "550"),
    ],
)
async def test_a_refused_address_does_not_keep_others_from_their_mail(
    refuses: dict[str, str], receivers: list[str], error: str | None, outbox: Outbox
) -> None:
    outbox.refuses = refuses
    log = [make_message(), make_pause("question", "bob", "email:eve@x.example")]
    if error:
        with pytest.raises(Unavailable, match=error):
            await send_last(outbox, *log)
    else:
        await send_last(outbox, *log)
    assert outbox.receivers == receivers


@pytest.mark.parametrize(
    ("reply_to", "asked", "refuses", "people"),
    [
        ("poll:", ["bob", "ana"], {}, ("bob", "ana")),
        ("poll:", ["bob", "ana"], {"bob@example.org": "550 no"}, ("ana",)),
        ("poll:", ["bob", "nobody"], {}, ("bob",)),
        ("poll:", ["bob", "email:eve@x.example"], {}, ("bob", "email:eve@x.example")),
        (HOME, ["ana", "bob"], {}, ("ana",)),
        (HOME, ["anyone"], {}, ("ana",)),
        (HOME, ["nobody"], {}, ("ana",)),
    ],
)
@pytest.mark.parametrize("again", [False, True])
async def test_those_whose_address_the_server_accepted_were_notified(
    reply_to: str,
    asked: list[str],
    refuses: dict[str, str],
    people: tuple[str, ...],
    again: bool,
    outbox: Outbox,
) -> None:
    outbox.refuses = refuses
    owner = "ana" if reply_to == HOME else "cleo"
    log = [make_message(actor=owner, reply_to=reply_to), make_pause("question", *asked)]
    if again:
        log.append(make_event("reminded", "system", wait=2))
    thread = make_thread(*log, thread_id="t-1")
    channel = EmailChannel.from_env()
    assert channel
    delivery = await Routing({"email": channel}).notify(thread, thread.events[-1])
    assert delivery.problem is None
    assert [tuple(names) for names in delivery.reached.values()] == [people]
    assert len(outbox.mails) == len(people)
    assert all(("Reminder" in mail["Subject"]) == again for mail in outbox.mails)


@pytest.mark.parametrize(("password", "taken"), [("se%2Fcret", 1), ("wrong", 0)])
async def test_the_password_is_sent_to_the_server_and_never_shown(
    password: str, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listen(Outbox()) as outbox:
        url = f"smtp://agent%40example.org:{password}@127.0.0.1:{outbox.port}"
        monkeypatch.setenv("EMAIL_SMTP_URL", url)
        if taken:
            await send_last(outbox, make_mail(), make_event("finished", message="bye"))
            assert outbox.logins == [(b"agent@example.org", b"se/cret")]
        else:
            with pytest.raises(Unavailable) as refused:
                await send_last(outbox, make_mail(), make_event("finished", message="bye"))
            assert "wrong" not in str(refused.value)
        assert len(outbox.taken) == taken


@pytest.fixture
def certified(tmp_path: Path) -> ssl.SSLContext:
    """Return the context of a server at 127.0.0.2, trusted by whoever trusts `cert.pem`."""
    if sys.platform != "linux" or not shutil.which("openssl"):
        pytest.skip("this needs openssl, and Linux, where 127.0.0.2 is this machine, too")
    files = f"-keyout {tmp_path}/key.pem -out {tmp_path}/cert.pem -subj /CN=x -days 2"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes {files} -addext subjectAltName=IP:127.0.0.2"
    subprocess.run(made.split(), check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_mail_goes_over_tls_to_a_server_with_a_trusted_certificate(
    scheme: str,
    trusted: bool,
    certified: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    offered = {"tls" if scheme == "smtps" else "starttls": certified}
    async with listen(Outbox(), **offered) as outbox:
        monkeypatch.setenv("EMAIL_SMTP_URL", f"{scheme}://u:se%2Fcret@127.0.0.2:{outbox.port}")
        if not trusted:
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await send_last(outbox, make_mail(), make_event("finished", message="bye"))
        else:
            assert await send_last(outbox, make_mail(), make_event("finished", message="bye"))
    assert outbox.logins == ([(b"u", b"se/cret")] if trusted else [])


@pytest.mark.parametrize(
    ("url", "offered", "asks"),
    [
        ("smtp://u:p@mail.example", True, True),
        ("smtp://mail.example", False, False),
        ("smtp://mail.example", True, True),
        ("smtps://u:p@mail.example", True, False),
        ("smtp://u:p@localhost", False, False),
        ("smtp://u:p@mail.example", False, None),
    ],
)
def test_no_password_leaves_this_machine_unencrypted(
    url: str, offered: bool, asks: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_SMTP_URL", url)
    server = Server.from_env("EMAIL_SMTP_URL", {"smtps": 465, "smtp": 587}, "")
    assert "password" not in repr(server)
    if asks is None:
        with pytest.raises(Unavailable, match="offers no TLS"):
            server.wants_tls(offered)
    else:
        assert server.wants_tls(offered) == asks


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_SMTP_URL", ""),
        ("EMAIL_SMTP_URL", "mail.example"),
        ("EMAIL_SMTP_URL", "http://u:hush-hush@mail.example"),
        ("EMAIL_SMTP_URL", "smtp://u:hush-hush@mail.example:port"),
        ("EMAIL_SMTP_URL", "smtp://hush-hush@mail.example"),
        ("EMAIL_FROM", ""),
        ("EMAIL_FROM", "an agent"),
        ("EMAIL_SECRET", ""),
        ("EMAIL_SECRET", "short"),
        ("EMAIL_SECRET", "a" * 40),
        ("EMAIL_SECRET", "<make one with: openssl rand -hex 32>"),
        ("PUBLIC_URL", "agent.example"),
    ],
)
def test_an_incomplete_setup_names_the_setting(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=name) as error:
        EmailChannel.from_env()
    assert "hush-hush" not in str(error.value)


def test_all_missing_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMTP_URL", "SECRET", "AUTHSERV_ID"):
        monkeypatch.delenv(f"EMAIL_{name}")
    with pytest.raises(Misconfigured) as error:
        EmailChannel.from_env()
    names = "EMAIL_SECRET, EMAIL_SMTP_URL, EMAIL_AUTHSERV_ID"
    assert str(error.value) == f"{names} are not set. See docs/email.md."


def test_without_any_setting_there_is_no_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMTP_URL", "FROM", "SECRET", "ALLOWED", "MAILGUN_KEY"):
        monkeypatch.delenv(f"EMAIL_{name}")
    assert EmailChannel.from_env() is None


def test_a_message_id_leads_to_its_thread_unless_it_is_forged() -> None:
    thread_id = "0b6f0f1e-7a43-5d3c-8d34-0f6f7f9b6a11"
    made = STAMP.make_message_id(thread_id, 12)
    assert STAMP.read_thread_id(made) == thread_id
    parsed = message_from_bytes(f"References: {made}\n\n".encode())["References"]
    assert STAMP.read_thread_id(parsed) == thread_id
    others = [
        made.replace(".12.", ".13."),
        made.replace("0b6f", "1b6f"),
        Stamp("Agent", "agent@example.org", SECRET[::-1]).make_message_id(thread_id, 12),
        "<x@example.org>",
        "",
    ]
    assert [STAMP.read_thread_id(other) for other in others] == [None] * 5


def test_a_link_keeps_its_meaning_unless_it_is_changed() -> None:
    link = Link("t", 3, "d", "ana")
    token = STAMP.seal_link(link)
    assert STAMP.open_link(token) == link
    other = Stamp("Agent", "agent@example.org", SECRET[::-1]).seal_link(link)
    for forged in ("", "x", token[:-1], f"A{token}", other, token.replace(".", "")):
        assert STAMP.open_link(forged) is None


async def test_a_notice_asks_for_no_answer(outbox: Outbox) -> None:
    about = {"text": "a is not available. b answers.", "audience": ["bob"]}
    log = [make_message(), make_step("done"), make_event("notice", **about)]
    (mail,) = await send_last(outbox, *log)
    assert outbox.receivers == ["bob@example.org"]
    assert mail["Subject"] == "a is not available. b answers."
    assert read_text(mail) == "a is not available. b answers.\n"

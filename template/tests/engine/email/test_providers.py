"""Mail that Mailgun or Postmark posts."""

import asyncio
import hmac
import json
import time
import tracemalloc
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, strategies

from agent.engine import email
from agent.engine.email import providers
from agent.engine.email.head import MAX_MAIL
from agent.engine.email.imap import ImapBox
from agent.engine.email.intake import Intake
from agent.engine.email.providers import MAILGUN, POSTMARK
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.log.errors import Misconfigured
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import App

from ..domain import Asleep
from ..http.conftest import TOKENS, Caller, caller
from .conftest import KEY, PASSWORD, read_logs, write_mail
from .imap_servers import run_pymap

ODD_FORM = "multipart/form-data; boundary*=a; boundary*0=b"
"""Its parameter is given in two ways that exclude each other."""


def sign_form(raw: bytes, late_s: int = 0, key: str = KEY) -> dict[str, bytes]:
    timestamp, token = str(int(time.time()) - late_s), "t" * 50
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), "sha256").hexdigest()
    named = {"timestamp": timestamp, "token": token, "signature": signature}
    return {"body-mime": raw} | {name: value.encode() for name, value in named.items()}


def build_form(fields: dict[str, bytes]) -> dict[str, Any]:
    pairs = (f"{name}={quote_plus(value)}" for name, value in fields.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return {"content": "&".join(pairs).encode(), "headers": headers}


def build_multipart(fields: dict[str, bytes]) -> dict[str, Any]:
    parts = (
        b'--xyz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    )
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    return {"content": b"".join(parts) + b"--xyz--\r\n", "headers": headers}


def build_postmark(raw: bytes, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    word = b64encode(f"postmark:{password}".encode()).decode()
    content = json.dumps({"RawEmail": raw.decode(), "From": "eve@evil.example"} | more).encode()
    return {"content": content, "headers": {"Authorization": f"Basic {word}"}}


LATIN = (
    write_mail("x").replace(b'charset="utf-8"', b'charset="latin-1"').replace(b"x\n", b"f\xfcr\n")
)


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        (MAILGUN, build_form(sign_form(write_mail("für")))),
        (MAILGUN, build_multipart(sign_form(write_mail("für")))),
        (MAILGUN, build_form(sign_form(LATIN))),
        (MAILGUN, build_multipart(sign_form(LATIN))),
        (POSTMARK, build_postmark(write_mail("für"))),
    ],
    ids=["form", "multipart", "form-latin-1", "multipart-latin-1", "postmark"],
)
async def test_a_mail_from_a_provider_becomes_a_message(
    path: str, request_: dict[str, Any], provider: Caller, ports: Ports, runner: Asleep
) -> None:
    for _ in range(2):  # providers may send it again
        answer = await provider.post(path, **request_)
        assert (answer.status_code, answer.json()) == (200, {"status": "recorded"})
    assert await read_logs(ports) == [["ana: Hi\n\nfür"]]
    assert len(runner.woken) == 2


async def test_a_mail_above_the_limit_of_its_sender_is_to_be_sent_again_later(
    provider: Caller,
) -> None:
    for number in range(30):
        sent = build_postmark(write_mail(number=number))
        assert (await provider.post(POSTMARK, **sent)).status_code == 200
    answer = await provider.post(POSTMARK, **build_postmark(write_mail(number=30)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "900")
    assert "started 30 threads within an hour" in answer.json()["detail"]


async def test_a_mail_over_imap_and_from_both_providers_is_one_message(
    provider: Caller, ports: Ports, intake: Intake, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    raw = write_mail()
    with run_pymap(tmp_path) as mailbox:
        monkeypatch.setenv("EMAIL_IMAP_URL", mailbox.url)
        mailbox.put(b"Received: by imap.example\r\n" + raw)
        await asyncio.gather(
            ImapBox.from_env(intake).poll(),
            provider.post(
                MAILGUN, **build_form(sign_form(b"Received: by mailgun.example\r\n" + raw))
            ),
            provider.post(POSTMARK, **build_postmark(b"Received: by postmark.example\r\n" + raw)),
        )
    assert await read_logs(ports) == [["ana: Hi\n\nhello"]]


@pytest.mark.parametrize(
    ("path", "request_", "status"),
    [
        (MAILGUN, build_form({"body-mime": write_mail()}), 401),
        (MAILGUN, build_form(sign_form(write_mail(), key="other")), 401),
        (MAILGUN, build_form(sign_form(write_mail(), late_s=1000)), 401),
        (MAILGUN, build_form(sign_form(write_mail(), late_s=-1000)), 401),
        (MAILGUN, build_form(sign_form(write_mail()) | {"token": b"u" * 50}), 401),
        (MAILGUN, build_form(sign_form(write_mail()) | {"timestamp": b"9" * 30}), 401),
        (MAILGUN, build_form(sign_form(write_mail()) | {"timestamp": b"\xb2"}), 401),
        (MAILGUN, build_form({str(n): b"" for n in range(200)}), 400),
        (MAILGUN, {"content": b"{}", "headers": {"Content-Type": "application/json"}}, 401),
        (MAILGUN, {"content": b"--", "headers": {"Content-Type": "multipart/form-data"}}, 401),
        (MAILGUN, {"content": b"--", "headers": {"Content-Type": ODD_FORM}}, 401),
        (POSTMARK, {"content": b"{}"}, 401),
        (POSTMARK, build_postmark(write_mail(), password="other"), 401),
        (POSTMARK, {"content": b"{}", "headers": {"Authorization": b"Basic \xe4"}}, 401),
        (POSTMARK, {"content": b"{}", "headers": {"Authorization": f"Bearer {PASSWORD}"}}, 401),
        (POSTMARK, build_postmark(write_mail()) | {"content": b"nonsense"}, 400),
        (POSTMARK, build_postmark(write_mail()) | {"content": b"[" * 100_000}, 400),
        (POSTMARK, build_postmark(write_mail()) | {"content": b"[]"}, 400),
        (POSTMARK, build_postmark(write_mail(), RawEmail=None), 422),
    ],
)
async def test_unauthenticated_and_malformed_requests_are_refused(
    path: str, request_: dict[str, Any], status: int, provider: Caller, ports: Ports
) -> None:
    answer = await provider.post(path, **request_)
    assert answer.status_code == status
    assert KEY not in answer.text
    assert PASSWORD not in answer.text
    assert await read_logs(ports) == []


async def test_characters_that_are_not_text_do_not_fail_a_mail(
    provider: Caller, ports: Ports
) -> None:
    odd = build_postmark(b"", RawEmail="From: ana@example.org\n\na \ud800 \udcff b")
    assert (await provider.post(POSTMARK, **odd)).json() == {"status": "recorded"}
    assert await read_logs(ports) == [["ana: a ? \u00ff b"]]


@pytest.mark.parametrize("raw", [write_mail(sender="eve@evil.example"), b"", b"Subject: x\r\n\r\n"])
async def test_an_ignored_mail_is_answered_with_200(raw: bytes, provider: Caller) -> None:
    answer = await provider.post(MAILGUN, **build_form(sign_form(raw)))
    assert answer.status_code == 200
    assert answer.json()["status"] == "ignored"


async def test_a_mail_may_be_longer_than_other_bodies_up_to_a_limit(
    provider: Caller, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = build_form(sign_form(write_mail("long\n" + "x" * 3_000_000)))
    assert (await provider.post(MAILGUN, **long)).status_code == 200
    ((text,),) = await read_logs(ports)
    assert text.startswith("ana: Hi\n\nlong")
    assert (await provider.post("/threads", **long)).status_code == 413
    declared = {"Content-Length": str(MAX_MAIL + 1)}
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1_000_000

    for path in (MAILGUN, POSTMARK):
        refused = await provider.post(path, content=endless(), headers=declared)
        assert refused.status_code == 413
        assert "25000000" in refused.json()["detail"]
    assert read == 0
    assert (await provider.post(MAILGUN, content=endless())).status_code == 413
    assert read < 28


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"EMAIL_MAILGUN_KEY": "", "EMAIL_POSTMARK_PASSWORD": ""},
        {"EMAIL_POSTMARK_PASSWORD": ""},
    ],
)
async def test_only_the_providers_that_are_set_up_have_routes(
    settings: dict[str, str], ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"EMAIL_MAILGUN_KEY": KEY, "EMAIL_POSTMARK_PASSWORD": PASSWORD} | settings
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    api = create_app(App(ports, runner, (email.serve,)), Tokens.parse(f"ana:{TOKENS['ana']}"))
    async with caller(api) as client:
        statuses = [(await client.post(path)).status_code for path in (MAILGUN, POSTMARK)]
    assert statuses == [401 if value else 404 for value in known.values()]


def test_without_settings_email_is_off_and_the_log_says_how_to_turn_it_on(
    ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("SMTP_URL", "FROM", "SECRET", "ALLOWED"):
        monkeypatch.delenv(f"EMAIL_{name}")
    assert email.serve(App(ports, runner)) is None
    (line,) = caplog.messages
    assert line.startswith(
        "Email is off. To turn it on, set EMAIL_FROM, EMAIL_SECRET, EMAIL_SMTP_URL, EMAIL_AUTHS"
    )
    assert line.endswith(" and EMAIL_IMAP_URL (see docs/email.md).")


@pytest.mark.parametrize(
    ("allowed", "people", "open_to"),
    [("", "[ana]\ncli = 'ana'", False), ("@x.example", "", True), ("", "[a]\nemail = 'a@b'", True)],
)
def test_the_log_warns_if_nobody_may_write(
    allowed: str,
    people: str,
    open_to: bool,
    ports: Ports,
    runner: Asleep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("EMAIL_MAILGUN_KEY", KEY)
    monkeypatch.setenv("EMAIL_ALLOWED", allowed)
    (tmp_path / "people.toml").write_text(people)
    assert email.serve(App(ports, runner))
    assert ("Nobody may write" not in caplog.text) == open_to


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EMAIL_POSTMARK_PASSWORD", "short", "easy to guess"),
        ("EMAIL_POSTMARK_PASSWORD", "<openssl rand -hex 20>", "or a placeholder"),
        ("EMAIL_MAILGUN_KEY", "<the signing key>", "or a placeholder"),
        ("EMAIL_AUTHSERV_ID", "", "EMAIL_AUTHSERV_ID is not set"),
        ("EMAIL_SECRET", "", "EMAIL_SECRET is not set"),
    ],
)
def test_an_incomplete_provider_is_misconfigured(
    name: str, value: str, says: str, ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_MAILGUN_KEY", KEY)
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=says):
        email.serve(App(ports, runner))


@given(strategies.binary(max_size=40), strategies.integers(3, 9))
def test_a_value_is_decoded_whole_however_it_is_cut(held: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(providers, "PIECE", piece)
        assert providers._unescape(quote_plus(held).encode()) == held


async def test_a_stranger_s_mail_is_not_decoded(
    provider: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def count(held: bytes) -> bytes:
        decoded.append(len(held))
        return held

    monkeypatch.setattr(providers, "_unescape", count)
    form = build_form(sign_form(b"") | {"signature": b"0" * 64, "body-mime": b"A" * 100_000})
    assert (await provider.post(MAILGUN, **form)).status_code == 401
    assert max(decoded) < providers.MAX_SHORT


def test_a_body_without_fields_is_not_copied() -> None:
    body = b"%41" * 1_000_000
    tracemalloc.start()
    form = providers._split_form(body, "application/x-www-form-urlencoded")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert form.fields == {}
    assert peak < 100_000


def test_decoding_takes_no_more_memory_than_the_mail() -> None:
    held = b"%41" * 1_000_000
    tracemalloc.start()
    assert providers._unescape(held) == b"A" * 1_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(held)

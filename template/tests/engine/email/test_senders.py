"""Who may write, and which mails no person wrote."""

from typing import Any

import pytest

from agent.engine.email.mail import Head
from agent.engine.email.senders import Senders, detect_robot
from agent.engine.email.stamp import Stamp
from agent.engine.log.errors import Misconfigured

from .conftest import ADDRESS, write_mail


@pytest.mark.parametrize(
    ("sender", "allowed"),
    [
        ("ana@example.org", True),  # from people.toml
        ("bob@home.example", True),
        ("x@partner.example", True),
        ("X@Partner.Example", True),
        ("one@other.example", True),
        ("two@other.example", False),
        ("x@evil-partner.example", False),
        ("x@partner.example.evil.example", False),
        ("x@sub.partner.example", False),
    ],
)
def test_only_listed_senders_may_write(
    sender: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_ALLOWED", "@Partner.example , one@other.example,")
    refusal = Senders.from_env().find_refusal(Head.of(write_mail(sender=sender)))
    assert ("may not write to this agent" in refusal) != allowed


@pytest.mark.parametrize(
    ("results", "believed"),
    [
        ([], False),
        (["mx.example; dmarc=pass (p=REJECT) header.from=example.org"], True),
        (
            ["MX.example 1; dkim=pass header.d=example.org; dmarc=pass header.from=Example.org"],
            True,
        ),
        (["mx.example; dmarc=pass header.from=evil.example"], False),
        (["mx.example; spf=pass smtp.mailfrom=ana@example.org; dmarc=fail"], False),
        (["mx.example; dkim=pass header.i=@example.org"], True),
        (["mx.example; dkim=pass header.d=evil.example; spf=fail"], False),
        (["mx.example; spf=pass smtp.mailfrom=ana@example.org"], True),
        (["mx.example; spf=pass smtp.mailfrom=ana@example.org.evil.example"], False),
        (["mx.example; none"], False),
        (["evil.example; dmarc=pass header.from=example.org"], False),
        (["other.example; dmarc=fail", "mx.example; dmarc=pass header.from=example.org"], True),
        # The mail came with a header of its own, below the one that the server added on top.
        (["mx.example; dmarc=fail", "mx.example; dmarc=pass header.from=example.org"], False),
        # The sender's own words, in a comment and in a quoted string.
        (
            ["mx.example; spf=pass (of ; dmarc=pass header.from=example.org) smtp.mailfrom=e@x"],
            False,
        ),
        (['mx.example; spf=pass smtp.mailfrom="; dmarc=pass header.from=example.org"@x'], False),
        (["mx.example; spf=pass (a) ; dmarc=pass header.from=example.org () ; dmarc=fail"], False),
        (["mx.example; dmarc=pass header.from=example.org; spf=pass (of ("], False),
        ([f"mx.example; {'(' * 99} {')' * 98}; dmarc=pass header.from=example.org)"], False),
        (['mx.example; dmarc=pass header.from=example.org; spf=pass (of "x'], False),
        (['mx.example; dmarc=pass header.from=example.org ")" (a "b) "c (" \\" d"'], True),
        (["mx.example; " + '"\\"' * 6_000 + "; dmarc=pass header.from=example.org"], False),
        (["mx.example (c) 1; dmarc=pass (a (b) c) header.from=example.org"], True),
    ],
)
def test_a_sender_is_trusted_if_the_trusted_server_confirms_it(
    results: list[str], believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_AUTHSERV_ID", "mx.example")
    raw = "".join(f"Authentication-Results: {one}\r\n" for one in results).encode() + write_mail()
    assert ("does not confirm" in Senders.from_env().find_refusal(Head.of(raw))) != believed


@pytest.mark.parametrize(
    ("name", "value"),
    [("EMAIL_ALLOWED", "example.org"), ("EMAIL_ALLOWED", "@"), ("EMAIL_AUTHSERV_ID", "")],
)
def test_the_list_of_senders_is_never_open_by_mistake(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=name):
        Senders.from_env()


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, ""),
        ({"Auto_Submitted": "no"}, ""),
        ({"Auto_Submitted": "auto-replied"}, "automatic"),
        ({"Auto_Submitted": "Auto-Generated; x"}, "automatic"),
        ({"Precedence": "Bulk"}, "precedence is bulk"),
        ({"Precedence": "list"}, "precedence is list"),
        ({"X_Autoreply": "yes"}, "X-Autoreply"),
        ({"List_Id": "<a.example>"}, "List-Id"),
        ({"Return_Path": "<>"}, "bounce"),
        ({"Return_Path": "<ana@example.org>"}, ""),
        ({"from": "MAILER-DAEMON@example.org"}, "bounce"),
        ({"from": "Agent <Agent@example.org>"}, "this agent itself"),
        ({"message_id": "OURS"}, "this agent itself"),
    ],
)
def test_a_mail_that_no_person_wrote_is_recognized(headers: dict[str, Any], reason: str) -> None:
    stamp = Stamp.from_env()
    if "message_id" in headers:
        headers = {"message_id": stamp.make_message_id("t", 1)}
    found = detect_robot(Head.of(write_mail(**headers)), stamp)
    assert reason in found
    assert bool(found) == bool(reason)


def test_a_delivery_report_is_recognized() -> None:
    raw = (
        b"Content-Type: multipart/report; report-type=delivery-status\r\nFrom: ana@example.org\r\n"
    )
    assert "report" in detect_robot(Head.of(raw + b"\r\n"), Stamp("", ADDRESS, "s"))

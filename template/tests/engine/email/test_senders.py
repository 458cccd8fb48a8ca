"""Who may write, and which mails no person wrote."""

from typing import Any

import pytest

from agent.engine.email.head import Head
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

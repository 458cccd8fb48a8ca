"""What is read from the headers of a mail."""

import pytest

from agent.engine.email.head import MAX_HEAD, BrokenMail, Head


def make_head(**headers: str) -> Head:
    lines = {"From": "ana@example.org", "Message-ID": "<m1@x.example>"} | headers
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return Head.of(f"{text}\r\nhello".encode())


@pytest.mark.parametrize(
    "given",
    [
        "ana@example.org",
        "<Ana@Example.ORG>",
        "Ana <ana@example.org>",
        '"Smith, Ana \\" x@y" <ana@example.org>',
        "=?utf-8?q?An=C3=A4?= <ana@example.org>",
        "Anä\r\n  <ana@example.org>",
    ],
)
def test_the_sender_is_the_one_address_in_from(given: str) -> None:
    assert make_head(From=given).sender == "ana@example.org"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nobody",
        "ana@example.org, eve@evil.example",
        "eve@evil.example, Ana <ana@example.org>",
        "ana@example.org <eve@evil.example>",
        "<ana@example.org> <eve@evil.example>",
        "Team: ana@example.org, eve@evil.example;",
        "eve@evil.example (ana@example.org)",
        "ana@example.org\r\nFrom: eve@evil.example",
        "ana@exa mple.org",
        "ana?subject=x@example.org",
        '"' + '\\"' * 10_000,
    ],
)
def test_an_ambiguous_from_is_refused(given: str) -> None:
    with pytest.raises(BrokenMail, match="From"):
        make_head(From=given)


@pytest.mark.parametrize(
    ("headers", "references"),
    [
        ({}, ()),
        ({"References": "<a@x> <b@x>"}, ("<a@x>", "<b@x>")),
        ({"References": "<a@x>\r\n <b@x>", "In-Reply-To": "<b@x>"}, ("<a@x>", "<b@x>")),
        ({"In-Reply-To": "<b@x> (Ana's message)"}, ("<b@x>",)),
        ({"References": "no id <\x01@x> <" + "a" * 300 + "@x>"}, ()),
    ],
)
def test_the_references_name_the_mails_that_it_answers(
    headers: dict[str, str], references: tuple[str, ...]
) -> None:
    assert make_head(**headers).references == references


def test_a_mail_without_an_id_is_identified_by_its_content() -> None:
    ids = [make_head(**{"Message-ID": "", "Subject": subject}).id for subject in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("given", "subject"),
    [
        ("", ""),
        ("=?utf-8?b?w6Qg5ryi?=", "ä 漢"),
        ("=?nonsense?b?w6Q=?= x", "ä x"),
        ("a\r\n\tb", "a b"),
        ("=?utf-8?q?a=0D=0ABcc:_eve@evil.example?=", "a Bcc: eve@evil.example"),
        ("x" * 5000, "x" * 300),
    ],
)
def test_a_subject_is_one_line(given: str, subject: str) -> None:
    assert make_head(Subject=given).subject.replace("\ufffd", "") == subject


def test_endless_headers_are_refused() -> None:
    with pytest.raises(BrokenMail, match="headers"):
        Head.of(b"X: y\r\n" * MAX_HEAD)

"""The parts of a mail, and how long hostile ones take."""

import time
from contextlib import suppress
from email.message import EmailMessage

import pytest

from agent.engine.email.body import read_body
from agent.engine.email.head import BrokenMail, Head
from agent.engine.email.mime import MAX_DEPTH, MAX_PARTS, Part, split_mail
from agent.engine.email.text import extract_message

from ..examples import given, st

FROM = b"From: ana@example.org\r\nMessage-ID: <m@x>\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
PLAIN = b"Content-Type: text/plain"
LIMIT_S = 5.0
"""Of processor time; each of these mails takes less than a second, and took minutes."""


def nest(depth: int, inside: bytes = b"\r\nx") -> bytes:
    """Return a mail with a part in a part, so many times."""
    kind = "Content-Type: multipart/mixed; boundary=b{0}\r\n\r\n--b{0}\r\n"
    return b"".join(kind.format(level).encode() for level in range(depth)) + inside


def read(raw: bytes) -> None:
    """Do with a mail what the intake does with it."""
    address = "agent@example.org" if Head.of(raw).references else ""
    extract_message(read_body(raw).text, address)


def list_leaves(part: Part) -> list[bytes]:
    inner = [leaf for each in part.parts for leaf in list_leaves(each)]
    return inner if part.parts else [bytes(part.content)]


@pytest.mark.parametrize(
    ("raw", "leaves"),
    [
        (b"", [b""]),
        (b"\r\nx", [b"x"]),
        (b"no headers", [b"no headers"]),
        (b"Subject: a\r\n\r\nx", [b"x"]),
        (MIXED + b"before\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nafter", [b"one", b"two"]),
        (MIXED + b"--b\n\none\n--b \t\n\ntwo\n--b--", [b"one", b"two"]),
        (MIXED + b"--b\r\n\r\none\r\n--bb\r\ntwo", [b"one\r\n--bb\r\ntwo"]),
        (MIXED + b"--b\r\n--b\r\nonly text\r\n--b--", [b"", b"only text"]),
        (MIXED + b"no part", [b"no part"]),
        (b"Content-Type: multipart/mixed\r\n\r\nx", [b"x"]),
        (nest(2, b"\r\nx\r\n--b1\r\n\r\ny\r\n--b0\r\n\r\nz"), [b"x", b"y", b"z"]),
        (b"Content-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\nx", [b"x"]),
        (b"Content-Type: multipart/mixed; boundary*0=\"a\"; boundary*1=b\n\n--ab\n\nx\n", [b"x\n"]),
    ],
)  # fmt: skip
def test_a_mail_is_split_at_its_boundaries(raw: bytes, leaves: list[bytes]) -> None:
    assert list_leaves(split_mail(raw)) == leaves


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (MIXED + b"--b\r\n\r\nx\r\n" * 200_000, f"more than {MAX_PARTS} parts"),
        (nest(MAX_DEPTH + 1), f"more than {MAX_DEPTH} deep"),
        (b"Content-Type: message/rfc822\r\n\r\n" * 300, f"more than {MAX_DEPTH} deep"),
        (MIXED + (b"--b\r\nX: " + b"x" * 9_000 + b"\r\n\r\n\r\n") * 30, "bytes of headers"),
    ],
)
def test_a_mail_that_would_take_long_to_read_is_refused_in_words(raw: bytes, why: str) -> None:
    started = time.process_time()
    with pytest.raises(BrokenMail, match=why):
        read(FROM + raw)
    assert time.process_time() - started < LIMIT_S


@pytest.mark.parametrize(
    "raw",
    [
        MIXED + b"--b\r\n\r\nx\r\n" * (MAX_PARTS - 1),
        MIXED + b"--bb\n" * 1_000_000,
        nest(MAX_DEPTH - 1) + b"--b\n" * 1_000_000,
        b"To: " + b"a@b.c, " * 30_000 + b"\r\n\r\n",
        b"References: " + b"<a@b> " * 40_000 + b"\r\n\r\n",
        b"a:\r\n" * 60_000 + b"\r\n",
        b"Subject: " + b"=?utf-8?q?=C3?= " * 15_000 + b"\r\n\r\n",
        PLAIN + b";a=b" * 60_000 + b"\r\n\r\nx",
        PLAIN + b';"' + b";" * 250_000 + b"\r\n\r\nx",
        PLAIN + b"".join(b"; name*%d=a" % number for number in range(18_000)) + b"\r\n\r\nx",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\n" * 1_000_000,
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"!a" * 1_000_000,
        b"Content-Type: text/html\r\n\r\n" + b"<div>" * 200_000,
        (MIXED + b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<p>a" * 5_000 + b"\r\n") * 400,
        b"Subject: a\r\n\r\n" + b"From: a\n" * 100_000,
        b"Subject: a\r\n\r\n" + b"a:\n\n" * 200_000,
    ],
    ids=range(16),
)
def test_a_hostile_mail_is_read_in_little_time(raw: bytes) -> None:
    started = time.process_time()
    read(FROM + raw)
    assert time.process_time() - started < LIMIT_S


PIECES = st.sampled_from([
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n",
    b"Content-Type: text/html; charset=utf-7\r\n", b"Content-Disposition: attachment; filename*=",
    b"Content-Type: multipart/a; boundary*0*=utf-16''%d8; boundary*1=", b"Subject: =?utf-8?b?",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"From: ana@example.org\r\n", b"From: =?a?q?=FF?= <x", b"References: <a@b> <", b"\r\n\r\n",
    b"\r\n", b"\n--b\r\n", b"\n--b--", b"--b", b"=?=", b"''%00", b"--- Forwarded ---\n", b"> ",
    b"From: Mia <m@x.org>\nSent: 10:00\nSubject: a\n", b"On x, a wrote:\n> ", b"<blockquote>",
])  # fmt: skip
"""What a hostile mail is made of."""


@given(st.lists(st.one_of(PIECES, st.binary(max_size=9)), max_size=40).map(b"".join), st.booleans())
def test_any_mail_is_read_or_refused(raw: bytes, from_ana: bool) -> None:
    started = time.process_time()
    for attempt in (read, read_body):
        with suppress(BrokenMail):
            attempt(FROM + raw if from_ana else raw)
    assert time.process_time() - started < LIMIT_S


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=90)
WAYS = st.sampled_from(["base64", "quoted-printable", "8bit"])


@given(st.lists(st.tuples(WORDS, WAYS, st.booleans()), min_size=1, max_size=6))
def test_the_texts_of_a_mail_are_read_as_they_were_written(
    written: list[tuple[str, str, bool]],
) -> None:
    mail = EmailMessage()
    mail.make_mixed()
    for text, way, deeper in written:
        part = EmailMessage()
        part.set_content(text, cte=way)
        mail.attach(part)
        if deeper:
            outer = EmailMessage()
            outer.make_mixed()
            outer.attach(mail)
            mail = outer
    assert read_body(mail.as_bytes()).text.split() == " ".join(each for each, *_ in written).split()

"""What is read from the body of a mail, in whatever form it is."""

import random
from email.message import EmailMessage

import pytest

from agent.engine.email.body import FORWARDED, MAX_TEXT, Body, read_body
from agent.engine.email.head import BrokenMail, Head

from .conftest import write_mail


def make_plain(charset: str, content: bytes, encoding: str = "8bit") -> bytes:
    about = f"Content-Type: text/plain{charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return about.encode() + content


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (make_plain("; charset=utf-8", "ä漢".encode()), "ä漢"),
        (make_plain("; charset=iso-8859-1", "für € 5".encode("cp1252")), "für € 5"),
        (make_plain("; charset=gb2312", "你好鎔".encode("gb18030")), "你好鎔"),
        (make_plain("; charset=shift_jis", "日本".encode("shift_jis")), "日本"),
        (make_plain("; charset=utf-8", "für".encode("latin-1")), "für"),
        (make_plain("; charset=nonsense", "ä".encode()), "ä"),
        (make_plain("; charset=punycode", b"mnchen-3ya"), "mnchen-3ya"),
        pytest.param(make_plain("; charset=-PunyCode", b"m-3ya"), "m-3ya", id="-punycode"),
        (make_plain("; charset=unicode_escape", rb"\d\u0041"), r"\d\u0041"),
        (make_plain("; charset=rot13", b"x"), "x"),
        (make_plain("", "ä".encode()), "ä"),
        (make_plain("", b"\x81\x8d"), "\ufffd\ufffd"),
        (make_plain("; charset=utf-8", b"=C3=A4=\r\nb", "quoted-printable"), "äb"),
        (make_plain("; charset=utf-8", b"w6Q", "base64"), "ä"),
        (make_plain("; charset=utf-8", b"\x00\xff!", "base64"), ""),
        (b"Content-Type: text/html\r\n\r\n<p>one<br>two</p><p>three", "one\ntwo\n\nthree"),
        (b"Content-Type: image/png\r\n\r\nx", ""),
        (b"\r\nno headers at all", "no headers at all"),
        (b"", ""),
    ],
)
def test_text_is_read_in_any_encoding(raw: bytes, text: str) -> None:
    assert read_body(raw).text == text


def test_plain_text_is_preferred_and_attachments_are_named() -> None:
    mail = EmailMessage()
    mail.set_content("plain")
    mail.add_alternative("<p>html</p>", "html")
    mail.add_attachment(b"%PDF", "application", "pdf", filename="plan], \x1b[31m.pdf")
    mail.add_attachment(
        b"GIF", "image", "gif", cid="<logo>", filename="logo.gif", disposition="inline"
    )
    mail.add_attachment(EmailMessage())
    mail.add_attachment("more, which is a file", filename="notes.txt")
    files = ("plan 31m.pdf", "message/rfc822", "notes.txt")
    assert read_body(mail.as_bytes()) == Body("plain\n", files=files)


def test_a_mail_forwarded_as_an_attachment_is_read_with_its_headers() -> None:
    inner, outer, mail = EmailMessage(), EmailMessage(), EmailMessage()
    inner["From"], inner["Subject"] = "Mia <mia@shop.example>", "Pröd"
    inner.set_content("It is down.\n")
    inner.add_attachment(b"GIF", "image", "gif", filename="shot.gif")
    outer["From"] = "bob@example.org"
    outer.set_content("see below")
    outer.add_attachment(inner)
    mail.set_content("please look")
    mail.add_attachment(outer)
    assert read_body(mail.as_bytes()) == Body(
        "please look\n",
        (
            f"{FORWARDED}\nFrom: bob@example.org\n\nsee below",
            f"{FORWARDED}\nFrom: Mia <mia@shop.example>\nSubject: Pröd\n\nIt is down.",
        ),
        ("shot.gif",),
    )


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ('filename="=?utf-8?q?pl=C3=A4n.pdf?="', "plän.pdf"),
        ("filename*=utf-8''pl%C3%A4n.pdf", "plän.pdf"),
        ("filename*0*=utf-8''pl%C3%A4; filename*1=n.pdf", "plän.pdf"),
        ('filename="plän.pdf"', "plän.pdf"),
        ("", "text/plain"),
    ],
)
def test_the_name_of_an_attachment_is_decoded(given: str, name: str) -> None:
    raw = f"Content-Disposition: attachment; {given}\r\n\r\nx"
    assert read_body(raw.encode()).files == (name,)


def test_no_more_text_is_read_than_the_log_could_keep() -> None:
    part = b"--b\r\n\r\n" + b"x" * 300_000 + b"\r\n"
    mail = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 3
    assert len(read_body(mail).text) == MAX_TEXT + len("\n")


def test_text_around_a_picture_is_joined() -> None:
    mail = EmailMessage()
    mail.set_content("before")
    mail.make_mixed()
    mail.attach(_part("after"))
    assert read_body(mail.as_bytes()).text.split() == ["before", "after"]


def _part(text: str) -> EmailMessage:
    part = EmailMessage()
    part.set_content(text)
    return part


def test_an_empty_plain_part_does_not_hide_the_html() -> None:
    mail = EmailMessage()
    mail.set_content(" ")
    mail.add_alternative("<p>html</p>", "html")
    assert read_body(mail.as_bytes()).text == "html"


def test_any_bytes_are_read_or_refused() -> None:
    chance = random.Random(6)
    seeds = [
        write_mail("hello", references="<a@x> <b@x>"),
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--",
        b"Content-Type: multipart/a; boundary=a\r\nContent-Type: text/a; charset*=x''%00\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" * 3000,
        b'From: "<@>,;:()\r\nContent-Disposition: attachment; filename*0*=\r\n\r\n',
    ]
    for _ in range(1500):
        raw = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(12)):
            place = chance.randrange(min(len(raw), 400))
            raw[place : place + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
        for read in (Head.of, read_body):
            try:
                read(bytes(raw))
            except BrokenMail:
                continue

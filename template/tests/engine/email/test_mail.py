"""What is read from a mail, however it is written."""

import random
from email.message import EmailMessage

import pytest

from agent.engine.email.mail import MAX_HEAD, BrokenMail, Head, read_body
from agent.engine.email.text import convert_html, extract_own_words, remove_signature

from .conftest import write_mail


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
        (make_plain("; charset=punycode", b"x"), "x"),
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
    assert read_body(raw)[0] == text


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
    assert read_body(mail.as_bytes()) == (
        "plain\n",
        ["plan 31m.pdf", "message/rfc822", "notes.txt"],
    )


def test_text_around_a_picture_is_joined() -> None:
    mail = EmailMessage()
    mail.set_content("before")
    mail.make_mixed()
    mail.attach(_part("after"))
    assert read_body(mail.as_bytes())[0].split() == ["before", "after"]


def _part(text: str) -> EmailMessage:
    part = EmailMessage()
    part.set_content(text)
    return part


def test_an_empty_plain_part_does_not_hide_the_html() -> None:
    mail = EmailMessage()
    mail.set_content(" ")
    mail.add_alternative("<p>html</p>", "html")
    assert read_body(mail.as_bytes())[0] == "html"


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


GMAIL = "On Mon, 5 Jan 2026 at 10:00, Agent <agent@example.org> wrote:"
WRAPPED = "On Mon, 5 Jan 2026 at 10:00, Deploy agent of the platform\n<agent@example.org> wrote:"
GERMAN = "Am 05.01.2026 um 10:00 schrieb Agent:"
OUTLOOK = "From: Agent <agent@example.org>\nSent: Monday, 5 January 2026\nTo: Ana\nSubject: Hi"
AUSBLICK = "Von: Agent\nGesendet: Montag, 5. Januar 2026\nAn: Ana\nBetreff: Hi"


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("yes", "yes"),
        (f"yes\n\n{GMAIL}\n\n> May I?\n>> what", "yes"),
        (f"yes\n\n{WRAPPED}\n\n> May I?", "yes"),
        (f"ja\n\n{GERMAN}\n\n> Darf ich?", "ja"),
        ("oui\n\nLe lun. 5 janv. 2026 à 10:00, Agent <a@x.org> a écrit :\n> Puis-je ?", "oui"),
        ("sí\n\nEl lun, 5 ene 2026 a las 10:00, Agent (<a@x.org>) escribió:\n\n> ¿Puedo?", "sí"),
        ("yes\n\n> On 5 Jan 2026, at 10:00, Agent wrote:\n> \n> May I?\n", "yes"),
        ("yes\n\n2026-01-05 10:00 GMT+01:00 Agent <a@x.org>:\n\n> May I?", "yes"),
        (f"yes\n\n________________________________\n{OUTLOOK}\n\nMay I?", "yes"),
        (f"yes\n\n*{OUTLOOK}\n\nMay I?".replace("\nS", "\n*S"), "yes"),
        (f"ja\n\n{AUSBLICK}\n\nDarf ich?", "ja"),
        ("yes\n\n-----Original Message-----\nFrom: Agent\nMay I?", "yes"),
        ("ja\n\n-----Ursprüngliche Nachricht-----\nDarf ich?", "ja"),
        (f"{GMAIL}\n> May I?\n\nyes, at the end", "yes, at the end"),
        (f"{GMAIL}\n> Which?\nstaging\n> When?\nnow", "staging\nnow"),
        ("yes\n\n-- \nAna Smith\nExample Ltd", "yes"),
        ("yes\n\nSent from my iPhone", "yes"),
        (f"ja\n\nVon meinem iPhone gesendet\n\n{GERMAN}\n> Darf ich?", "ja"),
        (
            "yes:\n- one\n- two\nThanks,\nand then this",
            "yes:\n- one\n- two\nThanks,\nand then this",
        ),
        (
            "move it\nFrom: Berlin\nTo: Paris\nDate: today",
            "move it\nFrom: Berlin\nTo: Paris\nDate: today",
        ),
        ("Am I right?\nOn it.\nSent from my view this is fine, so\ngo", None),
        (f"{GMAIL}\n> May I?", ""),
    ],
)
def test_a_reply_keeps_only_what_its_writer_added(text: str, own: str | None) -> None:
    assert extract_own_words(text, "Re: Hi") == (text if own is None else own)
    assert extract_own_words(text.replace("\n", "  \n"), "Re: Hi") == (text if own is None else own)


def test_a_forwarded_mail_is_kept_whole() -> None:
    text = f"please look\n\n{OUTLOOK}\n\nIt is down."
    assert extract_own_words(text, "WG: Hi") == text
    assert extract_own_words(text, "Re: Hi") == "please look"


def test_a_new_mail_loses_only_its_signature() -> None:
    assert remove_signature("> 5 of them\nare down\n--\nAna") == "> 5 of them\nare down"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<div>one</div><div>two &amp; three</div>", "one\n\ntwo & three"),
        ("a\nb <b>c</b>d", "a b cd"),
        ("<style>p {}</style><script>alert('<p>')</script><!-- <p>no</p> -->yes", "yes"),
        (
            '<p>yes</p><blockquote type="cite"><p>May I?</p>Ok?</blockquote>no',
            "yes\n\n>\n>May I?\n>Ok?\nno",
        ),
        (
            'see <a class=x href="https://x.example/?a=1&amp;b">this</a>',
            "see <https://x.example/?a=1&b> this",
        ),
        ('<a href="javascript:alert(1)">this</a>', "this"),
        ("a <p", "a"),
        ("&#0;&lt;b&gt;", "\ufffd<b>"),
    ],
)
def test_html_is_converted_to_text(html: str, text: str) -> None:
    assert convert_html(html) == text


@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", "<", "&#", "<style>", "<p", "</", "<a href='", "<a href= ", "> "]
)
def test_hostile_html_and_text_take_linear_time(piece: str) -> None:
    """With a million characters, anything quadratic would run for hours."""
    hostile = piece * (1_000_000 // len(piece))
    assert convert_html(hostile) is not None
    assert extract_own_words(hostile, "Re: Hi") is not None


def test_long_lines_and_many_lines_are_read_in_linear_time() -> None:
    for text in (
        "On wrote " * 100_000,
        "On a\n" * 200_000,
        "\n" * 900_000 + "x",
        "From: a\n" * 100_000,
    ):
        assert extract_own_words(text, "Re: Hi").split() == text.split()

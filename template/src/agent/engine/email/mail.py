"""Reads a mail as it arrives: raw bytes in, what the agent needs to know about it out.

The sender may be hostile. The headers are read first, with bounded patterns; the rest is parsed
only if the sender may write to the agent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message, MIMEPart
from email.parser import BytesHeaderParser
from email.policy import compat32, default
from hashlib import sha256
from itertools import islice

from .stamp import ADDRESS
from .text import convert_html

MAX_MAIL = 25_000_000
"""Bytes, attachments included."""
MAX_HEAD = 256_000
MAX_TEXT = 1_000_000
"""Bytes of the text that are read; the log keeps less."""
_LONGEST = 20_000
_RECIPIENTS = 50
_LONGEST_FROM = 1_000
"""Matching a pattern against a longer From header takes quadratic time."""
_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_FROM = re.compile(rf"(?:([^<>]*)<\s*)?({ADDRESS.pattern})(?(1)\s*>)")
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "us-ascii": "utf-8"}
_SLOW = ("idna", "punycode")
_BROKEN = (AssertionError, AttributeError, LookupError, MessageError, RecursionError, TypeError)
"""What the standard library raises for some malformed mails, besides `ValueError`."""


class BrokenMail(ValueError):
    """The mail cannot be read; the text says why."""


@dataclass(frozen=True)
class Head:
    """The headers of a mail."""

    id: str
    sender: str
    """The address in From, in lower case; anybody can write any address there."""
    subject: str
    recipients: tuple[str, ...]
    """The addresses it was delivered or sent to, in lower case, the closest first."""
    references: tuple[str, ...]
    """Message-IDs of the mails that it answers, oldest first."""
    fields: Message
    """All of them, as they arrived."""

    @classmethod
    def of(cls, raw: bytes) -> "Head":
        """Raises BrokenMail if From is not a single address, or it is not a mail at all."""
        end = re.search(rb"\r?\n\r?\n", raw[:MAX_HEAD])
        if not end and len(raw) > MAX_HEAD:
            raise BrokenMail(f"it has more than {MAX_HEAD} bytes of headers")
        fields = BytesHeaderParser(policy=compat32).parsebytes(raw[: end.end() if end else None])
        ids = _ID.findall(" ".join(read_headers(fields, "Message-ID")))
        before = [*read_headers(fields, "References")[:1], *read_headers(fields, "In-Reply-To")[:1]]
        return cls(
            id=ids[0] if ids else f"<{sha256(raw).hexdigest()}@no-message-id.invalid>",
            sender=_parse_sender(read_headers(fields, "From")),
            subject=_decode_subject(read_headers(fields, "Subject")),
            recipients=_read_recipients(fields),
            references=tuple(dict.fromkeys(_ID.findall(" ".join(before)))),
            fields=fields,
        )


def read_headers(fields: Message, name: str) -> list[str]:
    """Return the headers of one name, each on one line, not decoded."""
    return [" ".join(str(value)[:_LONGEST].split()) for value in fields.get_all(name, [])]


def _parse_sender(given: list[str]) -> str:
    """Return the one address in From, read as strictly as by the servers that checked it."""
    one = len(given) == 1 and len(given[0]) <= _LONGEST_FROM
    found = _FROM.fullmatch(_QUOTED.sub("", given[0]).strip()) if one else None
    if not found or re.search("[@,:;]", found[1] or ""):
        raise BrokenMail("its From is not one address")
    return found[2].lower()


def _read_recipients(fields: Message) -> tuple[str, ...]:
    names = ("Delivered-To", "X-Original-To", "To", "Cc")
    texts = [text for name in names for text in read_headers(fields, name)]
    found = (address for text in texts[:_RECIPIENTS] for address in ADDRESS.findall(text))
    return tuple(address.lower() for address in islice(found, _RECIPIENTS))


def _decode_subject(given: list[str]) -> str:
    try:
        subject = str(default.header_factory("subject", given[0][:2_000])) if given else ""
    except (*_BROKEN, ValueError):
        subject = given[0]
    return " ".join("".join(sign if sign.isprintable() else " " for sign in subject).split())[:300]


def read_body(raw: bytes) -> tuple[str, list[str]]:
    """Return the text of a mail and the names of its attachments.

    Raises:
        BrokenMail: it cannot be parsed.
    """
    try:
        leaves = list(_walk_leaves(message_from_bytes(raw, policy=default)))
        files = [leaf for leaf in leaves if _is_file(leaf)]
        texts = [_join_texts(leaves, files, kind) for kind in ("plain", "html")]
        return next(filter(str.strip, texts), ""), list(dict.fromkeys(map(_name_file, files)))
    except (*_BROKEN, ValueError) as error:
        raise BrokenMail(f"it cannot be parsed ({type(error).__name__})") from None


def _walk_leaves(message: MIMEPart) -> Iterator[MIMEPart]:
    if message.get_content_maintype() != "multipart":
        yield message
        return
    for part in message.iter_parts():
        yield from _walk_leaves(part)


def _is_file(part: MIMEPart) -> bool:
    """Say whether a part is an attachment; a picture inside the text is not."""
    named = bool(part.get_filename()) and not part.get("Content-ID")
    return part.is_attachment() or named or part.get_content_maintype() == "message"


def _name_file(part: MIMEPart) -> str:
    name = part.get_filename() or part.get_content_type()
    return "".join(sign for sign in name if sign.isprintable() and sign not in "[],")[:100]


def _join_texts(leaves: list[MIMEPart], files: list[MIMEPart], kind: str) -> str:
    """Join the text of one kind: some programs put pictures between its parts."""
    parts = (leaf for leaf in leaves if leaf.get_content_type() == f"text/{kind}")
    return "\n".join(_read_text(part) for part in parts if part not in files)


def _read_text(part: MIMEPart) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    text = _decode(content[:MAX_TEXT], part.get_content_charset("us-ascii"))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return convert_html(text) if part.get_content_subtype() == "html" else text


def _decode(content: bytes, charset: str) -> str:
    """Decode text that claims to be in `charset`; the claim may be wrong."""
    named = () if charset in _SLOW else (_WIDER.get(charset, charset),)
    for attempt in (*named, "utf-8", "cp1252"):
        try:
            return content.decode(attempt)
        except (LookupError, UnicodeError):
            continue
    return content.decode("utf-8", "replace")

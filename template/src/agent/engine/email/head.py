"""Reads the headers of a mail as it arrives.

The sender may be hostile. So the headers are read first, with bounded patterns; the body is parsed
only if the sender may write to the agent (`body.py`).
"""

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32, default
from hashlib import sha256
from itertools import islice

from .stamp import ADDRESS

MAX_MAIL = 25_000_000
"""Bytes, attachments included."""
MAX_HEAD = 256_000
_LONGEST = 20_000
_RECIPIENTS = 50
_LONGEST_FROM = 1_000
"""Matching a pattern against a longer From header takes quadratic time."""
_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_FROM = re.compile(rf"(?:([^<>]*)<\s*)?({ADDRESS.pattern})(?(1)\s*>)")
FAILURES = (AssertionError, AttributeError, LookupError, MessageError, RecursionError, TypeError)
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
            subject=decode_words("".join(read_headers(fields, "Subject")[:1]))[:300],
            recipients=_read_recipients(fields),
            references=tuple(dict.fromkeys(_ID.findall(" ".join(before)))),
            fields=fields,
        )


def read_headers(fields: Message, name: str) -> list[str]:
    """Return the headers of one name, each on one line, not decoded."""
    return [" ".join(str(value)[:_LONGEST].split()) for value in fields.get_all(name, [])]


def decode_words(value: str) -> str:
    """Return a header on one line, its encoded words decoded (RFC 2047)."""
    try:
        text = str(default.header_factory("subject", value[:2_000]))
    except (*FAILURES, ValueError):
        text = value
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


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

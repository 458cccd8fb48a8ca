"""Decodes the text of a part of a mail, which may not be in the encoding that it claims."""

import codecs
import re
from base64 import b64decode
from email.message import Message
from quopri import decodestring

_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "us-ascii": "utf-8"}
_ODD = ("idna", "punycode", "raw-unicode-escape", "unicode-escape")
"""Encodings of Python that no mail is in; some take quadratic time."""


def decode_content(fields: Message, given: memoryview) -> bytes:
    """Return the bytes of a text; what does not belong in its encoding is skipped."""
    encoding, content = fields.get("Content-Transfer-Encoding", "").lower(), bytes(given)
    if encoding == "quoted-printable":
        return decodestring(content)
    if encoding == "base64":
        known = re.sub(rb"[^A-Za-z0-9+/]", b"", content.partition(b"=")[0])
        return b64decode(known[: len(known) - (len(known) % 4 == 1)] + b"==")
    return content


def decode_charset(content: bytes, charset: str) -> str:
    """Decode text that claims to be in `charset`; the claim may be wrong."""
    for attempt in (*_find_codec(_WIDER.get(charset, charset)), "utf-8", "cp1252"):
        try:
            return content.decode(attempt)
        except (LookupError, ValueError):
            continue
    return content.decode("utf-8", "replace")


def _find_codec(charset: str) -> tuple[str, ...]:
    """Return the name of an encoding that mails may be in, which has many spellings."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return ()
    return () if name in _ODD else (name,)

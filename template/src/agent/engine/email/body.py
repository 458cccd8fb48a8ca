"""Reads the body of a mail: its text, and the names of its attachments."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import MIMEPart
from email.policy import default

from .head import FAILURES, BrokenMail
from .html import convert_html

MAX_TEXT = 1_000_000
"""Bytes of the text that are read; the log keeps less."""
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "us-ascii": "utf-8"}
_SLOW = ("idna", "punycode")


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
    except (*FAILURES, ValueError) as error:
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

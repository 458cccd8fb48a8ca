"""Reads the body of a mail: its text, the mails attached to it, and the names of other files."""

from dataclasses import dataclass

from .decoding import decode_charset, decode_content
from .head import FAILURES, BrokenMail, decode_words
from .html import convert_html
from .mime import Part, is_file, split_mail, walk_leaves

MAX_TEXT = 400_000
"""Bytes of the texts that are read; the log keeps less."""
_SHOWN = ("From", "Date", "Subject", "To")
FORWARDED = "---------- Forwarded message ----------"


@dataclass(frozen=True)
class Body:
    text: str
    forwarded: tuple[str, ...] = ()
    """Mails that were forwarded as attachments, each with its headers."""
    files: tuple[str, ...] = ()
    """The names of other attachments, without repetitions."""


def read_body(raw: bytes) -> Body:
    """Raises BrokenMail if the mail cannot be parsed, or would take long to parse."""
    try:
        return _Reader().read(split_mail(raw))
    except BrokenMail:
        raise
    except (*FAILURES, ValueError) as error:
        raise BrokenMail(f"it cannot be parsed ({type(error).__name__})") from None


class _Reader:
    def __init__(self) -> None:
        self._left = MAX_TEXT

    def read(self, mail: Part) -> Body:
        leaves = list(walk_leaves(mail))
        texts = (self._join_texts(leaves, kind) for kind in ("text/plain", "text/html"))
        text = next(filter(str.strip, texts), "")
        attached = [(leaf, self._read_attached(leaf)) for leaf in leaves if is_file(leaf)]
        mails = [one for _, inner in attached for one in inner.forwarded]
        files = [
            name
            for leaf, inner in attached
            for name in (inner.files if inner.forwarded else [_name_file(leaf)])
        ]
        return Body(text, tuple(mails), tuple(dict.fromkeys(files)))

    def _read_attached(self, leaf: Part) -> Body:
        """Read an attached mail; an empty body if it is another file, or has nothing to read."""
        if not leaf.parts:
            return Body("")
        inner, fields = self.read(leaf.parts[0]), leaf.parts[0].fields
        if not inner.text.strip() and not inner.forwarded:
            return Body("")
        about = [f"{name}: {decode_words(fields[name])}" for name in _SHOWN if name in fields]
        shown = "\n".join([FORWARDED, *about, "", inner.text.strip()])
        return Body("", (shown, *inner.forwarded), inner.files)

    def _join_texts(self, leaves: list[Part], kind: str) -> str:
        """Join the text of one kind: some programs put pictures between its parts."""
        parts = (leaf for leaf in leaves if leaf.kind == kind and not is_file(leaf))
        return "\n".join(self._read_text(part) for part in parts if self._left > 0)

    def _read_text(self, part: Part) -> str:
        content = decode_content(part.fields, part.content[: 4 * MAX_TEXT])[: self._left]
        self._left -= len(content)
        text = decode_charset(content, part.fields.get_content_charset("us-ascii"))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return convert_html(text) if part.kind == "text/html" else text


def _name_file(part: Part) -> str:
    name = decode_words((part.fields.get_filename() or part.kind)[:600])
    return "".join(sign for sign in name if sign.isprintable() and sign not in "[],")[:100]

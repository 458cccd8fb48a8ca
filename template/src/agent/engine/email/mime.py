"""Splits a mail into its parts, in linear time and within bounds.

The parser of the standard library took minutes for a mail of many tiny parts, or for one long
Content-Type. So only the headers of each part are given to it, and only those that are needed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32

from .head import MAX_HEAD, BrokenMail, read_headers

MAX_PARTS = 500
MAX_DEPTH = 20
"""Of parts within parts, attached mails included."""
_LONGEST = 4_000
"""Characters of a header: reading the parameters of a longer one takes quadratic time."""
_FIELDS = ("Content-Type", "Content-Disposition", "Content-Transfer-Encoding", "Content-ID", "From",
           "Date", "Subject", "To")  # fmt: skip
_BLANK = re.compile(rb"\n\r?\n")
_NAME = re.compile(rb"[!-9;-~]{1,200}[ \t]*:")
_MAILS = ("message/rfc822", "message/global")


@dataclass(frozen=True)
class Part:
    kind: str
    """Such as `text/plain`."""
    fields: Message
    """Its headers, of those that `body.py` needs."""
    content: memoryview
    """What follows the headers, not decoded."""
    parts: "tuple[Part, ...]" = ()
    """Those of a multipart; for an attached mail the mail itself."""


def split_mail(raw: bytes) -> Part:
    """Raises BrokenMail if the mail has too many parts, too deep parts, or too long headers."""
    return _Splitter(raw).split(0, len(raw), 0)


def walk_leaves(part: Part) -> Iterator[Part]:
    """Yield the parts that have content, in the order of the mail."""
    if not part.kind.startswith("multipart/"):
        yield part
    else:
        for inner in part.parts:
            yield from walk_leaves(inner)


def is_file(part: Part) -> bool:
    """Say whether a part is an attachment; a picture inside the text is not."""
    fields = part.fields
    named = bool(fields.get_filename()) and "Content-ID" not in fields
    attached = fields.get_content_disposition() == "attachment"
    return attached or named or part.kind.startswith("message/")


class _Splitter:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parts = 0
        self._left = MAX_HEAD

    def split(self, start: int, end: int, depth: int) -> Part:
        """Return the part between two places of the mail."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BrokenMail(f"it has more than {MAX_PARTS} parts")
        if depth > MAX_DEPTH:
            raise BrokenMail(f"it has parts within parts, more than {MAX_DEPTH} deep")
        body = self._find_body(start, end)
        fields = _read_fields(self._raw[start:body])
        kind = fields.get_content_type()
        places = self._find_parts(kind, fields, body, end)
        inner = tuple(self.split(*place, depth + 1) for place in places)
        return Part(kind, fields, memoryview(self._raw)[body:end], inner)

    def _find_body(self, start: int, end: int) -> int:
        """Return where the headers of a part end, its blank line included."""
        if not _NAME.match(self._raw, start, end):
            empty = re.compile(rb"\r?\n").match(self._raw, start, end)
            return empty.end() if empty else start
        found = _BLANK.search(self._raw, start, min(end, start + self._left))
        body = found.end() if found else end
        self._left -= body - start
        if self._left < 0:
            raise BrokenMail(f"it has more than {MAX_HEAD} bytes of headers")
        return body

    def _find_parts(
        self, kind: str, fields: Message, body: int, end: int
    ) -> Iterator[tuple[int, int]]:
        """Return from where to where each part reaches; what is around them is left out."""
        if kind in _MAILS:
            yield body, end
        multipart = kind.startswith("multipart/")
        boundary = (fields.get_boundary("") or "") if multipart else ""
        if not boundary:
            return
        start = -1
        delimiter = re.compile(
            rb"\n--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*\r?(?=\n|\Z)"
        )
        for found in delimiter.finditer(self._raw, max(0, body - 1), end):
            if start >= 0:
                last = found.start() - self._raw.startswith(b"\r", found.start() - 1)
                yield start, max(start, last)
            if found[1]:
                return
            start = min(end, found.end() + 1)
        if start >= 0:
            yield start, end


def _read_fields(head: bytes) -> Message:
    parsed = HeaderParser(policy=compat32).parsestr(head.decode("utf-8", "replace"))
    kept = Message()
    for name in _FIELDS:
        for value in read_headers(parsed, name)[:1]:
            kept[name] = value[:_LONGEST]
    return kept

"""Mails as they arrive, and the call that somebody reads in one."""

import json
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from itertools import dropwhile, islice, takewhile
from typing import Any

from agent.engine.log.events import CallJson

HEADING = "This is the whole call:"


def receive(mail: EmailMessage) -> EmailMessage:
    """Return a mail as the program of whoever gets it parses it."""
    return message_from_bytes(mail.as_bytes(), policy=default)


def read_part(mail: EmailMessage, kind: str) -> str:
    """Return the `plain` or the `html` part of a mail."""
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content()).replace("\r\n", "\n")


def read_call(mail: EmailMessage, kind: str) -> CallJson | None:
    """Read the call back from one part of a mail; None if it shows none."""
    text = read_part(mail, kind)
    lines = _find_lines(text) if kind == "plain" else _find_elements(text)
    if not lines:
        return None
    intent, *given = lines
    return {"intent": _read_name(intent)[0], **dict(map(_read_argument, given))}


def _find_lines(text: str) -> list[str]:
    """Return the lines of the call: those that follow our heading, up to an empty one."""
    _, found, after = text.partition(f"\n{HEADING}\n\n")
    lines = after.partition("\n\n")[0].split("\n") if found else []
    assert all(line.startswith("  ") for line in lines)
    return [line.removeprefix("  ") for line in lines]


def _find_elements(html: str) -> list[str]:
    """Return what is in each element that follows our heading, up to the next paragraph."""
    elements = Elements()
    elements.feed(html)
    elements.close()
    after = dropwhile(lambda each: each != ("own", HEADING), elements.found)
    return [text for _, text in takewhile(lambda each: each[0] == "exact", islice(after, 1, None))]


class Elements(HTMLParser):
    """The text of each paragraph, after whose it is."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("p", "pre"):
            said = "border-left" in (dict(attrs).get("style") or "")
            self._inside = "exact" if tag == "pre" else "said" if said else "own"
            self.found.append((self._inside, ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag in ("p", "pre") else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside:
            whose, text = self.found[-1]
            self.found[-1] = (whose, text + data)


def _read_name(text: str) -> tuple[str, str]:
    """Return the name that a line starts with, and the rest of the line."""
    if text.startswith('"'):
        name, end = json.JSONDecoder().raw_decode(text)
        return name, text[end:]
    name, colon, rest = text.partition(":")
    return name, colon + rest


def _read_argument(line: str) -> tuple[str, Any]:
    name, rest = _read_name(line)
    assert rest.startswith(": ")
    return name, json.loads(rest[2:])

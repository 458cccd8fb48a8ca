"""The mails that the agent writes: their headers, their link, and how they can be answered.

A mail approves nothing: it links to the page of the wait. What it says is in paragraphs.py.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from ..characters import clean
from ..log.events import Event
from ..log.thread import Thread
from ..people.cards import KINDS, explain_message, title_wait
from ..people.words import shorten
from .home import goes_home, list_received, read_home
from .paragraphs import (
    Paragraph,
    format_html,
    format_text,
    name_audience,
    write_result,
    write_wait,
)
from .stamp import Link, Stamp

UNREAD = "[Attachments, not read: {}]"
"""What the agent reads in place of attachments, as the last line of a mail's text."""

_UNREAD = re.compile(re.escape(UNREAD).replace(re.escape("{}"), "(.*)") + r"\Z")
_WIDE = SMTP.clone(max_line_length=900, cte_type="7bit")
"""Message-IDs do not survive being folded, nor does text beyond ASCII survive every server."""
_HOW = {
    "question": "Answer on this page.",
    "approval": "Decide on this page. A reply does not approve.",
    "limit": "Decide on this page.",
    "job": "If you know that it is done, or that it failed, report it on this page.",
    "in_doubt": "Check what happened, then report it on this page.",
}
_TEXTS = {"finished": "message", "notice": "text"}
"""Events that need no answer, and where their text is."""


@dataclass(frozen=True)
class Letterhead:
    """What all our mails have in common."""

    stamp: Stamp
    public_url: str = ""
    """Where people reach the pages; "" if they cannot."""
    takes_replies: bool = True
    """Incoming mail is read."""


def write_letter(
    letterhead: Letterhead, thread: Thread, event: Event, person: str, address: str
) -> EmailMessage:
    """Write a mail about `event` to one person; it is the same mail each time."""
    link, parts = _make_link(letterhead, thread, event, person), list[Paragraph]()
    if event.type in _TEXTS:
        parts.append(write_result(event.data[_TEXTS[event.type]]))
    else:
        audience = _list_audience(thread, event)
        again, has_page = event.type == "reminded", bool(link)
        parts += write_wait(event.data, audience, person, again=again, has_page=has_page)
    if address == read_home(thread)[0]:
        parts += _list_unread(thread, event)
    if event.type not in _TEXTS:
        parts.append(Paragraph(_explain_answer(letterhead, thread, event, person, link)))
    mail = _write_headers(letterhead.stamp, thread, event, address)
    mail.set_content(format_text(parts, link))
    mail.add_alternative(format_html(parts, link), "html")
    return mail


def _write_headers(stamp: Stamp, thread: Thread, event: Event, address: str) -> EmailMessage:
    mail = EmailMessage(_WIDE)
    mail["From"] = formataddr((stamp.name, stamp.address))
    mail["To"] = address
    theirs, subject = read_home(thread)
    seen = list_received(thread, event) if address == theirs else []
    continues = bool(seen or thread.state.parent)
    about = f"Re: {clean(subject)}" if subject and continues else _write_subject(event)
    again = event.type == "reminded"
    mail["Subject"] = f"Reminder: {about}" if again else about
    if event.at:
        mail["Date"] = format_datetime(event.at)
    mail["Message-ID"] = stamp.make_message_id(thread.id, event.seq)
    first = [stamp.make_message_id(thread.id, _read_wait(event))] if again else []
    if answered := [*seen, *first]:
        mail["In-Reply-To"] = answered[-1]
    root = stamp.make_message_id(thread.state.parent or thread.id, 0)
    mail["References"] = " ".join([root, *seen[:1], *seen[1:][-8:], *first])
    mail["Auto-Submitted"] = "auto-replied"
    mail["X-Auto-Response-Suppress"] = "All"
    return mail


def _make_link(letterhead: Letterhead, thread: Thread, event: Event, person: str) -> str:
    """Return the person's link to the wait; "" if there is no page or they may not answer."""
    may_answer = {person, "anyone"}.intersection(event.data.get("audience", ()))
    if event.type in _TEXTS or not (letterhead.public_url and may_answer) or ":" in person:
        return ""
    link = Link(thread.id, _read_wait(event), event.data.get("digest") or "", person)
    return f"{letterhead.public_url}/email/wait/{letterhead.stamp.seal_link(link)}"


def _explain_answer(
    letterhead: Letterhead, thread: Thread, event: Event, person: str, link: str
) -> str:
    """Say how the person can answer a wait, or why they cannot."""
    kind, audience = event.data["kind"], _list_audience(thread, event)
    if not {person, "anyone"}.intersection(audience):
        return f"This waits for {name_audience(audience, person)}, who cannot be reached by mail."
    if link:
        return " ".join([_HOW[kind], _explain_reply(letterhead, thread, event, person)]).strip()
    if kind == "question" and letterhead.takes_replies:
        return "Reply to this mail with your answer."
    how = f"Run `agent inbox` to see how to answer {thread.id}:{_read_wait(event)}."
    if ":" in person:
        how = f"To answer anywhere, {clean(person)} needs a name in people.toml and a token."
    return f"It cannot be answered by mail. {how}"


def _explain_reply(letterhead: Letterhead, thread: Thread, event: Event, person: str) -> str:
    if not letterhead.takes_replies:
        return "Replies to this mail are not read."
    said = explain_message(thread.before(_read_wait(event) + 1).state.wait, person)
    return said.replace("A message", "A reply").replace("a message", "a reply")


def _list_audience(thread: Thread, event: Event) -> list[str]:
    """Return everybody who may answer, those who are asked by other channels too."""
    return list(thread.event(_read_wait(event)).data["audience"])


def _list_unread(thread: Thread, event: Event) -> Iterable[Paragraph]:
    """Tell whoever wrote, once, which of their attachments were not read."""
    past = thread.events[: event.seq]
    delivered = [thread.event(one.data["ref"]) for one in past if one.type == "delivered"]
    since = max((one.seq for one in delivered if goes_home(thread, one)), default=0)
    for one in past[since:]:
        if one.data.get("source") == "email" and (found := _UNREAD.search(one.data["text"])):
            names = clean(found[1])
            yield Paragraph(f"Attachments are not read: {names}. Send what matters as text.")


def _read_wait(event: Event) -> int:
    """Return the wait that a `paused` opens, or that a `reminded` is about."""
    return int(event.data.get("wait", event.seq))


def _write_subject(event: Event) -> str:
    if event.type == "notice":
        return shorten(clean(event.data["text"]), 80)
    if event.type == "finished":
        return f"Done: {shorten(clean(event.data['message']), 80)}"
    return f"{KINDS[event.data['kind']]}: {shorten(title_wait(event.data), 80)}"

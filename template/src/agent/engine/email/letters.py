"""The mails that the agent writes, as text and as simple HTML.

Everything shown is data: characters that a screen would interpret are replaced, and nothing but
our own link can be clicked.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from html import escape

from ..log.events import Event, cut
from ..log.thread import Thread
from .home import goes_home, list_received, read_home
from .stamp import Link, Stamp

UNREAD = "[Attachments, not read: {}]"
"""What the agent reads in place of attachments, as the last line of a mail's text."""

_UNREAD = re.compile(re.escape(UNREAD).replace(re.escape("{}"), "(.*)") + r"\Z")
_LONGEST = 20_000
_WIDE = SMTP.clone(max_line_length=900)
"""Message-IDs do not survive being folded."""
_HOW = {
    "question": "Reply to this mail with your answer.",
    "approval": "Review and decide here. A reply does not approve; it withdraws the request.",
    "limit": "Decide here. A reply is a new request, and the agent continues with that.",
    "job": "If you know that it is done, report it here. A reply is read only after that.",
    "in_doubt": "Check what happened, then report it here. A reply is read only after that.",
}


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
    waits = event.type != "finished"
    news = _write_question(event) if waits else [event.data["message"]]
    link = _make_link(letterhead, thread, event, person)
    how = _explain_answer(letterhead, thread, event, person, link) if waits else []
    unread = _list_unread(thread, event) if address == read_home(thread)[0] else ()
    paragraphs = [_make_printable(cut(part, _LONGEST)) for part in [*news, *unread, *how]]
    mail = _write_headers(letterhead.stamp, thread, event, address)
    mail.set_content("\n\n".join([*paragraphs, *filter(None, [link])]) + "\n")
    mail.add_alternative(_write_html(paragraphs, link), "html")
    return mail


def _write_headers(stamp: Stamp, thread: Thread, event: Event, address: str) -> EmailMessage:
    mail = EmailMessage(_WIDE)
    mail["From"] = formataddr((stamp.name, stamp.address))
    mail["To"] = address
    theirs, subject = read_home(thread)
    seen = list_received(thread, event) if address == theirs else []
    reply = subject and seen
    mail["Subject"] = _make_printable(f"Re: {subject}") if reply else _write_subject(event)
    if event.at:
        mail["Date"] = format_datetime(event.at)
    mail["Message-ID"] = stamp.make_message_id(thread.id, event.seq)
    if seen:
        mail["In-Reply-To"] = seen[-1]
    root = stamp.make_message_id(thread.id, 0)
    mail["References"] = " ".join([root, *seen[:1], *seen[1:][-8:]])
    mail["Auto-Submitted"] = "auto-replied"
    mail["X-Auto-Response-Suppress"] = "All"
    return mail


def _write_question(event: Event) -> list[str]:
    data, options = event.data, event.data.get("options") or {}
    choices = ("yes", "no") if options.get("format") == "yes_no" else options.get("choices", ())
    parts = [data["text"]]
    if call := data.get("call"):
        lines = [f"  {name}: {_dump(value)}" for name, value in call.items() if name != "intent"]
        parts.append("\n".join([call["intent"], *lines]))
    if choices:
        parts.append("\n".join(f"  {place}. {text}" for place, text in enumerate(choices, 1)))
    if expires_at := data.get("expires_at"):
        parts.append(f"Until {datetime.fromisoformat(expires_at):%Y-%m-%d %H:%M} UTC.")
    return parts


def _make_link(letterhead: Letterhead, thread: Thread, event: Event, person: str) -> str:
    """Return the person's link to the wait; "" if there is no page or they may not answer."""
    may_answer = {person, "anyone"}.intersection(event.data.get("audience", ()))
    if not (letterhead.public_url and may_answer) or ":" in person:
        return ""
    link = Link(thread.id, _read_wait(event), event.data.get("digest") or "", person)
    return f"{letterhead.public_url}/email/wait/{letterhead.stamp.seal_link(link)}"


def _explain_answer(
    letterhead: Letterhead, thread: Thread, wait: Event, person: str, link: str
) -> list[str]:
    """Say how the person can answer a wait, or why they cannot."""
    kind, audience = wait.data["kind"], wait.data["audience"]
    if not {person, "anyone"}.intersection(audience):
        return [f"This waits for {', '.join(audience)}, who cannot be reached by mail."]
    replies = kind == "question" and letterhead.takes_replies
    if link:
        return [_HOW[kind] if replies or kind != "question" else "Answer here."]
    if replies:
        return [_HOW[kind]]
    how = f"Run `agent inbox` to see how to answer {thread.id}:{_read_wait(wait)}."
    if ":" in person:
        how = f"To answer anywhere, {person} needs a name in people.toml and a token."
    return [f"It cannot be answered by mail. {how}"]


def _list_unread(thread: Thread, event: Event) -> Iterable[str]:
    """Tell whoever wrote, once, which of their attachments were not read."""
    past = thread.events[: event.seq]
    delivered = [thread.event(one.data["ref"]) for one in past if one.type == "delivered"]
    since = max((one.seq for one in delivered if goes_home(thread, one)), default=0)
    for one in past[since:]:
        if one.data.get("source") == "email" and (found := _UNREAD.search(one.data["text"])):
            yield f"Attachments are not read: {found[1]}. Please send what matters as text."


def _read_wait(event: Event) -> int:
    """Return the wait that a `paused` opens, or that a `reminded` is about."""
    return int(event.data.get("wait", event.seq))


def _write_subject(event: Event) -> str:
    kind = event.data.get("kind", "done").replace("_", " ").capitalize()
    kind = f"Reminder: {kind}" if event.type == "reminded" else kind
    first = event.data.get("text", "").strip().partition("\n")[0]
    return _make_printable(f"{kind}: {first[:80]}")


def _write_html(paragraphs: list[str], link: str) -> str:
    shown = [f'<p style="white-space: pre-wrap">{escape(part)}</p>' for part in paragraphs]
    if link:
        shown.append(f'<p><a href="{escape(link)}">Open the question</a></p>')
    return f"<!doctype html>\n<html><body>\n{chr(10).join(shown)}\n</body></html>\n"


def _dump(value: object) -> str:
    return cut(json.dumps(value, ensure_ascii=False), 2_000)


def _make_printable(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)

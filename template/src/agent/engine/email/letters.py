"""What the mails of the agent say, as text and as simple HTML.

Everything shown is data: characters that a screen would obey are replaced, and nothing but our
own link can be clicked.
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
from .home import goes_home, home, received
from .stamp import Link, Stamp

UNREAD = "[Attachments, which nobody reads here: {}]"
"""What the agent is told in their place, the last line of a mail's text."""

_UNREAD = re.compile(re.escape(UNREAD).replace(re.escape("{}"), "(.*)") + r"\Z")
_LONGEST = 20_000
_NARROW = SMTP.clone(max_line_length=900)
"""Message-IDs do not survive being folded."""
_HOW = {
    "question": "Reply to this mail with your answer.",
    "approval": "Look at it and decide here. A reply does not approve: it takes the question back.",
    "limit": "Decide here. A reply is a new request, and the agent goes on with that.",
    "job": "If you know that it is done, say so here. A reply waits until then.",
    "in_doubt": "Look what happened, then say so here. A reply waits until then.",
}


@dataclass(frozen=True)
class Desk:
    """What a mail has to know of where it is written."""

    stamp: Stamp
    public_url: str = ""
    """Where people reach the pages; "" where they cannot."""
    answerable: bool = True
    """Replies are read."""


def letter(desk: Desk, thread: Thread, event: Event, person: str, address: str) -> EmailMessage:
    """Write to one person about `event`; the same mail each time."""
    told = _question(desk, thread, event) if event.type == "paused" else [event.data["message"]]
    link = _link(desk, thread, event, person)
    how = _way(desk, thread, event, person, link)
    unread = _unread(thread, event) if address == home(thread)[0] else ()
    paragraphs = [_plain(cut(part, _LONGEST)) for part in [*told, *unread, *how]]
    mail = _addressed(desk.stamp, thread, event, address)
    mail.set_content("\n\n".join([*paragraphs, *filter(None, [link])]) + "\n")
    mail.add_alternative(_html(paragraphs, link), "html")
    return mail


def _addressed(stamp: Stamp, thread: Thread, event: Event, address: str) -> EmailMessage:
    mail = EmailMessage(_NARROW)
    mail["From"] = formataddr((stamp.name, stamp.address))
    mail["To"] = address
    theirs, subject = home(thread)
    seen = received(thread, event) if address == theirs else []
    mail["Subject"] = _plain(f"Re: {subject}") if subject and seen else _headline(event)
    if event.at:
        mail["Date"] = format_datetime(event.at)
    mail["Message-ID"] = stamp.message_id(thread.id, event.seq)
    if seen:
        mail["In-Reply-To"] = seen[-1]
    mail["References"] = " ".join([stamp.message_id(thread.id, 0), *seen[:1], *seen[1:][-8:]])
    mail["Auto-Submitted"] = "auto-replied"
    mail["X-Auto-Response-Suppress"] = "All"
    return mail


def _question(desk: Desk, thread: Thread, event: Event) -> list[str]:
    data, options = event.data, event.data.get("options") or {}
    choices = ("yes", "no") if options.get("format") == "yes_no" else options.get("choices", ())
    parts = [data["text"]]
    if call := data.get("call"):
        lines = [f"  {name}: {_json(value)}" for name, value in call.items() if name != "intent"]
        parts.append("\n".join([call["intent"], *lines]))
    if choices:
        parts.append("\n".join(f"  {place}. {text}" for place, text in enumerate(choices, 1)))
    if expires_at := data.get("expires_at"):
        parts.append(f"Until {datetime.fromisoformat(expires_at):%Y-%m-%d %H:%M} UTC.")
    return parts


def _link(desk: Desk, thread: Thread, event: Event, person: str) -> str:
    """Return the person's way to the wait, if there is a page and they may answer."""
    asked = {person, "anyone"}.intersection(event.data.get("audience", ()))
    if not (desk.public_url and asked) or ":" in person:
        return ""
    link = Link(thread.id, event.seq, event.data.get("digest") or "", person)
    return f"{desk.public_url}/email/wait/{desk.stamp.seal(link)}"


def _way(desk: Desk, thread: Thread, event: Event, person: str, link: str) -> list[str]:
    if event.type != "paused":
        return []
    kind, audience = event.data["kind"], event.data["audience"]
    if not {person, "anyone"}.intersection(audience):
        return [f"This waits for {', '.join(audience)}, who cannot be reached by mail."]
    replies = kind == "question" and desk.answerable
    if link:
        return [_HOW[kind] if replies or kind != "question" else "Answer here."]
    here = f"agent inbox shows it, and how to answer: {thread.id}:{event.seq}."
    if ":" in person:
        here = f"{person} can answer nowhere else; a name in people.toml and a token change that."
    return [_HOW[kind]] if replies else [f"It cannot be answered by mail. {here}"]


def _unread(thread: Thread, event: Event) -> Iterable[str]:
    """Say, to who wrote and once, which attachments were not read."""
    past = thread.events[: event.seq]
    told = [thread.event(one.data["ref"]) for one in past if one.type == "delivered"]
    since = max((one.seq for one in told if goes_home(thread, one)), default=0)
    for one in past[since:]:
        if one.data.get("source") == "email" and (found := _UNREAD.search(one.data["text"])):
            yield f"Attachments are not read here: {found[1]}. Please send what matters as text."


def _headline(event: Event) -> str:
    kind = event.data.get("kind", "done").replace("_", " ").capitalize()
    first = event.data.get("text", "").strip().partition("\n")[0]
    return _plain(f"{kind}: {first[:80]}")


def _html(paragraphs: list[str], link: str) -> str:
    shown = [f'<p style="white-space: pre-wrap">{escape(part)}</p>' for part in paragraphs]
    if link:
        shown.append(f'<p><a href="{escape(link)}">Open the question</a></p>')
    return f"<!doctype html>\n<html><body>\n{chr(10).join(shown)}\n</body></html>\n"


def _json(value: object) -> str:
    return cut(json.dumps(value, ensure_ascii=False), 2_000)


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)

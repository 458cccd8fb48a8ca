"""Where in the world of mail a thread is at home: who began it, under which subject, and what
they wrote since. `reply_to` keeps it as `email:ana@example.org?subject=…`, as in a mailto URL.
"""

from urllib.parse import parse_qs, urlencode

from ..log.events import Event
from ..log.thread import Thread


def home_of(address: str, subject: str) -> str:
    """Return the `reply_to` of a thread that begins with a mail."""
    return f"email:{address}?{urlencode({'subject': subject or 'Your mail'})}"


def home(thread: Thread) -> tuple[str, str]:
    """Return the address and the subject of who began a thread; "" where no mail did."""
    channel, _, where = thread.state.reply_to.partition(":")
    address, _, query = where.partition("?")
    subject = " ".join(parse_qs(query).get("subject", [""])[0].split())
    return (address, subject) if channel == "email" else ("", "")


def goes_home(thread: Thread, event: Event) -> bool:
    """Say whether who began the thread is told, and not others who are asked."""
    audience = event.data.get("audience", ())
    return event.type != "paused" or bool({thread.state.owner, "anyone"}.intersection(audience))


def delivery_of(message_id: str) -> str:
    return f"email:{message_id}"


def received(thread: Thread, event: Event) -> list[str]:
    """Return the Message-IDs of the mails before `event`, oldest first."""
    begin = f"in:{delivery_of('<')}"
    keys = [past.key or "" for past in thread.events[: event.seq]]
    return [f"<{key.removeprefix(begin)}" for key in keys if key.startswith(begin)]

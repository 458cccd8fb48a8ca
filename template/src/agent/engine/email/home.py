"""The mail conversation that a thread came from: its address, its subject and its mails.

The thread's `reply_to` holds it as `email:ana@example.org?subject=…`, as in a mailto URL.
"""

from urllib.parse import parse_qs, urlencode

from ..log.events import Event
from ..log.thread import Thread


def format_home(address: str, subject: str) -> str:
    """Return the `reply_to` of a thread that a mail starts."""
    return f"email:{address}?{urlencode({'subject': subject or 'Your mail'})}"


def read_home(thread: Thread) -> tuple[str, str]:
    """Return the address of whoever started a thread, and the subject; "" if no mail did."""
    channel, _, where = thread.state.reply_to.partition(":")
    address, _, query = where.partition("?")
    subject = " ".join(parse_qs(query).get("subject", [""])[0].split())
    return (address, subject) if channel == "email" else ("", "")


def goes_home(thread: Thread, event: Event) -> bool:
    """Say whether an event goes to whoever started the thread, and not to others who are asked."""
    audience = event.data.get("audience", ())
    return event.type == "finished" or bool({thread.state.owner, "anyone"}.intersection(audience))


def format_delivery(message_id: str) -> str:
    return f"email:{message_id}"


def list_received(thread: Thread, event: Event) -> list[str]:
    """Return the Message-IDs of the mails before `event`, oldest first."""
    start = f"in:{format_delivery('<')}"
    keys = [past.key or "" for past in thread.events[: event.seq]]
    return [f"<{key.removeprefix(start)}" for key in keys if key.startswith(start)]

"""Factor 11: trigger from anywhere, here with a mail, by IMAP or from a provider's webhook.

mail.py, text.py    what arrived, and which of it are somebody's own words
senders.py          who may write, and whether it was them
intake.py           the message it becomes, and in which thread
imap.py             the mailbox that is looked at
providers.py        the webhooks
confirm.py          the page behind the links that go out
"""

import logging

from ..people.identity import is_known
from ..runners.app import App, Served
from ..settings import optional
from .channel import INBOUND, OUTBOUND, is_set_up
from .stamp import Stamp

log = logging.getLogger(__name__)


def served(app: App) -> Served | None:
    """Return the ways in that are set up; None where nothing of email is."""
    if not is_set_up():
        names = ", ".join((*OUTBOUND, "EMAIL_AUTHSERV_ID"))
        log.warning("email is off: %s and EMAIL_IMAP_URL switch it on, see docs/email.md", names)
        return None
    from . import confirm, providers  # FastAPI would slow down every other command
    from .imap import ImapBox
    from .intake import Intake
    from .senders import Senders

    stamp = Stamp.from_env()
    routes = confirm.router(stamp)
    if not any(map(optional, INBOUND)):
        log.warning("no mail is read: EMAIL_IMAP_URL switches it on, see docs/email.md")
        return Served(routes)
    senders = Senders.from_env()
    if not (senders.allowed or is_known("email")):
        log.warning("nobody may write: name them in EMAIL_ALLOWED or people.toml")
    intake = Intake(app, stamp, senders)
    routes.include_router(providers.router(intake))
    box = ImapBox.from_env(intake) if optional("EMAIL_IMAP_URL") else None
    return Served(routes, box.work if box else None, providers.BODIES)

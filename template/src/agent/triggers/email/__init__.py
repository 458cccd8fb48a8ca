"""Factor 11: trigger from anywhere, here with a mail, by IMAP or from a provider's webhook.

mail.py, text.py    what arrived, and which of it are somebody's own words
senders.py          who may write, and whether it was them
intake.py           the message it becomes, and in which thread
imap.py             the mailbox that is looked at
providers.py        the webhooks
confirm.py          the page behind the links that go out
"""

import logging

from ...channels.email import INBOUND, SETTINGS
from ...channels.email_stamp import Stamp
from ...settings import optional
from .. import App, Served

log = logging.getLogger(__name__)


def served(app: App) -> Served | None:
    """Return the ways in that are set up; None where nothing of email is."""
    if not any(map(optional, SETTINGS)):
        log.warning("email is not set up: set EMAIL_FROM, EMAIL_SMTP_URL and EMAIL_IMAP_URL")
        return None
    from . import confirm, providers  # FastAPI would slow down every other command
    from .imap import ImapBox
    from .intake import Intake
    from .senders import Senders

    stamp = Stamp.from_env()
    routes = confirm.router(stamp)
    if not any(map(optional, INBOUND)):
        log.warning("no mail is read: set EMAIL_IMAP_URL, or the secret of a provider")
        return Served(routes)
    intake = Intake(app, stamp, Senders.from_env())
    routes.include_router(providers.router(intake))
    box = ImapBox.from_env(intake) if optional("EMAIL_IMAP_URL") else None
    return Served(routes, box.work if box else None, providers.BODIES)

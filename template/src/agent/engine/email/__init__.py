"""Factor 11: trigger from anywhere, here with a mail, over IMAP or from a provider's webhook.

head.py, body.py    what arrived: the headers first, then the text (mime.py, decoding.py, html.py)
senders.py          who may write, and whether it really was them (authentication.py)
text.py             which words are the writer's own (blocks.py, headers.py: another mail in it)
intake.py           the message that a mail becomes, and in which thread
imap.py             the mailbox that is polled (mailbox.py)
providers.py        the webhooks
quota.py            how many mails an address gets, and threads a sender starts, in an hour
letters.py          the mails that we write (paragraphs.py: what they say)
page.py             the page behind the links in our mails
"""

import logging

from ..people.identity import check_agents, has_identities
from ..runners.app import App, Served
from ..settings import optional
from .channel import INBOUND, OUTBOUND, is_set_up
from .stamp import Stamp

log = logging.getLogger(__name__)


def serve(app: App) -> Served | None:
    """Receive mail in the ways that are set up. Raises Misconfigured."""
    if not is_set_up():
        names = ", ".join((*OUTBOUND, "EMAIL_AUTHSERV_ID"))
        how = f"To turn it on, set {names} and EMAIL_IMAP_URL (see docs/email.md)."
        log.warning("Email is off. %s", how)
        return None
    from . import page, providers  # FastAPI would slow down every other command
    from .imap import ImapBox
    from .intake import Intake
    from .quota import read_most
    from .senders import Senders

    check_agents(app.ports.agents)
    stamp = Stamp.from_env()
    routes = page.build_router(stamp)
    if not any(map(optional, INBOUND)):
        log.warning("No mail is read. To read it, set EMAIL_IMAP_URL (see docs/email.md).")
        return Served(routes)
    senders = Senders.from_env()
    if not (senders.allowed or has_identities("email")):
        log.warning("Nobody may write to the agent. Add people to EMAIL_ALLOWED or people.toml.")
    intake = Intake(app, stamp, senders, read_most())
    routes.include_router(providers.build_router(intake))
    box = ImapBox.from_env(intake) if optional("EMAIL_IMAP_URL") else None
    return Served(routes, box.run if box else None, providers.BODIES)

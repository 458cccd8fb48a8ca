"""Factor 11: trigger from anywhere, meet users where they are: in Slack.

A mention in a channel or a direct message starts a thread, and replies in its Slack thread continue
it. Buttons and forms answer its waits. Slack connects over HTTP (`SLACK_SIGNING_SECRET`,
`POST /slack/events`) or, without a public address, through a socket (`SLACK_APP_TOKEN`).
`docs/slack.md` describes the setup.
"""

import logging

from ..log.errors import Misconfigured
from ..people.identity import check_agents
from ..runners.app import App, Served
from ..settings import is_placeholder, optional
from .client import Slack

log = logging.getLogger(__name__)


def serve(app: App) -> Served | None:
    """Receive events from Slack, if it is set up. Raises Misconfigured."""
    slack = Slack.from_env()
    if slack is None:
        both = "SLACK_BOT_TOKEN and either SLACK_SIGNING_SECRET or SLACK_APP_TOKEN"
        log.warning("Slack is off. To turn it on, set %s (see docs/slack.md).", both)
        return None
    secret, app_token = optional("SLACK_SIGNING_SECRET"), optional("SLACK_APP_TOKEN")
    if not (secret or app_token):
        ways = "SLACK_SIGNING_SECRET (HTTP) nor SLACK_APP_TOKEN (socket mode)"
        raise Misconfigured(f"SLACK_BOT_TOKEN is set, but neither {ways} is. See docs/slack.md.")
    if is_placeholder(secret):
        raise Misconfigured("SLACK_SIGNING_SECRET is a placeholder. See docs/slack.md.")
    if app_token and (is_placeholder(app_token) or not app_token.partition("xapp-")[2]):
        what = "An app-level token starts with xapp- (see docs/slack.md)."
        raise Misconfigured(f"SLACK_APP_TOKEN is not an app-level token. {what}")
    check_agents(app.ports.agents)
    from .bolt import Bolt  # it imports FastAPI and Slack's SDK

    for way in filter(None, (secret and "HTTP at /slack/events", app_token and "socket mode")):
        log.info("Slack connects by %s", way)
    bolt = Bolt(app, slack)
    router = bolt.build_router(secret) if secret else None
    return Served(router, (lambda: bolt.run_socket(app_token)) if app_token else None)

"""Factor 11: trigger from anywhere, meet users where they are: in Slack.

A mention in a channel or a direct message begins a thread, replies in the Slack thread go on with
it. Buttons and forms answer its waits. Over HTTP (`SLACK_SIGNING_SECRET`, `POST /slack/events`)
or without a public address (`SLACK_APP_TOKEN`, socket mode); `docs/slack.md` has the steps.
"""

import logging

from ..log.errors import Misconfigured
from ..runners.app import App, Served
from ..settings import is_placeholder, optional
from .client import Slack

log = logging.getLogger(__name__)


def served(app: App) -> Served | None:
    slack = Slack.from_env()
    if slack is None:
        both = "SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET or SLACK_APP_TOKEN"
        log.warning("slack is off: %s switch it on, see docs/slack.md", both)
        return None
    secret, app_token = optional("SLACK_SIGNING_SECRET"), optional("SLACK_APP_TOKEN")
    if not (secret or app_token):
        ways = "SLACK_SIGNING_SECRET (HTTP) nor SLACK_APP_TOKEN (socket mode)"
        raise Misconfigured(f"SLACK_BOT_TOKEN is set, but neither {ways}: see docs/slack.md")
    if is_placeholder(secret):
        raise Misconfigured("SLACK_SIGNING_SECRET is a placeholder: see docs/slack.md")
    if app_token and (is_placeholder(app_token) or not app_token.partition("xapp-")[2]):
        what = "it begins with xapp- and goes on, see docs/slack.md"
        raise Misconfigured(f"SLACK_APP_TOKEN is no app-level token: {what}")
    from .bolt import Bolt  # it imports FastAPI and Slack's SDK

    for way in filter(None, (secret and "HTTP at /slack/events", app_token and "socket mode")):
        log.info("Slack: by %s", way)
    bolt = Bolt(app, slack)
    router = bolt.router(secret) if secret else None
    return Served(router, (lambda: bolt.work(app_token)) if app_token else None)

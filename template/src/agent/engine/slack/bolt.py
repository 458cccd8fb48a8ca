"""Slack's requests, by HTTP or by socket, each verified, recorded and only then acknowledged.

Bolt would acknowledge an event before it is handled, and answer 200 where it cannot ask Slack
who it is. Here 200 means recorded; whatever else happens Slack sends the event again, and the
message is known by its channel and time.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Request, Response
from slack_bolt import BoltResponse
from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from ..log.errors import AgentError
from ..runners.app import App
from .answers import Answers
from .blocks import FORM, PRESS
from .client import Slack
from .errands import Errands
from .messages import Messages

log = logging.getLogger(__name__)


class Bolt:
    def __init__(self, app: App, slack: Slack) -> None:
        self._slack = slack
        errands = Errands()
        messages, answers = Messages(app, slack, errands), Answers(app, slack, errands)
        quiet = log.getChild("bolt")
        quiet.setLevel(logging.ERROR)  # it warns of settings that are not for it
        self._bolt = AsyncApp(
            authorize=_authorize_by(slack, errands),
            process_before_response=True,
            request_verification_enabled=False,  # the route does it, before anything is parsed
            ssl_check_enabled=False,
            logger=quiet,
        )
        self._bolt.error(_failed)
        for name in ("app_mention", "message"):
            self._bolt.event(name)(messages.said)
        self._bolt.action(re.compile(f"^{PRESS}"))(answers.pressed)
        self._bolt.action(re.compile(f"^{FORM}"))(answers.opened)
        self._bolt.view(FORM)(answers.submitted)

    def router(self, signing_secret: str) -> APIRouter:
        """Return the route that Slack posts to."""
        router, handler = APIRouter(), AsyncSlackRequestHandler(self._bolt)
        verifier = SignatureVerifier(signing_secret)

        @router.post("/slack/events", include_in_schema=False)
        async def events(request: Request) -> Response:
            if not _signed(verifier, await request.body(), request):
                raise HTTPException(401, "no valid signature of Slack, or older than five minutes")
            try:
                return await handler.handle(request)
            except ValueError:
                raise HTTPException(400, "this is no request of Slack") from None

        return router

    async def work(self, app_token: str) -> None:
        """Hold a connection to Slack, one after the other, until cancelled."""
        terse = log.getChild("socket")
        terse.addFilter(_terse)
        web = AsyncWebClient(base_url=self._slack.url)
        socket = AsyncSocketModeHandler(self._bolt, app_token, terse, web)
        try:
            await socket.connect_async()  # type: ignore[no-untyped-call]  # Slack's
            await asyncio.Event().wait()
        finally:
            await socket.close_async()  # type: ignore[no-untyped-call]  # Slack's


def _terse(record: logging.LogRecord) -> bool:
    """The client connects again by itself: a line says enough."""
    record.exc_info = None
    record.msg = f"Slack (socket mode): {record.msg}"
    return True


def _authorize_by(slack: Slack, errands: Errands) -> Callable[[], Awaitable[AuthorizeResult]]:
    async def authorize() -> AuthorizeResult:
        me = await errands.in_time(slack.me())
        return AuthorizeResult(
            enterprise_id=None, team_id=me.team, bot_id=me.bot, bot_user_id=me.user
        )

    return authorize


def _signed(verifier: SignatureVerifier, body: bytes, request: Request) -> bool:
    timestamp = request.headers.get("x-slack-request-timestamp")
    try:
        return verifier.is_valid(body, timestamp, request.headers.get("x-slack-signature"))
    except (ValueError, TypeError):  # no number, no text, no ASCII
        return False


async def _failed(error: Exception) -> BoltResponse:
    trace = None if isinstance(error, AgentError) else error
    log.error("a request of Slack was not recorded, and it was told so: %s", error, exc_info=trace)
    return BoltResponse(status=503)

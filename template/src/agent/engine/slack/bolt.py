"""Requests from Slack, over HTTP or a socket: each is verified, recorded and then acknowledged.

Bolt by itself would acknowledge an event before it is handled, and answer 200 if it cannot find
out whose token it has. Here 200 means recorded. After any other answer Slack sends the event
again, and a message is known by its channel and time.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Request, Response
from slack_bolt import BoltResponse
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import (
    to_async_bolt_request,
    to_starlette_response,
)
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from ..log.errors import AgentError
from ..runners.app import App
from .answers import Answers
from .background import Background
from .buttons import FORM, PRESS
from .client import Slack
from .forms import PREVIEW
from .messages import Messages
from .payloads import Envelope, Malformed, read

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What Bolt raises for a body that it cannot read; our own failures go to `_answer_error`."""

log = logging.getLogger(__name__)


class Bolt:
    def __init__(self, app: App, slack: Slack) -> None:
        self._slack = slack
        background = Background()
        messages, answers = Messages(app, slack, background), Answers(app, slack, background)
        quiet = log.getChild("bolt")
        quiet.setLevel(logging.ERROR)  # it warns about settings that do not apply here
        self._bolt = AsyncApp(
            name=quiet.name,  # Bolt sets the level of the logger of this name
            authorize=_make_authorize(slack, background),
            process_before_response=True,
            request_verification_enabled=False,  # the route does it, before anything is parsed
            ssl_check_enabled=False,
            logger=quiet,
        )
        self._bolt.error(_answer_error)
        for name in ("app_mention", "message"):
            self._bolt.event(name)(messages.on_message)
        self._bolt.action(re.compile(f"^{PRESS}"))(answers.on_press)
        self._bolt.action(re.compile(f"^{FORM}"))(answers.on_open)
        self._bolt.view(FORM)(answers.on_submit)
        self._bolt.view(PREVIEW)(answers.on_confirm)

    def build_router(self, signing_secret: str) -> APIRouter:
        """Return the route that Slack posts to."""
        router, verifier = APIRouter(), SignatureVerifier(signing_secret)

        @router.post("/slack/events", include_in_schema=False)
        async def receive(request: Request) -> Response:
            body = await request.body()
            if not _is_signed(verifier, body, request):
                why = "The signature is not Slack's, or it is older than five minutes."
                raise HTTPException(401, why)
            try:
                asked = to_async_bolt_request(request, body)
                read(Envelope, asked.body)
                return to_starlette_response(await self._bolt.async_dispatch(asked))
            except UNREADABLE as error:
                log.warning("a request from Slack cannot be read, answered 400: %r", error)
                raise HTTPException(400, "This is not a request from Slack.") from None

        return router

    async def run_socket(self, app_token: str) -> None:
        """Keep a connection to Slack open until cancelled."""
        terse = log.getChild("socket")
        terse.addFilter(_shorten_record)
        web = AsyncWebClient(base_url=self._slack.url)
        socket = AsyncSocketModeHandler(self._bolt, app_token, terse, web)
        try:
            await socket.connect_async()  # type: ignore[no-untyped-call]  # Slack's
            await asyncio.Event().wait()
        finally:
            await socket.close_async()  # type: ignore[no-untyped-call]  # Slack's


def _shorten_record(record: logging.LogRecord) -> bool:
    """Log one line without a traceback: the client connects again by itself."""
    record.exc_info = None
    record.msg = f"Slack (socket mode): {record.msg}"
    return True


def _make_authorize(
    slack: Slack, background: Background
) -> Callable[[], Awaitable[AuthorizeResult]]:
    async def authorize() -> AuthorizeResult:
        bot = await background.wait_in_time(slack.get_bot())
        return AuthorizeResult(
            enterprise_id=None, team_id=bot.team, bot_id=bot.id, bot_user_id=bot.user
        )

    return authorize


def _is_signed(verifier: SignatureVerifier, body: bytes, request: Request) -> bool:
    timestamp = request.headers.get("x-slack-request-timestamp")
    try:
        return verifier.is_valid(body, timestamp, request.headers.get("x-slack-signature"))
    except (ValueError, TypeError):  # not a number, missing or not ASCII
        return False


async def _answer_error(error: Exception) -> BoltResponse:
    if isinstance(error, Malformed):
        log.warning("a request from Slack was not taken, answered 400: %s", error)
        return BoltResponse(status=400)
    trace = None if isinstance(error, AgentError) else error
    log.error("a request from Slack was not recorded, answered 503: %s", error, exc_info=trace)
    return BoltResponse(status=503)

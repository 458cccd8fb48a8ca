"""Mail that a provider posts. Each posts the raw mail somewhere; the rest is the same as IMAP.

    POST /email/mailgun/mime   a form: body-mime, and timestamp, token, signature
    POST /email/postmark       JSON: RawEmail; a password in the URL

Providers send a mail again until they read 200, so 200 is the answer to what is put aside, too.
"""

import asyncio
import hmac
import json
import logging
import re
import time
from base64 import b64decode
from contextlib import AbstractAsyncContextManager, nullcontext
from email.message import Message
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Header, HTTPException, Request

from ..http.problems import MAX_BODY
from ..log.errors import Misconfigured
from ..settings import is_placeholder, optional
from .intake import Intake
from .mail import MAX_MAIL, BrokenMail

MAILGUN = "/email/mailgun/mime"
"""Mailgun posts raw mails to addresses that end so."""
POSTMARK = "/email/postmark"
BODIES = dict.fromkeys((MAILGUN, POSTMARK), MAX_MAIL)
WINDOW_S = 300
"""How old or how early a signature of Mailgun may be."""
MIN_LENGTH = 16
AT_ONCE = 3
"""Large bodies of a provider that are held in memory."""
BODY_S = 60.0
"""How long one may take to arrive."""
MAX_FIELDS = 100
_NAME = re.compile(rb'\bname="?([^";\r\n]+)')

log = logging.getLogger(__name__)

Read = dict[str, str]


def router(intake: Intake) -> APIRouter:
    """Return the routes of the providers whose secrets are set.

    Raises:
        Misconfigured: a secret is easy to guess.
    """
    routes = APIRouter(include_in_schema=False)
    proven, unproven = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)
    if key := _secret("EMAIL_MAILGUN_KEY", 1):

        @routes.post(MAILGUN)
        async def mailgun(request: Request) -> Read:
            async with _room(request, unproven):
                body, kind = await _body(request), request.headers.get("content-type", "")
                fields = await asyncio.to_thread(_fields, body, kind)
                if not _signed(key, fields):
                    raise HTTPException(401, "this is not signed with EMAIL_MAILGUN_KEY, or is old")
                return await _take(intake, fields.get("body-mime", b""))

    if password := _secret("EMAIL_POSTMARK_PASSWORD", MIN_LENGTH):

        @routes.post(POSTMARK)
        async def postmark(request: Request, authorization: Annotated[str, Header()] = "") -> Read:
            if not _knows(authorization, password):
                raise HTTPException(401, "send EMAIL_POSTMARK_PASSWORD as basic authentication")
            async with _room(request, proven):
                return await _take(intake, await asyncio.to_thread(_raw, await _body(request)))

    return routes


def _secret(name: str, length: int) -> str:
    secret = optional(name)
    if secret and (len(secret) < length or is_placeholder(secret)):
        raise Misconfigured(f"{name} is too easy to guess, or a placeholder: see docs/email.md")
    return secret


async def _take(intake: Intake, raw: bytes) -> Read:
    try:
        reason = await intake.take(raw)
    except BrokenMail as error:
        log.warning("a mail is put aside: %s", error)
        reason = str(error)
    return {"status": "ignored", "reason": reason} if reason else {"status": "recorded"}


def _room(request: Request, large: asyncio.Semaphore) -> AbstractAsyncContextManager[None]:
    """Let small bodies pass: strangers who send large ones slowly shall not hold them up."""
    length = request.headers.get("content-length", "")
    return nullcontext() if length.isdigit() and int(length) <= MAX_BODY else large


async def _body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_S):
            return await request.body()
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {BODY_S:.0f} s") from None


def _signed(key: str, fields: dict[str, bytes]) -> bool:
    """Say whether Mailgun signed this lately; its signature says nothing of the mail itself."""
    timestamp, token = fields.get("timestamp", b""), fields.get("token", b"")
    right = hmac.new(key.encode(), timestamp + token, "sha256").hexdigest()
    fresh = timestamp.isdigit() and abs(time.time() - int(timestamp[:20])) <= WINDOW_S
    return hmac.compare_digest(right.encode(), fields.get("signature", b"")) and fresh


def _knows(authorization: str, password: str) -> bool:
    scheme, _, word = authorization.partition(" ")
    try:
        given = b64decode(word, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, password.encode())


def _fields(body: bytes, kind: str) -> dict[str, bytes]:
    """Read a form, its values byte for byte: a mail need not be UTF-8."""
    described = Message()
    described["Content-Type"] = kind
    if described.get_content_type() == "multipart/form-data":
        boundary = (described.get_boundary() or "-").encode("latin-1", "replace")
        return _parts((b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS))
    try:
        pairs = parse_qsl(body.decode("latin-1"), encoding="latin-1", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise HTTPException(400, f"a form has at most {MAX_FIELDS} fields") from None
    return {name: value.encode("latin-1") for name, value in pairs}


def _parts(parts: list[bytes]) -> dict[str, bytes]:
    fields = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        if found := _NAME.search(head[:2_000]):
            fields[found[1].decode("latin-1")] = content
    return fields


def _raw(body: bytes) -> bytes:
    """Return the mail in what Postmark sends."""
    try:
        raw = json.loads(body).get("RawEmail")
    except (ValueError, AttributeError, RecursionError):
        raise HTTPException(400, "this is not the JSON of Postmark") from None
    if not isinstance(raw, str):
        raise HTTPException(422, "RawEmail is missing; let Postmark include the raw email")
    return raw.encode("utf-8", "surrogateescape")

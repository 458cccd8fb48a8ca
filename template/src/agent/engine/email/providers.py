"""Receives mail that a provider posts. The raw mail in it is handled in the same way as with IMAP.

    POST /email/mailgun/mime   a form: body-mime, and timestamp, token, signature
    POST /email/postmark       JSON: RawEmail; a password in the URL

Providers send a mail again until the answer is 200, so ignored mails are answered with 200, too.
"""

import asyncio
import hmac
import json
import logging
import re
import time
from base64 import b64decode
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Header, HTTPException, Request

from ..http.problems import MAX_BODY
from ..log.errors import Misconfigured
from ..settings import is_placeholder, optional
from .head import MAX_MAIL, BrokenMail
from .intake import Intake

MAILGUN = "/email/mailgun/mime"
"""Mailgun posts raw mails only to URLs that end with `mime`."""
POSTMARK = "/email/postmark"
BODIES = dict.fromkeys((MAILGUN, POSTMARK), MAX_MAIL)
WINDOW_S = 300
"""How far the time of Mailgun's signature may be off."""
MIN_LENGTH = 16
MAX_LARGE = 3
"""Large bodies that are held in memory at the same time, for each provider."""
BODY_S = 60.0
"""How long a body may take to arrive."""
MAX_FIELDS = 100
MAX_SHORT = 1_000
"""Bytes of a field, and of its name, that are read before the signature is checked."""
PIECE = 65_536
_MULTIPART = re.compile(r'\s*multipart/form-data\b(?:.*?;\s*boundary="?([^";]+))?', re.IGNORECASE)
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates, without those that stand for bytes that are not UTF-8."""
_NAME = re.compile(rb'\bname="?([^";\r\n]+)')

log = logging.getLogger(__name__)

Answer = dict[str, str]


def build_router(intake: Intake) -> APIRouter:
    """Return the routes of the providers whose secrets are set.

    Raises:
        Misconfigured: a secret is easy to guess, or a placeholder.
    """
    routes = APIRouter(include_in_schema=False)
    proven, unproven = asyncio.Semaphore(MAX_LARGE), asyncio.Semaphore(MAX_LARGE)
    if key := _read_secret("EMAIL_MAILGUN_KEY", 1):

        @routes.post(MAILGUN)
        async def mailgun(request: Request) -> Answer:
            async with _limit_large(request, unproven):
                body, kind = await _read_body(request), request.headers.get("content-type", "")
                form = await asyncio.to_thread(_split_form, body, kind)
                if not _is_signed(key, form.fields):
                    why = "The signature is not made with EMAIL_MAILGUN_KEY, or it is too old."
                    raise HTTPException(401, why)
                return await _take_mail(intake, await asyncio.to_thread(form.decode, "body-mime"))

    if password := _read_secret("EMAIL_POSTMARK_PASSWORD", MIN_LENGTH):

        @routes.post(POSTMARK)
        async def postmark(
            request: Request, authorization: Annotated[str, Header()] = ""
        ) -> Answer:
            if not _has_password(authorization, password):
                raise HTTPException(401, "Send EMAIL_POSTMARK_PASSWORD by basic authentication.")
            async with _limit_large(request, proven):
                return await _take_mail(
                    intake, await asyncio.to_thread(_extract_mail, await _read_body(request))
                )

    return routes


def _read_secret(name: str, length: int) -> str:
    secret = optional(name)
    if secret and (len(secret) < length or is_placeholder(secret)):
        raise Misconfigured(f"{name} is too easy to guess, or a placeholder. See docs/email.md.")
    return secret


async def _take_mail(intake: Intake, raw: bytes) -> Answer:
    try:
        reason = await intake.take_mail(raw)
    except BrokenMail as error:
        log.warning("a mail cannot be read: %s", error)
        reason = str(error)
    return {"status": "ignored", "reason": reason} if reason else {"status": "recorded"}


def _limit_large(request: Request, large: asyncio.Semaphore) -> AbstractAsyncContextManager[None]:
    """Limit how many large bodies are read at once; slow ones must not block small ones."""
    length = request.headers.get("content-length", "")
    return nullcontext() if length.isdigit() and int(length) <= MAX_BODY else large


async def _read_body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_S):
            return await request.body()
    except TimeoutError:
        raise HTTPException(408, f"The body did not arrive within {BODY_S:.0f} s.") from None


def _is_signed(key: str, fields: dict[str, bytes]) -> bool:
    """Say whether Mailgun signed this recently; its signature does not cover the mail itself."""
    timestamp, token = fields.get("timestamp", b""), fields.get("token", b"")
    expected = hmac.new(key.encode(), timestamp + token, "sha256").hexdigest()
    fresh = timestamp.isdigit() and abs(time.time() - int(timestamp[:20])) <= WINDOW_S
    return hmac.compare_digest(expected.encode(), fields.get("signature", b"")) and fresh


def _has_password(authorization: str, password: str) -> bool:
    scheme, _, word = authorization.partition(" ")
    try:
        given = b64decode(word, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, password.encode())


@dataclass(frozen=True)
class _Form:
    """The fields of a form. Long values are decoded only once their sender is proven."""

    raw: dict[str, bytes]
    is_escaped: bool

    @property
    def fields(self) -> dict[str, bytes]:
        return {name: self.decode(name) for name, held in self.raw.items() if len(held) < MAX_SHORT}

    def decode(self, name: str) -> bytes:
        """Return a value as bytes: a mail need not be UTF-8."""
        held = self.raw.get(name, b"")
        return _unescape(held) if self.is_escaped else held


def _split_form(body: bytes, kind: str) -> _Form:
    if multipart := _MULTIPART.match(kind):
        boundary = (multipart[1] or "-").strip().encode("latin-1", "replace")
        parts = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS)
        return _Form(_split_parts(parts), is_escaped=False)
    if body.count(b"&") >= MAX_FIELDS:
        raise HTTPException(400, f"A form may have at most {MAX_FIELDS} fields.")
    pairs = (field.partition(b"=") for field in body.split(b"&"))
    fields = {name.decode("latin-1"): held for name, _, held in pairs if len(name) < MAX_SHORT}
    return _Form(fields, is_escaped=True)


def _split_parts(parts: list[bytes]) -> dict[str, bytes]:
    fields = {}
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        if found := _NAME.search(head[:2_000]):
            fields[found[1].decode("latin-1")] = content
    return fields


def _unescape(held: bytes) -> bytes:
    """Decode `%41` and `+`, a piece at a time: at once takes a hundred times the memory."""
    pieces, start = [], 0
    while start < len(held):
        end = start + PIECE
        cut = held.rfind(b"%", end - 2, end)  # an escape of three bytes stays whole
        end = cut if cut > start else end
        pieces.append(unquote_to_bytes(held[start:end].replace(b"+", b" ")))
        start = end
    return b"".join(pieces)


def _extract_mail(body: bytes) -> bytes:
    """Return the raw mail in what Postmark sends."""
    try:
        raw = json.loads(body).get("RawEmail")
    except (ValueError, AttributeError, RecursionError):
        raise HTTPException(400, "This is not the JSON that Postmark sends.") from None
    if not isinstance(raw, str):
        how = "Let Postmark include the raw email content."
        raise HTTPException(422, f"RawEmail is missing. {how}")
    return _LONE.sub("?", raw).encode("utf-8", "surrogateescape")

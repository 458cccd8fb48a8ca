"""The route for webhooks: a signed payload becomes one call of `api`.

Requests are refused in this order: an unknown source, a form, a body that is too long, a wrong
signature. Only then is the body parsed.
"""

import asyncio
import hmac
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

from ..log.errors import Refused
from ..log.events import make_safe
from ..log.thread import Thread
from ..loop import api
from ..runners.app import App
from .payload import fill_template, fits
from .secrets import Scheme, read_secrets
from .sources import Source

SOURCE = "webhook"
MAX_PAYLOAD = 25_000_000
"""Bytes; GitHub's own limit: https://docs.github.com/webhooks."""
MAX_NAME = 255
MAX_ID = 255
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Webhooks:
    """The sources of one running server."""

    def __init__(self, app: App, sources: Mapping[str, Source]) -> None:
        """Raises Misconfigured if a secret is not set."""
        self._app = app
        self._sources = sources
        self._secrets = {
            name: read_secrets(source.secret, source.scheme) for name, source in sources.items()
        }

    def build_router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.post("/webhooks/{name}", status_code=202)(self._receive)
        return router

    async def _receive(self, name: str, request: Request) -> dict[str, Any]:
        """Record what a source sends; 202 means recorded, or that there is nothing to record."""
        if name not in self._sources:
            raise HTTPException(404, "There is no such webhook.")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in _FORMS:
            raise HTTPException(415, "This is a form. Let the sender use application/json.")
        body, source = await request.body(), self._sources[name]
        signed = verify_delivery(source.scheme, self._secrets[name], request.headers, body)
        payload = await asyncio.to_thread(_parse_body, body)
        if request.headers.get("x-github-event") == "ping":
            return {"ignored": "a ping; the signature is valid"}
        if not fits(source.when, payload):
            return {"ignored": "webhooks.toml does not ask for such payloads"}
        text = _fill_text(source, payload)
        if source.job:
            return await self._report(name, _fill_name(source.job, payload), text)
        conversation = _fill_name(source.conversation or "", payload)
        return await self._launch(name, conversation, text, signed)

    async def _launch(self, name: str, conversation: str, text: str, signed: str) -> dict[str, Any]:
        source = self._sources[name]
        home = f"webhook:{name}:{conversation}" if source.reply_url else "poll:"
        key = f"webhook:{name}:{signed}"
        thread = await api.launch(
            self._app.ports,
            api.name_thread(SOURCE, name, conversation),
            text,
            actor=f"hook:{name}",
            delivery=key,
            source=SOURCE,
            reply_to=source.notify or home,
            agent=source.agent,
        )
        recorded = next(past for past in thread.events if past.key == f"in:{key}")
        return self._acknowledge(thread, recorded.seq)

    async def _report(self, name: str, key: str, text: str) -> dict[str, Any]:
        try:
            thread = await api.report(self._app.ports, key, text, actor=f"hook:{name}")
        except Refused as refused:
            # It would be refused again: a sender that gets an error keeps trying for days.
            return {"ignored": str(refused)}
        wait = next(past.seq for past in reversed(thread.events) if past.data.get("job") == key)
        recorded = thread.find(f"answer:{wait}")
        return self._acknowledge(thread, recorded.seq if recorded else thread.state.version)

    def _acknowledge(self, thread: Thread, seq: int) -> dict[str, Any]:
        self._app.runner.wake(thread.id)
        return {"id": thread.id, "seq": seq}


def verify_delivery(
    scheme: Scheme, secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes
) -> str:
    """Return the name of a delivery, which is the same however often it arrives.

    The signature covers both who sent it and its name; nothing else is trusted.

    Raises:
        HTTPException: it is not signed with one of the secrets within the last five minutes.
    """
    why = ""
    for secret in secrets:
        try:
            return _SCHEMES[scheme](secret, headers, body)
        except WebhookVerificationError as error:
            why = str(error).lower()
        except ValueError:
            why = "it cannot be read"
    challenge = {"WWW-Authenticate": "Signature"}
    raise HTTPException(401, f"The signature is missing or wrong: {why}.", challenge)


def _verify_standard(secret: bytes, headers: Mapping[str, str], body: bytes) -> str:
    """https://www.standardwebhooks.com: the signature covers the id, the time and the body."""
    Webhook(secret).verify(body, dict(headers), json_parse=False)
    if len(headers["webhook-id"]) > MAX_ID:
        raise HTTPException(400, f"The webhook-id has more than {MAX_ID} characters.")
    return headers["webhook-id"]


def _verify_github(secret: bytes, headers: Mapping[str, str], body: bytes) -> str:
    """https://docs.github.com/webhooks: the signature covers the body alone.

    So the body names the delivery, not `X-GitHub-Delivery`: with another id, somebody could send a
    body again that they had intercepted. GitHub's own redelivery has the same body.
    """
    signature = f"sha256={hmac.new(secret, body, sha256).hexdigest()}"
    given = headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(signature.encode(), given.encode("latin-1")):
        why = "no matching signature found" if given else "missing required headers"
        raise WebhookVerificationError(why)
    return sha256(body).hexdigest()


_SCHEMES = {"standard": _verify_standard, "github": _verify_github}


def _parse_body(body: bytes) -> dict[str, Any]:
    try:
        payload = make_safe(json.loads(body))
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise HTTPException(400, "The body is not a JSON object.")
    return payload


def _fill_name(template: str, payload: dict[str, Any]) -> str:
    try:
        name = fill_template(template, payload, names=True)
    except LookupError as missing:
        raise HTTPException(422, f"The payload has no {str(missing.args[0])!r}.") from None
    if len(name) > MAX_NAME:
        why = f"The name of a thread or a job may have at most {MAX_NAME} characters."
        raise HTTPException(422, why)
    return name


def _fill_text(source: Source, payload: dict[str, Any]) -> str:
    missing: list[str] = []
    for template in source.text:
        try:
            text = fill_template(template, payload)
        except LookupError as error:
            missing.append(repr(error.args[0]))
        else:
            if text.strip():
                return text
    why = f"The payload has no {' and no '.join(missing)}." if missing else "The text is empty."
    raise HTTPException(422, why)

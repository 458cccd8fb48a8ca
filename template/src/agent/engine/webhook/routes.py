"""The route of the webhooks: from a signed payload to one call of `api`.

Refused are, in this order: what no source is meant by, forms, bodies that are too long, what is not
signed. Only then the body is parsed.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

from ..log.errors import Refused
from ..log.events import safe
from ..log.thread import Thread
from ..loop import api
from ..runners.app import App
from .payload import fill, fits
from .sources import Scheme, Source, secrets

SOURCE = "webhook"
MAX_NAME = 255
MAX_ID = 255
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Webhooks:
    """Those of one running server."""

    def __init__(self, app: App, sources: Mapping[str, Source]) -> None:
        """Raises Misconfigured: a secret is not set."""
        self._app = app
        self._sources = sources
        self._secrets = {
            name: secrets(source.secret, source.scheme) for name, source in sources.items()
        }

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.post("/webhooks/{name}", status_code=202)(self._receive)
        return router

    async def _receive(self, name: str, request: Request) -> dict[str, Any]:
        """Record what a source sends; 202 means recorded, or that there was nothing to record."""
        if name not in self._sources:
            raise HTTPException(404, "there is no such webhook")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in _FORMS:
            raise HTTPException(415, "this is a form; have it sent as application/json")
        body, source = await request.body(), self._sources[name]
        signed = delivery(source.scheme, self._secrets[name], request.headers, body)
        payload = _parsed(body)
        if request.headers.get("x-github-event") == "ping":
            return {"ignored": "a ping; the signature is right"}
        if not fits(source.when, payload):
            return {"ignored": "it is not among those that webhooks.toml wants"}
        text = _text(source, payload)
        if source.job:
            return await self._report(name, _name(source.job, payload), text)
        return await self._launch(name, _name(source.conversation or "", payload), text, signed)

    async def _launch(self, name: str, conversation: str, text: str, signed: str) -> dict[str, Any]:
        source = self._sources[name]
        home = f"webhook:{name}:{conversation}" if source.reply_url else "poll:"
        key = f"webhook:{name}:{signed}"
        thread = await api.launch(
            self._app.ports,
            api.thread_of(SOURCE, name, conversation),
            text,
            actor=f"hook:{name}",
            delivery=key,
            source=SOURCE,
            reply_to=source.tell or home,
        )
        said = next(past for past in thread.events if past.key == f"in:{key}")
        return self._recorded(thread, said.seq)

    async def _report(self, name: str, key: str, text: str) -> dict[str, Any]:
        try:
            thread = await api.report(self._app.ports, key, text, actor=f"hook:{name}")
        except Refused as refused:
            # It would be refused again: a sender that is told so tries for days.
            return {"ignored": str(refused)}
        return self._recorded(thread, thread.state.version)

    def _recorded(self, thread: Thread, seq: int) -> dict[str, Any]:
        self._app.runner.wake(thread.id)
        return {"id": thread.id, "seq": seq}


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        payload = safe(json.loads(body))
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(payload, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return payload


def _name(template: str, payload: dict[str, Any]) -> str:
    try:
        name = fill(template, payload, names=True)
    except LookupError as missing:
        raise HTTPException(422, f"the payload has no {str(missing.args[0])!r}") from None
    if len(name) > MAX_NAME:
        raise HTTPException(422, f"what names a thread or a job has at most {MAX_NAME} characters")
    return name


def _text(source: Source, payload: dict[str, Any]) -> str:
    missing: list[str] = []
    for template in source.text:
        try:
            text = fill(template, payload)
        except LookupError as error:
            missing.append(repr(error.args[0]))
        else:
            if text.strip():
                return text
    lacks = f"the payload has no {' and no '.join(missing)}" if missing else "the text is empty"
    raise HTTPException(422, lacks)


def delivery(
    scheme: Scheme, secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes
) -> str:
    """Return what names a delivery, however often it arrives.

    Raises:
        HTTPException: nobody who has one of the secrets signed it, or not in the last five minutes.
    """
    why = ""
    for secret in secrets:
        try:
            return _SCHEMES[scheme](secret, headers, body)
        except WebhookVerificationError as error:
            why = str(error).lower()
        except ValueError:
            why = "it cannot be read"
    known = {"WWW-Authenticate": "Signature"}
    raise HTTPException(401, f"this is not signed as it has to be: {why}", known)


def _standard(secret: bytes, headers: Mapping[str, str], body: bytes) -> str:
    """https://www.standardwebhooks.com: signs the id, the time and the body."""
    Webhook(secret).verify(body, dict(headers), json_parse=False)
    if len(headers["webhook-id"]) > MAX_ID:
        raise HTTPException(400, f"the webhook-id has more than {MAX_ID} characters")
    return headers["webhook-id"]


def _github(secret: bytes, headers: Mapping[str, str], body: bytes) -> str:
    """https://docs.github.com/webhooks: signs the body alone.

    So the body names the delivery, not `X-GitHub-Delivery`: with another one a body that somebody
    caught could be sent again. GitHub's own redelivery has the same body.
    """
    signature = f"sha256={hmac.new(secret, body, sha256).hexdigest()}"
    given = headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(signature.encode(), given.encode("latin-1")):
        why = "no matching signature found" if given else "missing required headers"
        raise WebhookVerificationError(why)
    return sha256(body).hexdigest()


_SCHEMES = {"standard": _standard, "github": _github}

"""What the routes are given: the agent, who calls, and under which key."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Header, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .. import App
from .tokens import Tokens


@dataclass
class Service:
    """One running API."""

    app: App
    tokens: Tokens
    closing: bool = False
    """Streams end now, so that nobody keeps the server from stopping."""
    work: asyncio.Task[None] | None = None
    """The runner; it ends only when the server stops, or because it is broken."""

    @property
    def failure(self) -> BaseException | None:
        ended = self.work and self.work.done() and not self.work.cancelled()
        return self.work.exception() if self.work and ended else None


_bearer = HTTPBearer(auto_error=False, description="A token of API_TOKENS; it names the actor.")


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


Running = Annotated[Service, Depends(_service)]


def actor(
    service: Running, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    if given is None:
        raise HTTPException(401, "send a bearer token", {"WWW-Authenticate": "Bearer"})
    name = service.tokens.name(given.credentials)
    if name is None:
        known = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise HTTPException(401, "nobody has this token", known)
    return name


Actor = Annotated[str, Depends(actor)]


def _delivery(
    name: Actor,
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            pattern="^[!-~]+$",
            max_length=255,
            description="Names this one request, a UUID say: sent again with the same key it is "
            "recorded once. Counts for you and one thread.",
        ),
    ],
) -> str:
    return f"http:{name}:{idempotency_key}"


Delivery = Annotated[str, Depends(_delivery)]

"""Signs people in with a token of `API_TOKENS`, and keeps their sessions in the store.

The cookie holds a random secret, and the store its hash; the token can be derived from neither. A
session ends on all servers at sign-out, when its token is removed, or after a week. Each form
carries a CSRF token that is derived from the secret.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from ..index import Session as Kept
from ..log.thread import Thread
from . import pages
from .service import Running, Service, load_for
from .tokens import hash_token

COOKIE = "agent_session"
SESSION_S = 7 * 86_400
"""How long nobody has to sign in again."""

_OWN_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path of this server, whatever a browser makes of `//`, backslashes and tabs."""

Wanted = Annotated[str, Query(alias="next")]

router = APIRouter(route_class=pages.PageRoute, include_in_schema=False)


@dataclass(frozen=True)
class Session:
    name: str
    csrf: str
    """What every form of the session has to carry."""


async def require_person(request: Request, service: Running) -> str:
    """Return who is signed in; anybody else is sent to sign in, and told what was not sent."""
    session = await _find_session(service, request.cookies.get(COOKIE, ""))
    if session is None:
        unsent = {} if request.method == "GET" else {"unsent": "1"}
        query = f"?{request.url.query}" if request.url.query else ""
        wanted = f"{pages.find_path(request)}{query}"
        login = urlencode({"next": wanted, **unsent})
        raise HTTPException(303, headers={"Location": f"/login?{login}"})
    request.state.session = session
    return session.name


Person = Annotated[str, Depends(require_person)]


async def is_signed_in(request: Request, service: Service) -> bool:
    """Say whether the session of a request still exists: a stream may outlive it."""
    return await _find_session(service, request.cookies.get(COOKIE, "")) is not None


async def _load_for_person(thread_id: str, service: Running, name: Person) -> Thread:
    return await load_for(service, thread_id, name)


Opened = Annotated[Thread, Depends(_load_for_person)]
"""The thread in the path, if the person who is signed in may read it."""


def read_sent_form(request: Request, _: Person, fields: pages.Form) -> dict[str, str]:
    """Return the form that the signed-in person sent.

    Raises:
        HTTPException: it does not carry the word of their session.
    """
    if not compare_digest(fields.get("csrf", "").encode(), request.state.session.csrf.encode()):
        raise HTTPException(403, "You signed in again since; go back, reload, and send it again.")
    return fields


Sent = Annotated[dict[str, str], Depends(read_sent_form)]


@router.get("/login")
async def show_login(request: Request, wanted: Wanted = "/", unsent: bool = False) -> Response:
    return pages.render_page(request, "login.html", next=wanted, unsent=unsent, wrong=False)


@router.post("/login")
async def sign_in(request: Request, service: Running, fields: pages.Form) -> Response:
    token, wanted = fields.get("token", "").strip(), fields.get("next", "/")
    address = request.client.host if request.client else ""
    if wait_s := service.tries.find_pause_s(address):
        raise HTTPException(
            429, "Too many wrong tokens; wait a minute.", {"Retry-After": str(wait_s)}
        )
    if service.tokens.find_name(token) is None:
        service.tries.count(address)
        shown: dict[str, Any] = {"next": wanted, "unsent": False, "wrong": True}
        return pages.render_page(request, "login.html", 401, **shown)
    secret, store = token_urlsafe(32), service.app.ports.store
    until = await store.now() + timedelta(seconds=SESSION_S)
    await store.open_session(Kept(_hash(secret), _sign(secret, hash_token(token)), until))
    response = pages.redirect(request, wanted if _OWN_PATH.fullmatch(wanted) else "/")
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, secret, SESSION_S, path=pages.get_root(request) or "/",
        httponly=True, samesite="lax", secure=secure,
    )  # fmt: skip
    return response


@router.post("/logout")
async def sign_out(request: Request, service: Running, _: Sent) -> Response:
    await service.app.ports.store.close_session(_hash(request.cookies[COOKIE]))
    response = pages.redirect(request, "/login")
    root = pages.get_root(request) or "/"
    response.delete_cookie(COOKIE, root, httponly=True, samesite="lax")
    return response


async def _find_session(service: Service, secret: str) -> Session | None:
    kept = await service.app.ports.store.find_session(_hash(secret)) if secret else None
    if kept is None:
        return None
    for token, name in service.tokens.names.items():
        if compare_digest(_sign(secret, token), kept.proof):
            return Session(name, _sign(secret, b"form"))
    return None


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _sign(secret: str, content: bytes) -> str:
    return hmac.new(secret.encode(), content, sha256).hexdigest()

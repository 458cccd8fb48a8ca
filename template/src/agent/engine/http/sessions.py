"""Who is signed in: a token of `API_TOKENS`, typed once, then a signed cookie.

The key of a session is the token that opened it, so nothing more has to be set up, every
replica agrees, and a session ends with its token. Each form carries a word of its session that
no other site can know.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from ..log.thread import Thread
from . import pages
from .service import Running, Service, load_for

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


def require_person(request: Request, service: Running) -> str:
    """Return who is signed in; anybody else is sent to sign in, and told what was not sent."""
    session = _find_session(service, request.cookies.get(COOKIE, ""))
    if session is None:
        unsent = {} if request.method == "GET" else {"unsent": "1"}
        query = f"?{request.url.query}" if request.url.query else ""
        login = urlencode({"next": f"{request.url.path}{query}", **unsent})
        raise HTTPException(303, headers={"Location": f"/login?{login}"})
    request.state.session = session
    return session.name


Person = Annotated[str, Depends(require_person)]


async def _load_for_person(thread_id: str, service: Running, name: Person) -> Thread:
    return await load_for(service, thread_id, name)


Opened = Annotated[Thread, Depends(_load_for_person)]
"""The thread of the address, which whoever is signed in may read."""


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
    if service.tokens.find_name(token) is None:
        shown: dict[str, Any] = {"next": wanted, "unsent": False, "wrong": True}
        return pages.render_page(request, "login.html", 401, **shown)
    response = pages.redirect(wanted if _OWN_PATH.fullmatch(wanted) else "/")
    cookie = str(_make_serializer(sha256(token.encode()).digest()).dumps(token_urlsafe(16)))
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, cookie, SESSION_S, httponly=True, samesite="lax", secure=secure)
    return response


@router.post("/logout")
async def sign_out(_: Sent) -> Response:
    response = pages.redirect("/login")
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response


def _find_session(service: Service, cookie: str) -> Session | None:
    for token, name in service.tokens.names.items():
        try:
            csrf, signed = _make_serializer(token).loads(cookie, return_timestamp=True)
        except BadData:
            continue
        # Not `max_age`: it refuses what another machine signed whose clock is ahead.
        if (datetime.now(UTC) - signed).total_seconds() <= SESSION_S:
            return Session(name, csrf)
    return None


def _make_serializer(token: bytes) -> URLSafeTimedSerializer:
    """Sign with a token, of which the server knows the SHA-256."""
    return URLSafeTimedSerializer(token, "session", signer_kwargs={"digest_method": sha256})

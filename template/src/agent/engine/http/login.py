"""Signs people in with a token of `API_TOKENS`, and keeps their sessions in the store.

The cookie holds a random secret, and the store its hash; the token can be derived from neither. A
session ends on all servers at sign-out, when its token is removed, or after a week. Each form
carries a CSRF token that is derived from the secret.
"""

import hmac
import re
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Annotated, Any, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from ..index import Session as Kept
from . import pages
from .service import Running, Service, Session, get_service
from .sessions import Sent
from .tokens import Tokens, bearer, hash_token
from .tries import Tries

COOKIE = "agent_session"
SESSION_S = 7 * 86_400
"""How long a person stays signed in."""

_OWN_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
"""A path of this server, whatever a browser makes of `//`, backslashes and tabs."""

Wanted = Annotated[str, Query(alias="next")]

router = APIRouter(route_class=pages.PageRoute, include_in_schema=False)


class TokenSignIn:
    """Programs send a token with each request, and people sign in with one."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.tries = Tries()
        self.router: APIRouter | None = router
        self.described: dict[str, Any] = {"dependencies": [Depends(bearer)]}

    async def find_caller(self, request: Request) -> str:
        given = await bearer(request)
        if given is None:
            raise HTTPException(401, "send a bearer token", {"WWW-Authenticate": "Bearer"})
        name = self.tokens.find_name(given.credentials)
        if name is None:
            known = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, "unknown token; ask whoever runs this agent for one", known)
        return name

    async def find_session(self, request: Request) -> Session:
        """Return who is signed in.

        Raises:
            HTTPException: a redirect to the page to sign in, which says if a form was not sent.
        """
        session = await self._find_kept(get_service(request), request.cookies.get(COOKIE, ""))
        if session is None:
            unsent = {} if request.method == "GET" else {"unsent": "1"}
            root = pages.get_root(request)
            login = urlencode({"next": pages.find_target(request).removeprefix(root), **unsent})
            raise HTTPException(303, headers={"Location": f"{root}/login?{login}"})
        return session

    async def _find_kept(self, service: Service, secret: str) -> Session | None:
        kept = await service.app.ports.store.find_session(_hash(secret)) if secret else None
        if kept is None:
            return None
        for token, name in self.tokens.names.items():
            if compare_digest(_sign(secret, token), kept.proof):
                return Session(name, _sign(secret, b"form"))
        return None


def _get_sign_in(service: Running) -> TokenSignIn:
    return cast(TokenSignIn, service.sign_in)  # no other one has these routes


SignInHere = Annotated[TokenSignIn, Depends(_get_sign_in)]


@router.get("/login")
async def show_login(request: Request, wanted: Wanted = "/", unsent: bool = False) -> Response:
    return pages.render_page(request, "login.html", next=wanted, unsent=unsent, wrong=False)


@router.post("/login")
async def open_session(
    request: Request, service: Running, sign_in: SignInHere, fields: pages.Form
) -> Response:
    token, wanted = fields.get("token", "").strip(), fields.get("next", "/")
    address = request.client.host if request.client else ""
    if wait_s := sign_in.tries.find_pause_s(address):
        raise HTTPException(
            429, "Too many wrong tokens; wait a minute.", {"Retry-After": str(wait_s)}
        )
    if sign_in.tokens.find_name(token) is None:
        sign_in.tries.count(address)
        shown: dict[str, Any] = {"next": wanted, "unsent": False, "wrong": True}
        return pages.render_page(request, "login.html", 401, **shown)
    secret, store = token_urlsafe(32), service.app.ports.store
    until = await store.now() + timedelta(seconds=SESSION_S)
    await store.open_session(Kept(_hash(secret), _sign(secret, hash_token(token)), until))
    response = pages.redirect(request, wanted if _OWN_PATH.fullmatch(wanted) else "/")
    pages.set_cookie(request, response, COOKIE, secret, SESSION_S)
    return response


@router.post("/logout")
async def close_session(request: Request, service: Running, _: Sent) -> Response:
    await service.app.ports.store.close_session(_hash(request.cookies[COOKIE]))
    response = pages.redirect(request, "/login")
    root = pages.get_root(request) or "/"
    response.delete_cookie(COOKIE, root, httponly=True, samesite="lax")
    return response


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _sign(secret: str, content: bytes) -> str:
    return hmac.new(secret.encode(), content, sha256).hexdigest()

"""The sign-in of the application that the agent is embedded in: it says who sends a request.

A browser sends the application's cookie with everything, also with what another site makes it
send. So forms carry a word that no other site can know, and the API refuses what comes from
elsewhere.
"""

import hmac
import logging
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from inspect import isawaitable, iscoroutinefunction
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ..log.errors import Misconfigured
from ..loop.ports import Directory
from .pages import FORMS, find_target, is_from_here
from .problems import BROKEN, document_errors
from .service import Session, get_service
from .tokens import is_reserved, is_team

MAX_NAME = 255
SCOPE = "agent.host"
"""Where the scope of a request has the one that the application made."""

_SAFE = ("GET", "HEAD", "OPTIONS")
_STREAM = "text/event-stream"
"""What a page asks for that follows a thread; where one signs in is of no use to it."""
_SECRET = re.compile(r"[\w-]{43}", re.ASCII)
"""What `token_urlsafe(32)` returns."""

log = logging.getLogger(__name__)

ActorOf = Callable[[Request], Awaitable[str | None] | str | None]
"""Returns the name of the person who is signed in, or None. It may raise an `HTTPException`."""


class HostSignIn:
    def __init__(self, actor: ActorOf, url: str | None) -> None:
        """`url` is where people sign in; None if they have to know. Raises Misconfigured."""
        if url is not None and not re.match(r"/(?!/)|https?://", url):
            raise Misconfigured(f"sign_in_url={url!r} is neither a path such as /login nor a URL")
        self.router: APIRouter | None = None
        why = "Another site sent it, or the name that the application gives cannot be used."
        refused = document_errors(403)[403] | {"description": why}
        self.described: dict[str, Any] = {"responses": {403: refused}}
        self._actor = actor
        self._url = url

    async def find_caller(self, request: Request) -> str:
        if request.method not in _SAFE and (problem := _find_origin_problem(request)):
            raise HTTPException(403, f"{problem}; nothing was done")
        name = await self._find_name(request)
        if name is None:
            raise HTTPException(401, "sign in first", {"WWW-Authenticate": "Application"})
        return name

    async def find_session(self, request: Request) -> Session:
        """Return who is signed in, with the word that the forms of this browser carry for them."""
        name = await self._find_name(request)
        if name is None:
            raise self._refuse(request)
        kept = request.cookies.get(FORMS, "")
        fresh = "" if _SECRET.fullmatch(kept) else token_urlsafe(32)
        csrf = hmac.new((fresh or kept).encode(), f"form:{name}".encode(), sha256)
        return Session(name, csrf.hexdigest(), fresh)

    async def _find_name(self, request: Request) -> str | None:
        try:
            name = await _call(self._actor, Request(request.scope[SCOPE]))
        except HTTPException:
            raise
        except Exception:  # of the owner's code
            log.exception("`actor` failed, and the request was refused")
            raise HTTPException(500, BROKEN) from None
        directory = get_service(request).app.ports.directory
        if name is not None and (problem := _find_problem(directory, name)):
            log.error("`actor` returned %r, which is %s; the request was refused", name, problem)
            raise HTTPException(403, "Your name cannot be used here; the log says why.")
        return None if name is None else str(name)

    def _refuse(self, request: Request) -> HTTPException:
        """Return a redirect to sign in; for a form, an error that says that it was not sent."""
        if request.method not in _SAFE:
            lost = "You are not signed in any more, so nothing was done."
            return HTTPException(401, f"{lost} Sign in, go back to the form, and send it again.")
        if self._url is None or request.headers.get("accept") == _STREAM:
            return HTTPException(401, "Sign in to the application first, then open this page.")
        root = request.scope["app_root_path"] if self._url.startswith("/") else ""
        wanted = urlencode({"next": find_target(request)})
        where = f"{root}{self._url}{'&' if '?' in self._url else '?'}{wanted}"
        return HTTPException(303, headers={"Location": where})


async def _call(actor: ActorOf, request: Request) -> object:
    """Ask the application; what is not async runs in a thread, as a dependency of FastAPI does."""
    if iscoroutinefunction(actor):
        return await actor(request)
    name = await run_in_threadpool(actor, request)
    return await name if isawaitable(name) else name


def _find_origin_problem(request: Request) -> str:
    """Return why a request may not change something; "" if it is from here, or from a program.

    Every browser sends one of these headers with it, so without both a program sent it. That may
    not bring a cookie: a browser so old that it sends neither would.
    """
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        return "" if is_from_here(request) else "this request came from another site"
    how = "send the header Origin with a request that has a cookie"
    return how if "cookie" in request.headers else ""


def _find_problem(directory: Directory, name: object) -> str:
    """Return what a name is instead of a person's; "" if it is one."""
    if not isinstance(name, str):
        return f"of the type {type(name).__name__}"
    if not 0 < len(name) <= MAX_NAME or name != name.strip() or not name.isprintable():
        return "not a name"
    if is_reserved(name):
        return "a reserved name"
    if ":" in name:
        return "what a channel or trigger calls somebody"
    return "a team" if is_team(directory, name) else ""

"""The route of `/mcp`: who calls is known before anything is read, as everywhere in the API.

There are no sessions and no streams: each request is answered by itself, also where a client speaks
an older version of the protocol. So `GET` and `DELETE`, which are about sessions, are refused.
"""

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import ASGIApp, Receive, Scope, Send

from ..http.problems import MAX_BODY
from ..http.service import Actor, ApiRoute
from ..runners.app import App
from ..settings import read_public_url
from .serving import Context, build_server

_LOCAL = ("localhost", "127.0.0.1", "::1")


class Endpoint:
    def __init__(self, app: App) -> None:
        server = build_server(app, _get_caller)
        self._manager = StreamableHTTPSessionManager(
            server, stateless=True, json_response=True, max_request_body_size=MAX_BODY
        )
        self._ready = asyncio.Event()

    def build_router(self) -> APIRouter:
        router = APIRouter(route_class=ApiRoute, include_in_schema=False)
        router.post("/mcp")(self._receive)
        return router

    async def work(self) -> None:
        """Be ready for requests until cancelled."""
        async with self._manager.run():
            self._ready.set()
            await asyncio.Event().wait()

    async def _receive(self, request: Request, _: Actor) -> Response:
        _check_origin(request)
        await self._ready.wait()
        return _Delegated(self._manager.handle_request)


class _Delegated(Response):
    """Lets another ASGI application answer."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _check_origin(request: Request) -> None:
    """Refuse a page of another site, and one whose name was made to lead here (DNS rebinding).

    A program sends no `Origin`, and may call this server by any name. Raises HTTPException.
    """
    known = {*_LOCAL, urlsplit(read_public_url()).hostname} - {None}
    if "origin" in request.headers:
        for header in (request.headers["origin"], f"//{request.headers.get('host', '')}"):
            if _find_host(header) not in known:
                why = "a page of another site sent this; PUBLIC_URL names the site of this server"
                raise HTTPException(403, why)


def _find_host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return ""


def _get_caller(context: Context) -> str:
    request: Any = context.request
    return cast(str, request.state.caller)

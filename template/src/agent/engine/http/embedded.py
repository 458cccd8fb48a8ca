"""Serves the agent inside a FastAPI or Starlette application, under the sign-in of that.

    mount(app, prefix="/agent", actor=who)

The application starts and stops what runs beside the API, and says who sends a request (host.py).
Its own routes, middleware and error handlers are not touched.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import FrameType
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from .. import settings
from ..log.errors import Misconfigured
from ..runners.app import App, ModelOf, no_model
from .host import SCOPE, ActorOf, HostSignIn
from .server import build_api, is_prefix
from .service import Service


class Buildable(Protocol):
    def build(self, model_of: ModelOf) -> App:
        """Plug the agents together."""


def mount(
    host: Starlette,
    prefix: str,
    actor: ActorOf,
    *,
    application: Buildable | None = None,
    run: bool = True,
    sign_in_url: str | None = None,
) -> None:
    """Serve the agents of `app.py`, or those of `application`, below `prefix`.

    `actor(request)` names the person, as `people.toml` and `approvers=` do; a sync function is
    called in a thread. People who open a page without being signed in are led to
    `<sign_in_url>?next=<path>`. Threads run in this process while it is up, unless `run` is False:
    then another one has to, such as `agent worker`.

    Raises:
        Misconfigured: an argument or a setting is missing or wrong.
    """
    if not is_prefix(prefix):
        how = "it needs a slash before each part, and none at its end"
        raise Misconfigured(f"prefix={prefix!r} is not a path such as /agent: {how}")
    sign_in = HostSignIn(actor, sign_in_url)
    settings.load()
    mounted = _Mounted(partial(_make_api, application, sign_in, run))
    host.add_route(prefix, _lead_in(prefix), name=prefix, include_in_schema=False)
    host.mount(prefix, mounted)
    around = host.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Any]:
        async with around(app) as state, mounted.run():
            yield state

    host.router.lifespan_context = lifespan


def _make_api(application: Buildable | None, sign_in: HostSignIn, run: bool) -> FastAPI:
    if application is None:
        from ..main import build  # only here: it imports the agents
    else:
        build = application.build
    return build_api(build(settings.required_model if run else no_model), sign_in, run=run)


def _lead_in(prefix: str) -> Callable[[Request], Response]:
    def lead(request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}{prefix}/")

    return lead


class _Mounted:
    """The API with a scope of its own for each request, so that the application's stays as it is.

    It is made anew when the application starts again, as tests do: what a runner and a store have
    open belongs to one event loop.
    """

    def __init__(self, make: Callable[[], FastAPI]) -> None:
        self._make = make
        self._api = make()
        self._is_used = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = dict(scope) | {"state": {}, SCOPE: scope}
        if not scope["path"].startswith(scope["root_path"]):
            # The application has a `root_path` of its own, which the path of a request lacks.
            own["path"] = scope["app_root_path"] + scope["path"]
        await self._api(own, receive, send)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        if self._is_used:
            self._api = self._make()
        self._is_used, api = True, self._api
        service: Service = api.state.service
        async with api.router.lifespan_context(api):
            with _watch_signals(service.closing):
                yield


@contextmanager
def _watch_signals(closing: asyncio.Event) -> Iterator[None]:
    """Set `closing` when the server is told to stop, so that streams end.

    It waits for them before it ends the lifespan of the application, which would be too late.
    """
    loop, before = asyncio.get_running_loop(), dict[int, Callable[..., Any]]()

    def stop(signum: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(closing.set)
        before[signum](signum, frame)

    if threading.current_thread() is threading.main_thread():
        for one in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(one)):
                before[one] = handler
                signal.signal(one, stop)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)

"""The HTTP API as an ASGI application, its runner in the background, and uvicorn to serve it.

uvicorn is told what it cannot know: streams never end by themselves, and a server whose runner
is broken should not go on taking messages.
"""

import asyncio
import gc
import logging
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException

from ..log.errors import AgentError, Misconfigured
from ..runners.app import App, Work
from ..runners.shared import share
from ..settings import optional
from . import metrics, pages, problems, reference, routes, waits
from .bodies import BodyLimit
from .connections import (
    ACCEPTED,
    drop_repeated,
    find_most_connections,
    lengthen_queue,
    limit_connections,
)
from .login import TokenSignIn
from .problems import Problem, document_errors
from .service import Running, Service, SignIn
from .tokens import Tokens

MAX_LOGIN = 8_192
"""Maximum size of the sign-in form in bytes."""
PATIENCE_S = 0.8
"""Seconds that `/readyz` waits for the store."""
DRAIN_S = 5
"""How long requests may take to end once the server stops."""

_UNHEALTHY: dict[int | str, dict[str, Any]] = {503: document_errors(503)[503] | {"model": Problem}}

log = logging.getLogger(__name__)

_DESCRIPTION = """\
A message starts a **thread** or continues one; what happens in it is a list of **events**.
Where a person has to decide, the thread opens a **wait** and rests until somebody answers it.

202 means recorded, not done. Follow `/threads/{thread_id}/events`, or read the thread again with
`after` set to the last event you know. Chat text never approves: approvals go to the wait, with
the digest of the call that was shown.
"""


def create_app(app: App, tokens: Tokens) -> FastAPI:
    """Return the API of an agent, for those who have a token."""
    tokens.check_names(app.ports.directory)
    return build_api(app, TokenSignIn(tokens))


def build_api(app: App, sign_in: SignIn, *, run: bool = True) -> FastAPI:
    """Return the API of an agent. While it is up the runner works, unless `run` is False; when it
    stops, running steps end."""
    service = Service(app, sign_in)
    opened = [served for trigger in app.triggers if (served := trigger(app))]
    service.thread_page = next((one.thread_page for one in opened if one.thread_page), None)
    works: list[Work] = [served.work for served in opened if served.work]
    if run and not app.runner.elsewhere:
        works.append(app.runner.work)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        share(app)  # what this program launches is run at once
        async with _run_works(service, works):
            yield

    # No redirects for a trailing slash: they would lead to the host in the caller's `Host` header.
    api = FastAPI(
        title="Agent", description=_DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None,
        redirect_slashes=False,
    )  # fmt: skip
    api.state.service = service
    longer = {path: most for one in opened for path, most in one.bodies.items()}
    api.add_middleware(BodyLimit, bodies={"/login": MAX_LOGIN, **longer})
    problems.install(api)
    pages.install(api)
    metrics.install(api)
    api.include_router(routes.router, **sign_in.described)
    for router in filter(None, (sign_in.router, waits.router, reference.router)):
        api.include_router(router)
    for served in opened:
        if served.router:
            api.include_router(cast(APIRouter, served.router))
    api.include_router(waits.start)  # after all others: whoever has a page at `/` comes first
    api.get("/healthz", response_description="It does.", responses=_UNHEALTHY)(healthz)
    api.get("/readyz", response_description="Both do.", responses=_UNHEALTHY)(readyz)
    return api


async def readyz(service: Running) -> dict[str, str]:
    """Check that the server can take requests: the store responds and the runner works."""
    if service.closing.is_set():
        raise HTTPException(503, "the server is stopping", {"Retry-After": "10"})
    try:
        async with asyncio.timeout(PATIENCE_S):
            await service.app.ports.store.threads(limit=1)
    except TimeoutError:
        why = "the store did not respond within a second"
        raise HTTPException(503, why, {"Retry-After": "1"}) from None
    return await healthz(service)


async def healthz(service: Running) -> dict[str, str]:
    """Check that the runner works. If it does not, restart the process."""
    if service.failure:
        known = isinstance(service.failure, AgentError)
        why = f"it cannot go on: {service.failure if known else 'the log says why'}"
        raise HTTPException(503, why, {"Retry-After": "10"})
    return {"status": "ok"}


@asynccontextmanager
async def _run_works(service: Service, works: Sequence[Work]) -> AsyncIterator[None]:
    service.works = [asyncio.create_task(work()) for work in works]
    for task in service.works:
        task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        for task in service.works:
            task.cancel()
        await asyncio.gather(*service.works, return_exceptions=True)


def _log_failure(work: asyncio.Task[None]) -> None:
    if not work.cancelled() and (error := work.exception()):
        trace = None if isinstance(error, AgentError) else error
        log.critical("the agent cannot go on: %s", error, exc_info=trace)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in (each for server in self.servers for each in server.sockets):
            lengthen_queue(listener)

    async def on_tick(self, counter: int) -> bool:
        return bool(self._service.failure) or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.closing.set()
        await super().shutdown(sockets)


def is_prefix(path: str) -> bool:
    """Say whether addresses can begin with a path; it has a slash before each part only."""
    return bool(re.fullmatch(r"(/(?!\.\.?(/|$))[\w.~-]+)+", path, re.ASCII))


def _read_root() -> str:
    """Return `ROOT_PATH`, the path prefix that a proxy removes. Raises Misconfigured."""
    root = optional("ROOT_PATH").rstrip("/")
    if root and not is_prefix(root):
        raise Misconfigured(f"ROOT_PATH={root!r} is not a path such as /agent")
    return root


async def listen(app: App, tokens: Tokens, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then requests and running steps end first.

    Raises:
        AgentError: the runner could not go on.
    """
    api = create_app(app, tokens)
    service: Service = api.state.service
    # uvicorn trusts forwarded headers from FORWARDED_ALLOW_IPS only, by default from 127.0.0.1.
    config = uvicorn.Config(
        api,
        host,
        port,
        root_path=_read_root(),
        http=limit_connections(find_most_connections()),
        ws="none",  # a connection that is upgraded would no longer be counted
        backlog=ACCEPTED,
        timeout_graceful_shutdown=DRAIN_S,
        log_config=None,
    )
    logging.getLogger("uvicorn.error").addFilter(drop_repeated())
    # What is there now stays. A full collection would look at all of it, and nothing else runs
    # for 0.2 s.
    gc.freeze()
    await _Server(config, service).serve()
    if service.failure:
        raise service.failure

"""The HTTP API as an ASGI application, its runner in the background."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ...errors import AgentError
from .. import App
from . import problems, routes, stream
from .service import Service
from .tokens import Tokens

log = logging.getLogger(__name__)

_DESCRIPTION = """\
A message begins a **thread** or goes on with one; what happens in it is a list of **events**.
Where a person has to decide, the thread opens a **wait** and rests until somebody answers it.

202 means recorded, not done. Follow `/threads/{thread_id}/events`, or read the thread again with
`after` set to the last event you know. Chat text never approves: approvals go to the wait, with
the digest of the call that was shown.
"""


def create_app(app: App, tokens: Tokens) -> FastAPI:
    """Return the API of an agent; while it is up the runner works, when it stops steps end."""
    service = Service(app, tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.work = asyncio.create_task(app.runner.work(), name="runner")
        service.work.add_done_callback(_log)
        try:
            yield
        finally:
            service.work.cancel()
            await asyncio.wait([service.work])

    api = FastAPI(title="Agent", description=_DESCRIPTION, lifespan=lifespan, redoc_url=None)
    api.state.service = service
    problems.install(api)
    for router in (routes.router, stream.router, routes.public):
        api.include_router(router)
    return api


def _log(work: asyncio.Task[None]) -> None:
    if not work.cancelled() and (error := work.exception()):
        trace = None if isinstance(error, AgentError) else error
        log.critical("the runner stopped: %s", error, exc_info=trace)

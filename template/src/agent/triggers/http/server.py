"""uvicorn, told what it cannot know: streams never end by themselves, and a server whose
runner is broken should not go on taking messages."""

import socket

import uvicorn

from .. import App
from .app import create_app
from .service import Service
from .tokens import Tokens

DRAIN_S = 5
"""How long requests may take to end once the server stops."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def on_tick(self, counter: int) -> bool:
        return bool(self._service.failure) or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.closing = True
        await super().shutdown(sockets)


async def listen(app: App, tokens: Tokens, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then requests and running steps end first.

    Raises:
        AgentError: the runner could not go on.
    """
    api = create_app(app, tokens)
    service: Service = api.state.service
    config = uvicorn.Config(api, host, port, timeout_graceful_shutdown=DRAIN_S)
    await _Server(config, service).serve()
    if service.failure:
        raise service.failure

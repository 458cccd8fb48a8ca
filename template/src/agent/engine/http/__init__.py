"""Factor 11: trigger from anywhere, here with an HTTP request.

    POST /threads                       text, conversation?          202, Location: /threads/{id}
    POST /threads/{id}/messages         text                         202
    GET  /threads, /threads/{id}?after= what is there, what happened 200
    GET  /threads/{id}/events           server-sent, as they happen  200
    GET  /waits                         what people are asked        200
    POST /threads/{id}/waits/{wait}     verdict, text?, digest?, …   202, 409 with the reason
    POST /threads/{id}/cancel           reason?                      202

A bearer token names the actor. 202 means recorded, not done. `/docs` has the whole story.
embedded.py serves all of this inside another application, under its sign-in.
"""

import asyncio
import signal
import sys
from contextlib import suppress
from typing import Annotated
from urllib.parse import quote

import typer

from ..cli.logs import set_up_logging
from ..runners.app import Build
from ..settings import required_model

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every network.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")]
Model = Annotated[str, typer.Option(help="Which model decides; MODEL if left out.")]


def build_wait_path(thread_id: str, wait: int) -> str:
    """Return the address of the page of one wait."""
    return f"/waits/{quote(thread_id, safe='')}/{wait}"


def mount(cli: typer.Typer, build: Build) -> None:
    """Add the command `serve`."""

    @cli.command()
    def serve(host: Host = "127.0.0.1", port: Port = 8000, model: Model = "") -> None:
        """Serve HTTP and run the threads; API_TOKENS says who may call."""
        from .server import listen  # FastAPI would slow down every other command
        from .tokens import Tokens

        tokens = Tokens.from_env()
        set_up_logging()
        app = build(lambda name: model or required_model(name))
        # uvicorn ends by the signal that stopped it, and what is to be done at exit would not be.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        with suppress(KeyboardInterrupt):
            asyncio.run(listen(app, tokens, host, port))

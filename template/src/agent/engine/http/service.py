"""What the routes are given: the running service, who calls, and the thread in the path."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from fastapi import Depends, Header, HTTPException, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials

from ..log.errors import Forgotten, ThreadNotFound
from ..log.thread import Thread
from ..people.access import check_reader
from ..runners.app import App
from .tokens import Tokens, bearer
from .tries import Tries


@dataclass
class Service:
    """One running API."""

    app: App
    tokens: Tokens
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Streams end now, so that nobody keeps the server from stopping."""
    tries: Tries = field(default_factory=Tries)
    works: list[asyncio.Task[None]] = field(default_factory=list)
    """The runner, and what the triggers do beside it; they end when the server stops, or because
    something is broken."""
    thread_page: Callable[[str], str] | None = None
    """The address of a thread's page; None where no part has pages of threads."""

    @property
    def failure(self) -> BaseException | None:
        ended = (work for work in self.works if work.done() and not work.cancelled())
        return next((error for work in ended if (error := work.exception())), None)


def get_service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


Running = Annotated[Service, Depends(get_service)]


def authenticate(
    service: Running, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> str:
    if given is None:
        raise HTTPException(401, "send a bearer token", {"WWW-Authenticate": "Bearer"})
    name = service.tokens.find_name(given.credentials)
    if name is None:
        known = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise HTTPException(401, "nobody has this token", known)
    return name


Actor = Annotated[str, Depends(authenticate)]


class TokenRoute(APIRoute):
    """A route for programs, which looks at the token before it reads the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            authenticate(get_service(request), await bearer(request))
            return await handle(request)

        return handled


def _name_delivery(
    name: Actor,
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            pattern="^[!-~]+$",
            max_length=255,
            description="Names this one request, a UUID say: sent again with the same key it is "
            "recorded once. Counts for you and one thread.",
        ),
    ],
) -> str:
    return f"http:{name}:{idempotency_key}"


Delivery = Annotated[str, Depends(_name_delivery)]
LastEventId = Annotated[
    int,
    Header(alias="Last-Event-ID", ge=0, description="What a client that comes back saw last."),
]


async def load_for(service: Service, thread_id: str, person: str) -> Thread:
    """Load a thread, if a person may read it.

    Raises:
        ThreadNotFound: there is none for this person. Only administrators learn that it was
            deleted (Forgotten).
    """
    ports = service.app.ports
    try:
        thread = await ports.store.load(thread_id)
    except Forgotten:
        if ports.directory.is_admin(person):
            raise
        raise ThreadNotFound(f"there is no thread {thread_id!r}") from None
    await check_reader(ports, thread, person)
    return thread


async def _load_for_caller(thread_id: str, service: Running, name: Actor) -> Thread:
    return await load_for(service, thread_id, name)


Loaded = Annotated[Thread, Depends(_load_for_caller)]
"""The thread in the path, if the caller may read it."""

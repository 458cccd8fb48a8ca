"""What the routes are given: the running service, who calls, and the thread in the path."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, cast

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ..log.errors import Forgotten, ThreadNotFound
from ..log.thread import Thread
from ..people.access import check_reader
from ..runners.app import App


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in on pages."""

    name: str
    csrf: str
    """What every form of the session has to carry."""
    fresh: str = ""
    """The secret of a new session, which the page gives to the browser; "" if it has it."""


class SignIn(Protocol):
    """Says whom a request is from; nothing else knows how that is proven."""

    router: APIRouter | None
    """The pages to sign in and out; None where another application has them."""
    described: dict[str, Any]
    """What `include_router` is given, so that the schema of the API describes it."""

    async def find_caller(self, request: Request) -> str:
        """Return who calls the API. Raises HTTPException if the request does not prove it."""

    async def find_session(self, request: Request) -> Session:
        """Return who looks at a page. Raises HTTPException, which may redirect to sign in."""


@dataclass
class Service:
    """One running API."""

    app: App
    sign_in: SignIn
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Streams end now, so that nobody keeps the server from stopping."""
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


class ApiRoute(APIRoute):
    """A route for programs: who calls is known before the body is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            request.state.caller = await get_service(request).sign_in.find_caller(request)
            return await handle(request)

        return handled


def _get_caller(request: Request) -> str:
    return cast(str, request.state.caller)


Actor = Annotated[str, Depends(_get_caller)]


async def is_caller(request: Request, service: Service, name: str) -> bool:
    """Say whether a request is still from this caller: a stream may outlive that."""
    with suppress(HTTPException):
        return await service.sign_in.find_caller(request) == name
    return False


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

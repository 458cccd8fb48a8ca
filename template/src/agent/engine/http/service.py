"""Who may call, `API_TOKENS="ana:<token>,crm:<token>"`, and what the routes are given.

The name is the actor, as `people.toml` and `approvers=` have it; one name may have several
tokens, so that they can be changed without a gap.
"""

import asyncio
import zlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from itertools import pairwise
from typing import Annotated, Any, Self, cast

from fastapi import Depends, Header, HTTPException, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..log.errors import Forgotten, Misconfigured, ThreadNotFound
from ..log.state import is_person
from ..log.thread import Thread
from ..loop.ports import Directory
from ..people.access import check_reader
from ..runners.app import App
from ..settings import is_placeholder, required
from .tries import Tries

MIN_LENGTH = 32
"""Characters of a token."""
MIN_BYTES = 20
"""Minimum size of a token after compression, so that repetitions do not count."""
_GUESSED = ("letmein", "qwert", "asdf", "admin", "token", "http", "agent")
_HINT = "Make a token with `openssl rand -hex 32` and set API_TOKENS=<your name>:<the token>."
_WORDS = ("anyone", "owner")
"""Who an audience may name without naming somebody."""


@dataclass(frozen=True)
class Tokens:
    names: Mapping[bytes, str]
    """The actor by the SHA-256 of the token."""

    @classmethod
    def from_env(cls) -> Self:
        return cls.parse(required("API_TOKENS", _HINT))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name:token,name:token`.

        Raises:
            Misconfigured: there is none, or one that could be guessed; it is never shown.
        """
        names: dict[bytes, str] = {}
        for place, entry in enumerate(filter(None, map(str.strip, text.split(","))), 1):
            name, _, token = (part.strip() for part in entry.partition(":"))
            if problem := _find_problem(name, token):
                raise Misconfigured(f"API_TOKENS, entry {place}: {problem}. {_HINT}")
            if names.setdefault(hash_token(token), name) != name:
                raise Misconfigured(f"API_TOKENS, entry {place}: another name has this token")
        if not names:
            raise Misconfigured(f"API_TOKENS holds no token. {_HINT}")
        return cls(names)

    def check_names(self, directory: Directory) -> None:
        """Raise Misconfigured if a token is for a team, which would read as each of its members."""
        for name in self.names.values():
            if directory.find_members(name) not in ((), (name,)):
                raise Misconfigured(f"API_TOKENS: {name!r} is a team; a token is for one person")

    def find_name(self, token: str) -> str | None:
        """Return whose token it is, in a time that says nothing about the others."""
        given, found = hash_token(token), None
        for known, name in self.names.items():
            if compare_digest(known, given):
                found = name
        return found


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


bearer = HTTPBearer(auto_error=False, description="A token of API_TOKENS; it names the actor.")


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


def hash_token(token: str) -> bytes:
    """Return the hash by which this server knows a token."""
    return sha256(token.encode()).digest()


def check_token(setting: str, token: str) -> None:
    """Raise Misconfigured if a token in a setting of its own could be guessed."""
    if problem := _find_problem(setting, token):
        raise Misconfigured(f"{setting}: {problem}. Make one with `openssl rand -hex 32`.")


def _find_problem(name: str, token: str) -> str:
    if not (name and token):
        return "it is not name:token"
    if name in _WORDS or not is_person(name):
        return f"{name!r} is a word of the log and names nobody"
    if is_placeholder(token):
        return f"the token of {name!r} is a placeholder"
    weak = _count_bytes(token) < MIN_BYTES or _is_row(token)
    weak = weak or any(word in token.lower() for word in _GUESSED)
    if weak or len(token) < MIN_LENGTH:
        return f"the token of {name!r} is too easy to guess; use 32 random characters or more"
    return ""


def _is_row(token: str) -> bool:
    """Say whether at least half of the characters follow their neighbour, as in `abc` and `321`."""
    near = sum(abs(ord(one) - ord(other)) <= 1 for one, other in pairwise(token))
    return near * 2 >= len(token)


def _count_bytes(token: str) -> int:
    """Return the size of a token after compression, in bytes."""
    packer = zlib.compressobj(9, wbits=-15)
    return len(packer.compress(token.encode()) + packer.flush())

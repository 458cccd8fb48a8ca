"""Who is signed in on a page, the thread they open, and the form they send."""

from contextlib import suppress
from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from ..log.thread import Thread
from . import pages
from .service import Running, Service, load_for


async def require_person(request: Request, service: Running) -> str:
    """Return who is signed in. Raises HTTPException, which says where anybody else signs in."""
    request.state.session = await service.sign_in.find_session(request)
    return str(request.state.session.name)


Person = Annotated[str, Depends(require_person)]


async def is_signed_in(request: Request, service: Service, name: str) -> bool:
    """Say whether a person is still the one who is signed in: a stream may outlive that."""
    with suppress(HTTPException):
        return (await service.sign_in.find_session(request)).name == name
    return False


async def _load_for_person(thread_id: str, service: Running, name: Person) -> Thread:
    return await load_for(service, thread_id, name)


Opened = Annotated[Thread, Depends(_load_for_person)]
"""The thread in the path, if the person who is signed in may read it."""


def read_sent_form(request: Request, _: Person, fields: pages.Form) -> dict[str, str]:
    """Return the form that the signed-in person sent.

    Raises:
        HTTPException: it does not carry the word of their session.
    """
    if not compare_digest(fields.get("csrf", "").encode(), request.state.session.csrf.encode()):
        raise HTTPException(403, "You signed in again since; go back, reload, and send it again.")
    return fields


Sent = Annotated[dict[str, str], Depends(read_sent_form)]

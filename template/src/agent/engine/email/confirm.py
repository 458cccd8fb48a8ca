"""The page behind the links in our mails: that of the wait, for the person it was sent to.

Opening it changes nothing and shows nothing of the question to anybody but that person, signed
in: mail is forwarded, and scanned by programs that follow every link.
"""

from fastapi import APIRouter, HTTPException, Request, Response

from ..http import pages, waits
from ..http.service import Running
from ..http.sessions import Person, Sent
from .stamp import Link, Stamp

PATH = "/email/wait/{token}"


def router(stamp: Stamp) -> APIRouter:
    routes = APIRouter(route_class=pages.PageRoute, include_in_schema=False)

    @routes.get(PATH)
    async def show(request: Request, token: str, service: Running, name: Person) -> Response:
        link = _link(stamp, token, name)
        thread = await service.app.ports.store.load(link.thread)
        return waits.show(request, service, thread, link.wait, name)

    @routes.post(PATH)
    async def answer(
        request: Request, token: str, service: Running, name: Person, fields: Sent
    ) -> Response:
        link = _link(stamp, token, name)
        thread = await service.app.ports.store.load(link.thread)
        # What the link is about counts, whatever the form says.
        given = fields | {"digest": link.digest}
        return await waits.answer(request, service, thread, link.wait, name, given)

    return routes


def _link(stamp: Stamp, token: str, name: str) -> Link:
    """Return what a link is for, if it was sent to whoever is signed in."""
    link = stamp.opened(token)
    if link is None:
        raise HTTPException(404, "This link is not whole. Open it from the mail again.")
    if link.person != name:
        raise HTTPException(403, f"This link was sent to {link.person}, and you are {name}.")
    return link

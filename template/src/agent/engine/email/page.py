"""The page behind the links in our mails: that of the wait, for the person it was sent to.

Opening it changes nothing. It shows the question only to that person, once they have signed in:
mails are forwarded, and scanned by programs that follow every link.
"""

from fastapi import APIRouter, HTTPException, Request, Response

from ..http import pages, waits
from ..http.service import Running, load_for
from ..http.sessions import Person, Sent
from .stamp import Link, Stamp

PATH = "/email/wait/{token}"


def build_router(stamp: Stamp) -> APIRouter:
    routes = APIRouter(route_class=pages.PageRoute, include_in_schema=False)

    @routes.get(PATH)
    async def show(request: Request, token: str, service: Running, name: Person) -> Response:
        link = _open_link(stamp, token, name)
        thread = await load_for(service, link.thread, name)
        return waits.render_wait(request, service, thread, link.wait, name)

    @routes.post(PATH)
    async def answer(
        request: Request, token: str, service: Running, name: Person, fields: Sent
    ) -> Response:
        link = _open_link(stamp, token, name)
        thread = await load_for(service, link.thread, name)
        # What is decided is what the mail was about, whatever the form says. The call of an edit,
        # which the page showed, has a digest of its own.
        given = fields | {"digest": link.digest}
        return await waits.answer(request, service, thread, link.wait, name, given)

    return routes


def _open_link(stamp: Stamp, token: str, name: str) -> Link:
    """Return what a link is about, if it was sent to whoever is signed in."""
    link = stamp.open_link(token)
    if link is None:
        raise HTTPException(404, "This link is incomplete. Open it from the mail again.")
    if link.person != name:
        why = f"This link was sent to {link.person}, and you are signed in as {name}."
        raise HTTPException(403, why)
    return link

"""The page behind the links in our mails.

Opening it changes nothing. It shows the question only to the person it was sent to, once they have
signed in: mails are forwarded, and scanned by programs that follow every link.
"""

from fastapi import APIRouter, HTTPException, Request, Response

from ..http import answers, pages
from ..http.answers import path_of
from ..http.service import Running, Service
from ..http.sessions import Person, Sent
from ..log.errors import Refused
from ..log.thread import Thread
from ..loop.verdicts import open_wait
from ..people.words import format_title
from .stamp import Link, Stamp

PATH = "/email/wait/{token}"


def build_router(stamp: Stamp) -> APIRouter:
    routes = APIRouter(route_class=pages.PageRoute, include_in_schema=False)

    @routes.get(PATH)
    async def show(request: Request, token: str, service: Running, name: Person) -> Response:
        link = _open_link(stamp, token, name)
        thread = await service.app.ports.store.load(link.thread)
        return _render(request, service, thread, link, {})

    @routes.post(PATH)
    async def answer(
        request: Request, token: str, service: Running, name: Person, fields: Sent
    ) -> Response:
        link, ports = _open_link(stamp, token, name), service.app.ports
        thread = await ports.store.load(link.thread)
        # The link says which call of which wait, whatever the form says.
        given = fields | {"wait": str(link.wait), "digest": link.digest}
        try:
            await answers.give(ports, thread, name, given)
        except Refused as refused:
            thread = await ports.store.load(link.thread)
            return _render(request, service, thread, link, given, str(refused))
        service.app.runner.wake(thread.id)
        return pages.redirect(path_of(thread.id))

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


def _render(
    request: Request,
    service: Service,
    thread: Thread,
    link: Link,
    typed: dict[str, str],
    refused: str = "",
) -> Response:
    wait = open_wait(thread, link.wait)
    return pages.page(
        request,
        "email_wait.html",
        409 if refused else 200,
        home=__package__,
        form=answers.Form.of(service.app.ports, thread, wait, link.person, typed),
        path=request.url.path,
        refused=refused,
        thread_path=path_of(thread.id),
        title=format_title(thread),
        typed=typed,
    )

"""The page behind the links in our mails. Opening it changes nothing and shows nothing of the
question to anybody but the person it was sent to, signed in: mail is forwarded, and scanned by
programs that follow every link.
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


def router(stamp: Stamp) -> APIRouter:
    routes = APIRouter(route_class=pages.PageRoute, include_in_schema=False)

    @routes.get(PATH)
    async def show(request: Request, token: str, service: Running, name: Person) -> Response:
        link = _link(stamp, token, name)
        thread = await service.app.ports.store.load(link.thread)
        return _page(request, service, thread, link, {})

    @routes.post(PATH)
    async def answer(
        request: Request, token: str, service: Running, name: Person, fields: Sent
    ) -> Response:
        link, ports = _link(stamp, token, name), service.app.ports
        thread = await ports.store.load(link.thread)
        # What the link is about counts, whatever the form says.
        given = fields | {"wait": str(link.wait), "digest": link.digest}
        try:
            await answers.give(ports, thread, name, given)
        except Refused as refused:
            thread = await ports.store.load(link.thread)
            return _page(request, service, thread, link, given, str(refused))
        service.app.runner.wake(thread.id)
        return pages.redirect(path_of(thread.id))

    return routes


def _link(stamp: Stamp, token: str, name: str) -> Link:
    """Return what a link is for, if it was sent to whoever is signed in."""
    link = stamp.opened(token)
    if link is None:
        raise HTTPException(404, "This link is not whole. Open it from the mail again.")
    if link.person != name:
        raise HTTPException(403, f"This link was sent to {link.person}, and you are {name}.")
    return link


def _page(
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

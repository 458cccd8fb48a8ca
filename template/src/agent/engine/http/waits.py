"""Factor 7: contact humans with tools, here on the page of one wait, which links lead to.

    /waits/{thread}/{wait}    what is asked and its form; once the wait is closed, what was recorded
    /                         where no part has pages of its own: how to get to such a page

A page that checks more than who is signed in, such as that of a mailed link, calls `show` and
`answer` itself.
"""

from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from ..log.errors import Refused
from ..log.events import Event
from ..log.thread import Thread
from ..people.history import find_closing
from ..people.words import describe_event, format_title
from . import answers, build_wait_path, pages
from .previews import Preview
from .service import Running, Service
from .sessions import Opened, Person, Sent, require_person

router = APIRouter(
    route_class=pages.PageRoute, include_in_schema=False, dependencies=[Depends(require_person)]
)
start = APIRouter(route_class=pages.PageRoute, include_in_schema=False)


@router.get("/waits/{thread_id}/{wait}")
async def show_wait(
    request: Request, thread: Opened, wait: int, service: Running, name: Person
) -> Response:
    return render_wait(request, service, thread, wait, name)


@router.post("/waits/{thread_id}/{wait}")
async def act(
    request: Request, thread: Opened, wait: int, service: Running, name: Person, fields: Sent
) -> Response:
    return await answer(request, service, thread, wait, name, fields)


@start.get("/")
async def show_start(request: Request, name: Person) -> Response:
    return pages.render_page(request, "start.html", name=name)


def render_wait(
    request: Request,
    service: Service,
    thread: Thread,
    wait: int,
    name: str,
    typed: dict[str, str] | None = None,
    refused: str = "",
    preview: Preview | None = None,
) -> Response:
    """Return the page of a wait, with what was `typed` into it and why that was `refused`, or the
    `preview` of an edit.

    Raises:
        HTTPException: the thread never asked that.
    """
    asked, is_open = _find_question(thread, wait), thread.state.wait
    form = None
    if is_open and is_open.seq == wait:
        form = answers.Form.of(service.app.ports, thread, is_open, name, typed or {}, preview)
    shown: dict[str, Any] = {"typed": typed or {}, "refused": refused}
    shown |= {"asked": asked, "form": form, "title": format_title(thread)}
    shown |= {"reader": name} if form else _describe_closing(thread, asked, name)
    if service.thread_page:
        shown["thread_page"] = service.thread_page(thread.id)
    return pages.render_page(request, "wait_page.html", 409 if refused else 200, **shown)


async def answer(
    request: Request,
    service: Service,
    thread: Thread,
    wait: int,
    name: str,
    fields: dict[str, str],
) -> Response:
    """Record the answer of a form, and lead to what it did; or show the preview of an edit.

    What is refused comes back with the reason and what was typed. The wait is the one of the
    address, whatever the form says.
    """
    given, ports = fields | {"wait": str(wait)}, service.app.ports
    try:
        preview = await answers.take_form(ports, thread, name, given)
    except Refused as refused:
        thread = await ports.store.load(thread.id)
        return render_wait(request, service, thread, wait, name, given, str(refused))
    if preview:
        return render_wait(request, service, thread, wait, name, given, preview=preview)
    service.app.runner.wake(thread.id)
    if service.thread_page:
        return pages.redirect(request, service.thread_page(thread.id))
    return pages.redirect(request, build_wait_path(thread.id, wait))


def _find_question(thread: Thread, wait: int) -> Event:
    if 1 <= wait <= len(thread.events) and (past := thread.event(wait)).type == "paused":
        return past
    raise HTTPException(404, f"The thread has no question {wait}.")


def _describe_closing(thread: Thread, asked: Event, name: str) -> dict[str, Any]:
    """Return what is to be shown of the event that closed a wait: who did what, and when."""
    closing = find_closing(thread, asked.seq)
    if closing is None:
        raise HTTPException(404, f"The thread has no question {asked.seq}.")
    said = describe_event(thread, closing)
    did = said.did
    if closing.type == "message":
        did = "answered" if asked.data["kind"] == "question" else "wrote a message instead"
    return {
        "closing": closing,
        "said": said,
        "who": "You" if said.who == name else said.who,
        "did": did,
    }

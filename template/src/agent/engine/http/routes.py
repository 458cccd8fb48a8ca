"""The routes: each is one call of `api` and one line of HTTP."""

import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ..log.state import OpenWait
from ..loop import api
from ..loop.deletion import forget
from ..loop.record import find_end
from ..loop.store import find_summary
from ..people.access import check_act, check_sender
from . import views, wire
from .pages import get_root
from .problems import describe_header, document_errors
from .recorded import report_message, report_recorded
from .service import Actor, ApiRoute, Delivery, LastEventId, Loaded, Running, is_caller
from .stream import stream_events

SOURCE = "http"

log = logging.getLogger(__name__)

router = APIRouter(route_class=ApiRoute, responses=document_errors(401, 422, 503))

Wait = Annotated[int, Path(ge=1, description="The `wait` of one of `GET /waits`.")]
Seq = Annotated[int, Path(ge=1, description="The `seq` of an event.")]
_RECORDED: dict[str, Any] = {
    "status_code": 202,
    "response_description": "Recorded, not done: follow the thread to see what comes of it.",
}
_LOCATION: dict[int | str, dict[str, Any]] = {202: {"headers": {"Location": describe_header()}}}


@router.post(
    "/threads", **_RECORDED, responses=_LOCATION | document_errors(400, 404, 409, 410, 413)
)
async def launch(
    body: wire.NewThread,
    service: Running,
    name: Actor,
    delivery: Delivery,
    request: Request,
    response: Response,
) -> views.Recorded:
    """Start a thread with a message, or continue the one of its `conversation`."""
    ports = service.app.ports
    if body.agent and body.agent not in ports.agents:
        known = ", ".join(ports.agents)
        raise HTTPException(404, f"there is no agent {body.agent!r}; the agents are {known}")
    conversation = f"conversation:{body.conversation}" if body.conversation else delivery
    thread_id = api.name_thread(SOURCE, name, conversation)
    await check_sender(ports, thread_id, name)
    thread = await api.launch(
        ports,
        thread_id,
        body.text,
        actor=name,
        delivery=delivery,
        source=SOURCE,
        agent=body.agent or "",
        strict=body.agent is not None,
    )
    response.headers["Location"] = f"{get_root(request)}/threads/{thread.id}"
    return report_message(service, thread, delivery, body.text)


@router.post(
    "/threads/{thread_id}/messages", **_RECORDED, responses=document_errors(400, 404, 409, 410, 413)
)
async def add_message(
    thread: Loaded, body: wire.NewMessage, service: Running, name: Actor, delivery: Delivery
) -> views.Recorded:
    """Say something in a thread; it closes an open question and never approves."""
    ports = service.app.ports
    await check_act(ports, thread, name, "write")
    thread = await api.append_message(
        ports, thread.id, body.text, actor=name, delivery=delivery, source=SOURCE
    )
    return report_message(service, thread, delivery, body.text)


@router.get("/threads", response_description="The threads that changed last.")
async def list_threads(
    service: Running, name: Actor, query: Annotated[wire.Listed, Query()]
) -> list[views.SummaryView]:
    """List the threads that you may read, last changed first."""
    ports = service.app.ports
    found = await ports.store.threads(query.choose(ports, name), query.limit)
    return [views.SummaryView.of(summary, ports.default.name) for summary in found]


@router.get(
    "/threads/{thread_id}", response_description="The thread.", responses=document_errors(404, 410)
)
async def read(
    thread: Loaded, service: Running, query: Annotated[wire.After, Query()]
) -> views.ThreadView:
    """Show the status of a thread, and what happened in it."""
    row = await find_summary(service.app.ports.store, thread.id)
    return views.ThreadView.of(thread, row, query.after, service.app)


@router.get("/waits", response_description="The open waits.")
async def list_waits(
    service: Running, name: Actor, query: Annotated[wire.Asked, Query()]
) -> list[views.WaitView]:
    """List what people are asked in the threads that you may read, last changed first."""
    ports = service.app.ports
    found = await ports.store.waits(query.choose(ports, name), query.limit)
    return [views.WaitView.of(each.thread.id, OpenWait.of(each.paused)) for each in found]


@router.post(
    "/threads/{thread_id}/waits/{wait}",
    **_RECORDED,
    responses=document_errors(400, 404, 409, 410, 413),
)
async def answer(
    thread: Loaded, wait: Wait, body: wire.Answer, service: Running, name: Actor
) -> views.Recorded:
    """Close a wait with a verdict. The first one counts; 409 says why yours did not.

    The same answer sent again is answered as the first one was.
    """
    given = body.model_dump()
    thread = await api.resume(service.app.ports, thread.id, wait, actor=name, **given)
    return report_recorded(service, thread, thread.find(f"answer:{wait}"))


@router.post(
    "/threads/{thread_id}/waits/{wait}/preview",
    response_description="The call in its final form.",
    responses=document_errors(400, 404, 409, 410, 413),
)
async def preview_edit(
    thread: Loaded, wait: Wait, body: wire.Edit, service: Running, name: Actor
) -> views.Preview:
    """Show the call that an edit would run, as it would be kept. Nothing is recorded."""
    ports = service.app.ports
    preview = await api.preview_edit(ports, thread.id, wait, body.call, actor=name)
    return views.Preview.model_validate(preview)


@router.post(
    "/threads/{thread_id}/approvals/{approval}/revoke",
    **_RECORDED,
    responses=document_errors(404, 409, 410),
)
async def revoke(thread: Loaded, approval: Seq, service: Running, name: Actor) -> views.Recorded:
    """Revoke an approval for the whole thread, one of its `standing`."""
    ports = service.app.ports
    await check_act(ports, thread, name, "write")
    thread = await api.revoke(ports, thread.id, approval, actor=name)
    return report_recorded(service, thread, thread.find(f"revoked:{approval}"))


@router.post(
    "/threads/{thread_id}/steps/{step}/rating",
    **_RECORDED,
    responses=document_errors(400, 404, 409, 410, 413),
)
async def rate(
    thread: Loaded, step: Seq, body: wire.Rating, service: Running, name: Actor
) -> views.Recorded:
    """Say whether a step was good or bad. Your last rating of a step counts."""
    given = body.model_dump()
    await check_act(service.app.ports, thread, name, "write")
    thread = await api.rate(service.app.ports, thread.id, step, actor=name, **given)
    return report_recorded(service, thread)


@router.post(
    "/threads/{thread_id}/cancel", **_RECORDED, responses=document_errors(400, 404, 409, 410, 413)
)
async def cancel(
    thread: Loaded, service: Running, name: Actor, body: wire.Cancellation | None = None
) -> views.Recorded:
    """End a thread; a tool that runs may still report, and a message opens it again."""
    ports, reason = service.app.ports, body.reason if body else ""
    await check_act(ports, thread, name, "cancel")
    thread = await api.cancel(ports, thread.id, actor=name, reason=reason)
    return report_recorded(service, thread, find_end(thread))


@router.delete(
    "/threads/{thread_id}",
    status_code=204,
    response_description="The thread and its data are deleted.",
    responses=document_errors(403, 404, 409, 410),
)
async def delete(thread: Loaded, service: Running, name: Actor) -> None:
    """Delete a thread permanently. For administrators.

    A thread that runs or waits has to be cancelled first.
    """
    ports = service.app.ports
    if not ports.directory.is_admin(name):
        raise HTTPException(403, "only administrators delete threads")
    await forget(ports, thread.id, actor=name)
    log.info("thread %s was deleted by %s", thread.id, name)


@router.get(
    "/threads/{thread_id}/events",
    response_class=EventSourceResponse,
    response_description="The events so far, then each new one, until you leave.",
    responses=document_errors(400, 404, 410),
)
async def follow(
    request: Request,
    thread: Loaded,
    service: Running,
    name: Actor,
    query: Annotated[wire.After, Query()],
    last_event_id: LastEventId = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a thread: `id` is the event's `seq`, `data` the event as JSON.

    The stream stays open while the thread rests, because a message may open it again; `paused`,
    `finished` and `cancelled` tell you when to leave. The stream ends if you lose access to the
    thread.
    """
    seen, check = max(query.after, last_event_id), partial(is_caller, request, service, name)
    async for sent in stream_events(service, thread, name, seen, check):
        yield sent

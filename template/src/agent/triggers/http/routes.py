"""The routes: each is one call of `api` and one line of HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from ... import api
from ...events import event
from ...thread import Thread
from .bodies import After, Answer, Cancellation, Most, NewMessage, NewThread, Which
from .problems import documented, header
from .service import Actor, Delivery, Running, Service, actor
from .views import Health, Problem, Recorded, SummaryView, ThreadView, WaitView

SOURCE = "http"

router = APIRouter(dependencies=[Depends(actor)], responses=documented(401, 422, 503))
public = APIRouter()

Wait = Annotated[int, Path(ge=1, description="The `wait` of one of `GET /waits`.")]
_RECORDED: dict[str, Any] = {
    "status_code": 202,
    "response_description": "Recorded, not done: follow the thread to see what comes of it.",
}
_LOCATION: dict[int | str, dict[str, Any]] = {202: {"headers": {"Location": header()}}}


@router.post("/threads", **_RECORDED, responses=_LOCATION | documented(400, 413))
async def launch(
    body: NewThread, service: Running, name: Actor, delivery: Delivery, response: Response
) -> Recorded:
    """Begin a thread with a message, or go on with the `conversation` it belongs to."""
    conversation = f"conversation:{body.conversation}" if body.conversation else delivery
    thread = await api.launch(
        service.app.agent,
        api.thread_of(SOURCE, name, conversation),
        body.text,
        actor=name,
        delivery=delivery,
        source=SOURCE,
    )
    response.headers["Location"] = f"/threads/{thread.id}"
    return _message(service, thread, delivery, body.text)


@router.post("/threads/{thread_id}/messages", **_RECORDED, responses=documented(400, 404, 413))
async def message(
    thread_id: str, body: NewMessage, service: Running, name: Actor, delivery: Delivery
) -> Recorded:
    """Say something in a thread; it closes an open question and never approves."""
    thread = await api.message(
        service.app.agent, thread_id, body.text, actor=name, delivery=delivery, source=SOURCE
    )
    return _message(service, thread, delivery, body.text)


@router.get("/threads", response_description="The threads that changed last.")
async def threads(service: Running, query: Annotated[Which, Query()]) -> list[SummaryView]:
    """List threads, last changed first; with `waiting` only those that wait for something."""
    found = await service.app.agent.store.threads(query.waiting, query.limit)
    return [SummaryView.model_validate(summary) for summary in found]


@router.get("/threads/{thread_id}", response_description="The thread.", responses=documented(404))
async def read(thread_id: str, service: Running, query: Annotated[After, Query()]) -> ThreadView:
    """Say how a thread stands, and what happened in it."""
    return ThreadView.of(await service.app.agent.store.load(thread_id), query.after)


@router.get("/waits", response_description="The open waits.")
async def waits(service: Running, query: Annotated[Most, Query()]) -> list[WaitView]:
    """List what people are asked, in the threads that changed last."""
    store = service.app.agent.store
    asked = [await store.load(found.id) for found in await store.threads(True, query.limit)]
    return [WaitView.of(thread, thread.state.wait) for thread in asked if thread.state.wait]


@router.post(
    "/threads/{thread_id}/waits/{wait}", **_RECORDED, responses=documented(400, 404, 409, 413)
)
async def answer(
    thread_id: str, wait: Wait, body: Answer, service: Running, name: Actor
) -> Recorded:
    """Close a wait with a verdict. The first one counts; 409 says why yours did not."""
    given = body.model_dump()
    thread = await api.resume(service.app.agent, thread_id, wait, actor=name, **given)
    return _recorded(service, thread, thread.state.version)


@router.post("/threads/{thread_id}/cancel", **_RECORDED, responses=documented(400, 404, 409, 413))
async def cancel(
    thread_id: str, service: Running, name: Actor, body: Cancellation | None = None
) -> Recorded:
    """End a thread; a tool that runs may still report, and a message opens it again."""
    reason = body.reason if body else ""
    thread = await api.cancel(service.app.agent, thread_id, actor=name, reason=reason)
    return _recorded(service, thread, thread.state.version)


@public.get(
    "/healthz",
    response_description="Both do.",
    responses={503: documented(503)[503] | {"model": Problem}},
)
async def healthz(service: Running) -> Health:
    """Say whether the store answers and the runner runs; no model is asked."""
    await service.app.agent.store.threads(limit=1)
    if service.failure:
        raise HTTPException(503, f"the runner stopped: {service.failure}", {"Retry-After": "10"})
    return Health()


def _message(service: Service, thread: Thread, delivery: str, text: str) -> Recorded:
    """Find the message of a delivery, perhaps an earlier one, and check that it says this."""
    said = next(past for past in thread.events if past.key == f"in:{delivery}")
    if said.data["text"] != event("message", text=text).data["text"]:
        raise HTTPException(422, "this Idempotency-Key came with another text before")
    return _recorded(service, thread, said.seq)


def _recorded(service: Service, thread: Thread, seq: int) -> Recorded:
    service.app.runner.wake(thread.id)
    return Recorded(id=thread.id, seq=seq)

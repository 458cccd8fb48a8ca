"""Factor 7: contact humans with tools, here on pages: open questions, what happened, and answers.

    /                              open questions, and the threads; a message starts one
    /inbox/{thread}                the log as a conversation, and what may be answered
    /inbox/{thread}/events/{seq}   one event whole, and the exact prompt of a step
    /inbox/{thread}/stream         its events as they happen, for the page

A form is sent to the page it is on. Verdicts go through `api.resume`, like everywhere.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial
from hashlib import sha256
from secrets import token_urlsafe
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ..context.window import render_prompt
from ..http import answers, pages, wire
from ..http.previews import Preview
from ..http.service import LastEventId, Running, Service
from ..http.sessions import Opened, Person, Sent, is_signed_in, require_person
from ..http.stream import stream_events
from ..log.errors import Refused
from ..log.thread import Thread
from ..loop import api
from ..loop.delegate import list_children
from ..loop.ports import Ports
from ..loop.store import find_summary
from ..people.access import check_act, check_sender, list_names
from ..people.waiting import list_waits
from ..people.words import format_title
from ..prices import Bill
from .filters import FILTERS, Filter
from .lines import LINES, LONGEST, format_short, list_groups
from .now import describe_now
from .waiting import list_questions

SOURCE = "inbox"
ASKED = 200
"""Open waits that are loaded."""
LISTED = 50
"""Threads on one page."""

router = APIRouter(
    route_class=pages.PageRoute, include_in_schema=False, dependencies=[Depends(require_person)]
)


@router.get("/")
async def show_inbox(
    request: Request, service: Running, name: Person, query: Annotated[Filter, Query()]
) -> Response:
    ports = service.app.ports
    which = query.choose(list_names(ports, name), name)
    rows = await ports.store.threads(which, LISTED)
    waits = await list_waits(ports.store, which.names, ASKED)
    shown: dict[str, Any] = {"key": token_urlsafe(8), "path_of": build_thread_path}
    shown |= {"asked": list_questions(waits, name), "rows": rows, "more": LISTED}
    shown |= {"agent_of": _make_agent_label(service), "reader": name}
    shown |= {"filter": query, "filters": FILTERS}
    return pages.render_page(request, "inbox.html", home=__package__, **shown)


@router.post("/")
async def start_thread(request: Request, service: Running, name: Person, fields: Sent) -> Response:
    text, delivery = read_message(name, fields)
    thread_id = api.name_thread(SOURCE, name, delivery)
    await check_sender(service.app.ports, thread_id, name)
    who: dict[str, Any] = {"actor": name, "delivery": delivery, "source": SOURCE}
    await api.launch(service.app.ports, thread_id, text, **who)
    service.app.runner.wake(thread_id)
    return pages.redirect(request, build_thread_path(thread_id))


@router.get("/inbox/{thread_id}")
async def show_thread(
    request: Request,
    thread: Opened,
    service: Running,
    name: Person,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    return await _render_page(request, service, thread, name, before)


@router.post("/inbox/{thread_id}")
async def act(
    request: Request, thread: Opened, service: Running, name: Person, fields: Sent
) -> Response:
    """Do what a form of the page says; what is refused comes back with what was typed."""
    try:
        preview = await _take_form(service.app.ports, thread, name, fields)
    except Refused as refused:
        thread = await service.app.ports.store.load(thread.id)
        return await _render_page(
            request, service, thread, name, refused=str(refused), typed=fields
        )
    if preview:
        return await _render_page(request, service, thread, name, typed=fields, preview=preview)
    service.app.runner.wake(thread.id)
    return pages.redirect(request, f"{build_thread_path(thread.id)}#now")


@router.post("/inbox/{thread_id}/ratings")
async def rate(
    request: Request, thread: Opened, service: Running, name: Person, fields: Sent
) -> Response:
    """Keep what somebody thinks of a step, and lead back to it."""
    step, before = (
        int(given) if given.isdecimal() and len(given) < 10 else 0
        for given in (fields.get("step", ""), fields.get("before", ""))
    )
    await check_act(service.app.ports, thread, name, "write")
    await api.rate(service.app.ports, thread.id, step, fields.get("rating", ""), actor=name)
    query = f"?before={before}" if before else ""
    return pages.redirect(request, f"{build_thread_path(thread.id)}{query}#e{step}")


@router.get("/inbox/{thread_id}/events/{seq}")
async def show_event(request: Request, thread: Opened, seq: int, service: Running) -> Response:
    if not 1 <= seq <= len(thread.events):
        raise HTTPException(404, f"The thread has no event {seq}.")
    past, ports = thread.event(seq), service.app.ports
    prompt, edited = None, False
    agent = ports.find_agent(thread)
    if agent and past.type in ("step", "invalid_step"):
        prompt = render_prompt(thread.before(seq), agent.prompts, agent.render)
        edited = past.data.get("prompt_sha", "") != prompt.sha
    around = seq + LINES // 2
    back = (
        pages.get_root(request)
        + build_thread_path(thread.id)
        + (f"?before={around}" if around < len(thread.events) else "")
    )
    cost = str(Bill.of(service.app.prices, [past]))
    shown: dict[str, Any] = {"event": past, "prompt": prompt, "edited": edited, "back": back}
    shown["cost"] = cost
    return pages.render_page(request, "event.html", home=__package__, **shown)


@router.get("/inbox/{thread_id}/stream", response_class=EventSourceResponse)
async def stream(
    request: Request,
    thread: Opened,
    service: Running,
    name: Person,
    query: Annotated[wire.After, Query()],
    last_event_id: LastEventId = 0,
) -> AsyncIterator[ServerSentEvent]:
    seen, check = max(query.after, last_event_id), partial(is_signed_in, request, service, name)
    async for sent in stream_events(service, thread, name, seen, check):
        yield sent


def build_thread_path(thread_id: str) -> str:
    """Return the address of a thread's page."""
    return f"/inbox/{quote(thread_id, safe='')}"


def read_message(name: str, fields: dict[str, str]) -> tuple[str, str]:
    """Return what somebody says, and a name for it: sent twice it is said once."""
    text = fields.get("text", "").strip()
    if not 0 < len(text) <= wire.MAX_TEXT:
        raise HTTPException(422, f"A message has 1 to {wire.MAX_TEXT} characters.")
    digest = sha256(text.encode()).hexdigest()[:16]
    return text, f"inbox:{name}:{fields.get('key', '')[:64]}:{digest}"


def _make_agent_label(service: Service) -> Callable[[str], str]:
    """Return how a page names the agent of a thread: only where there are several."""
    ports = service.app.ports
    return lambda agent: (agent or ports.default.name) if len(ports.agents) > 1 else ""


async def _take_form(
    ports: Ports, thread: Thread, name: str, fields: dict[str, str]
) -> Preview | None:
    match fields.get("do"):
        case "message":
            await check_act(ports, thread, name, "write")
            text, delivery = read_message(name, fields)
            shown = str(thread.state.wait.seq) if thread.state.wait else ""
            if fields.get("seen", "") != shown and not thread.find(f"in:{delivery}"):
                raise Refused("the agent asks for something else now; look, and send it again")
            who: dict[str, Any] = {"actor": name, "delivery": delivery, "source": SOURCE}
            await api.append_message(ports, thread.id, text, **who)
        case "cancel":
            await check_act(ports, thread, name, "cancel")
            await api.cancel(ports, thread.id, actor=name, reason=fields.get("reason", ""))
        case "revoke":
            await check_act(ports, thread, name, "write")
            given = fields.get("approval", "")
            approval = int(given) if given.isdecimal() and len(given) < 10 else 0
            await api.revoke(ports, thread.id, approval, actor=name)
        case _:
            return await answers.take_form(ports, thread, name, fields)
    return None


async def _render_page(
    request: Request,
    service: Service,
    thread: Thread,
    name: str,
    before: int | None = None,
    *,
    refused: str = "",
    typed: dict[str, str] | None = None,
    preview: Preview | None = None,
) -> Response:
    wait, ports, given = thread.state.wait, service.app.ports, typed or {}
    row = await find_summary(ports.store, thread.id)
    return pages.render_page(
        request,
        "thread.html",
        409 if refused else 200,
        home=__package__,
        thread=thread,
        agent=thread.state.agent or ports.default.name,
        label=_make_agent_label(service)(thread.state.agent),
        title=format_title(thread),
        reader=name,
        path=pages.get_root(request) + build_thread_path(thread.id),
        children=list_children(thread),
        groups=list_groups(thread, name, before),
        before=before,
        form=answers.Form.of(ports, thread, wait, name, given, preview) if wait else None,
        row=row,
        cost=str(Bill.of(service.app.prices, thread.events)),
        now=describe_now(thread, name, row.problem if row else ""),
        refused=refused,
        typed=given,
        key=token_urlsafe(8),
        format_short=format_short,
        longest=LONGEST,
    )

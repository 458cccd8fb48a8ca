"""Who may do what, by every route: a new one is to be added here."""

import asyncio
from functools import partial
from typing import Any

from httpx2 import Response

from agent.engine.log.thread import Thread
from agent.engine.loop.ports import Ports
from agent.engine.loop.store import Store
from agent.engine.people.access import list_readers

from ..domain import (
    Says,
    Town,
    World,
    build_ports,
    make_message,
    make_pause,
    make_step,
    store_thread,
)
from .conftest import Caller

PUT: dict[str, Any] = {"intent": "put", "at": "x", "amount": 1}


def build_town(store: Store, world: World, directory: Town | None = None, **agent: Any) -> Ports:
    """Plug an agent together whose threads are not for everybody."""
    ports = build_ports(store, Says(), world, directory=directory or Town(), **agent)
    store.list_readers = partial(list_readers, ports)
    return ports


async def begin_anas(store: Store) -> Thread:
    """Store a thread that ana started and in which she is asked."""
    approval = make_pause("approval", "ana", call=PUT)
    said = make_message("the secret plan", "ana")
    return await store_thread(store, said, make_step(**PUT), approval)


OF_A_THREAD = {
    ("DELETE", "/threads/{thread_id}"): None,
    ("POST", "/threads/{thread_id}/messages"): {"text": "hi"},
    ("GET", "/threads/{thread_id}"): None,
    ("POST", "/threads/{thread_id}/waits/{wait}"): {"verdict": "reject", "text": "no"},
    ("POST", "/threads/{thread_id}/waits/{wait}/preview"): {"call": PUT},
    ("POST", "/threads/{thread_id}/approvals/{approval}/revoke"): None,
    ("POST", "/threads/{thread_id}/steps/{step}/rating"): {"rating": "good"},
    ("POST", "/threads/{thread_id}/cancel"): None,
    ("GET", "/threads/{thread_id}/events"): None,
    ("GET", "/waits/{thread_id}/{wait}"): None,
    ("POST", "/waits/{thread_id}/{wait}"): {},
}
"""They are of one thread: for others there is no such thread. With what is sent."""

LISTS = {("GET", "/threads"), ("GET", "/waits")}
"""They have only what the caller may read."""

OF_NO_THREAD = {
    ("POST", "/threads"),  # starts one, or goes on with one of the caller's own
    ("GET", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
    ("GET", "/"),  # how to get to a page
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/static"),
}


def list_routes(router: Any) -> set[tuple[str, str]]:
    """Return every method and path of an application, with those of the routers in it."""
    found = set[tuple[str, str]]()
    for route in router.routes:
        if inner := getattr(route, "original_router", None):
            found |= list_routes(inner)
        else:
            methods = set(getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
            found |= {(method, route.path) for method in methods}
    return found


def list_added(api: Any) -> set[tuple[str, str]]:
    """Return the routes that a trigger adds to those of the API and its pages."""
    return list_routes(api) - {*OF_A_THREAD, *LISTS, *OF_NO_THREAD}


def fill(path: str) -> str:
    """Return an address of the thread of `begin_anas`."""
    return path.format(thread_id="t", wait=3, approval=3, step=2, seq=2)


async def send(who: Caller, method: str, path: str, body: dict[str, Any] | None) -> Response:
    """Send what a route wants, as JSON to the API and as a form to a page; a stream is left."""
    is_page = not path.startswith("/threads")
    how: dict[str, Any] = (
        {"data": body} if is_page and body is not None else {"json": body} if body else {}
    )
    headers = {"Idempotency-Key": "k"}
    request = who.build_request(method, fill(path), headers=headers, **how)
    return await asyncio.wait_for(who.send(request), 5)

"""Applications that the agent is mounted in, with a sign-in of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.applications import Starlette

from agent.engine.http import stream
from agent.engine.http.embedded import mount
from agent.engine.loop.ports import Ports, Runner
from agent.engine.runners.app import App, ModelOf, Trigger
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, Says, World, build_ports, make_message, make_pause, store_thread
from .conftest import Caller, Follow, following_of

KINDS: dict[str, Callable[..., Starlette]] = {"fastapi": FastAPI, "starlette": Starlette}
ORIGIN = "http://shop"
SIGN_IN = "/accounts/sign-in"

Actor = Callable[[Request], Awaitable[str | None] | str | None]


class Built:
    """An application whose agents are plugged together already."""

    def __init__(self, ports: Ports, runner: Runner, *triggers: Trigger) -> None:
        self.app = App(ports, runner, triggers)

    def build(self, model_of: ModelOf) -> App:
        return self.app


def who(request: Request) -> str | None:
    """Return whose session of the application a request belongs to."""
    people: dict[str, str] = request.app.state.people
    return people.get(request.cookies.get("sid", ""))


def host_of(
    ports: Ports,
    runner: Runner,
    *triggers: Trigger,
    kind: str = "fastapi",
    prefix: str = "/agent",
    actor: Actor = who,
    host: Starlette | None = None,
    **how: Any,
) -> Starlette:
    """Return an application with the agent below a prefix; everybody has a session there."""
    host = host or KINDS[kind]()
    host.state.people = {name: name for name in ("ana", "bob")}
    given: dict[str, Any] = {"sign_in_url": SIGN_IN, "application": Built(ports, runner, *triggers)}
    mount(host, prefix, actor, **{**given, **how})
    return host


def visitor(host: Any, name: str | None = None, path: str = "/agent", **how: Any) -> Caller:
    """Return a browser at a page of the application, whose session is somebody's."""
    transport = httpx2.ASGITransport(host, raise_app_exceptions=False, **how)
    cookies = {"sid": name} if name else {}
    headers = {"Origin": ORIGIN}
    return Caller(transport=transport, base_url=f"{ORIGIN}{path}", headers=headers, cookies=cookies)


def find_csrf(page: str) -> str:
    """Return what the forms of a page carry."""
    return page.partition('name="csrf" value="')[2].partition('"')[0]


async def check_end_of_stream(
    path: str, becomes: str | None, host: Starlette, store: MemoryStore, patch: pytest.MonkeyPatch
) -> None:
    """Check that a stream of ana ends, with nothing more in it, when her session `becomes` another
    person's, or ends."""
    patch.setattr(stream, "REST_S", 0.01)
    thread = await store_thread(store, make_message("hi", "ana"), make_pause("question", "anyone"))
    follow: Follow = following_of(host, patch)  # type: ignore[arg-type]
    at = {"path": path, "cookie": "sid=ana", "Authorization": ""}
    async with follow("t", **at) as (follower, request):
        assert [(await follower.next())["id"] for _ in range(2)] == [1, 2]
        assert not request.done()
        host.state.people = {"ana": becomes} if becomes else {}
        await store.append(thread, make_message("secret", "ana"))
        await asyncio.wait_for(request, 2)
        rest = [follower._chunks.get_nowait() for _ in range(follower._chunks.qsize())]
        assert "secret" not in "".join(rest)


if __name__ == "__main__":
    ports = build_ports(MemoryStore(), Says(), World(":memory:"))
    uvicorn.run(host_of(ports, Asleep()), port=0, log_level="info")

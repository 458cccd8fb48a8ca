"""The agent as an MCP server: its tools, and the log of each thread as a resource.

Who calls is said by the transport: the token of a request over HTTP, or whoever started the
process that speaks over stdin and stdout.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

from ..cli.run import stop_on_signals
from ..index import Which
from ..log.errors import AgentError, ThreadNotFound
from ..log.events import cut
from ..log.thread import Thread
from ..people.access import list_names
from ..people.identity import find_local_user
from ..runners.app import App
from ..runners.shared import share
from . import requests
from .tools import Tools, load_readable

P = TypeVar("P")
R = TypeVar("R")
Context = ServerRequestContext[Any, Any]
ActorOf = Callable[[Context], str]

SCHEME = "thread://"
BROKEN = "something is broken here; the log of the server says what"
MAX_EVENTS = 500
_JSON = "application/json"

log = logging.getLogger(__name__)

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True)
_TOOLS: dict[str, tuple[type[requests.Request], ToolAnnotations]] = {
    "start": (requests.Start, _WRITES),
    "status": (requests.Status, _READS),
    "wait_for": (requests.WaitFor, _READS),
    "answer": (requests.Answer, _WRITES),
    "list_waiting": (requests.ListWaiting, _READS),
}


def build_server(app: App, actor_of: ActorOf) -> Server[Any]:
    """Return the agent as a server of the SDK, for any transport."""
    return Server(
        "agent",
        version="1",
        instructions="Start the agent with a task, then follow its thread with wait_for.",
        on_list_tools=_list_tools,
        on_call_tool=_guard(partial(_call, Tools(app), actor_of)),
        on_list_resources=_guard(partial(_list_resources, app, actor_of)),
        on_list_resource_templates=_list_templates,
        on_read_resource=_guard(partial(_read, app, actor_of)),
    )


async def serve_stdio(app: App) -> None:
    """Serve whoever started this process, and run threads, until its stdin is closed.

    SIGTERM and Ctrl-C let the current steps end first.
    """
    share(app)
    actor, stopping = find_local_user(), asyncio.Event()
    server = build_server(app, lambda _: actor)
    stop_on_signals(stopping.set)
    work = stopping.wait() if app.runner.elsewhere else app.runner.work()
    serving, working = asyncio.create_task(_speak(server)), asyncio.create_task(work)
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    failure = working.exception() if working.done() else None
    working.cancel()
    await asyncio.wait({working})
    if failure:
        log.critical("the agent cannot go on: %s", failure)
    if failure or stopping.is_set():
        os._exit(1 if failure else 0)  # nothing else stops the thread that reads stdin
    stopped.cancel()
    await serving


async def _speak(server: Server[Any]) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _guard(handle: Callable[[Context, P], Awaitable[R]]) -> Callable[[Context, P], Awaitable[R]]:
    """Keep what is broken here to the log: the SDK tells a client of an older version."""

    async def guarded(context: Context, params: P) -> R:
        try:
            return await handle(context, params)
        except MCPError:
            raise
        except AgentError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None
        except Exception:
            log.exception("a request of an MCP client failed")
            raise MCPError(INTERNAL_ERROR, BROKEN) from None

    return guarded


async def _list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
    tools = [
        Tool(
            name=name,
            description=(request.__doc__ or "").strip(),
            input_schema=requests.make_schema(request),
            annotations=annotations,
        )
        for name, (request, annotations) in _TOOLS.items()
    ]
    return ListToolsResult(tools=tools)


async def _call(
    tools: Tools, actor_of: ActorOf, context: Context, params: CallToolRequestParams
) -> CallToolResult:
    if params.name not in _TOOLS:
        raise MCPError(INVALID_PARAMS, f"there is no tool {cut(params.name, 100)!r}")
    shape, _ = _TOOLS[params.name]
    try:
        request = shape.model_validate(params.arguments or {})
        found = await getattr(tools, params.name)(request, actor_of(context))
    except ValidationError as error:
        return _fail(_explain(error))
    except AgentError as error:
        return _fail(str(error))
    return CallToolResult(
        content=[TextContent(text=json.dumps(found, ensure_ascii=False))], structured_content=found
    )


def _fail(why: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=cut(why, 1000))], is_error=True)


def _explain(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)


async def _list_resources(
    app: App, actor_of: ActorOf, context: Context, _: PaginatedRequestParams | None
) -> ListResourcesResult:
    names = list_names(app.ports, actor_of(context))
    found = await app.ports.store.threads(Which(names), 100)
    return ListResourcesResult(
        resources=[
            Resource(uri=f"{SCHEME}{each.id}", name=each.id, title=each.title, mime_type=_JSON)
            for each in found
        ]
    )


async def _list_templates(
    _: Context, __: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    log = ResourceTemplate(
        uri_template=f"{SCHEME}{{thread}}",
        name="log",
        description="The events of a thread, the newest 500 of a long one.",
        mime_type=_JSON,
    )
    return ListResourceTemplatesResult(resource_templates=[log])


async def _read(
    app: App, actor_of: ActorOf, context: Context, params: ReadResourceRequestParams
) -> ReadResourceResult:
    uri = str(params.uri)
    try:
        if not uri.startswith(SCHEME):
            raise ThreadNotFound(f"there is no resource {cut(uri, 100)!r}")
        name = uri.removeprefix(SCHEME).rstrip("/")
        thread = await load_readable(app.ports, name, actor_of(context))
    except ThreadNotFound as error:
        raise MCPError(INVALID_PARAMS, str(error)) from None
    content = TextResourceContents(uri=uri, mime_type=_JSON, text=_write_log(thread))
    return ReadResourceResult(contents=[content])


def _write_log(thread: Thread) -> str:
    events = [{"seq": past.seq, **asdict(past)} for past in thread.events[-MAX_EVENTS:]]
    return json.dumps({"thread": thread.id, "events": events}, default=datetime.isoformat)

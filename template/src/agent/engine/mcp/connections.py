"""Connects to an MCP server, reads its tools, and says in one line what went wrong.

Nothing is kept between two connections: the newest version of the protocol has no sessions, and
what a process remembers does not survive a crash. What a server asks for (sampling, elicitation,
roots) is declined.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx2
from mcp import Client, MCPError
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CONNECTION_CLOSED,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    RequestParamsMeta,
    Tool,
)
from pydantic import ValidationError

from ..blocking import describe
from ..characters import clean
from ..log.errors import AgentError
from ..log.events import cut
from ..settings import read_seconds, required
from .oauth import make_auth
from .servers import Server
from .stdio import open_process
from .traffic import Traffic

MAX_TOOLS = 1_000
MAX_PAGES = 20
_OURSELVES = Implementation(name="agent", version="1")
_HINT = "Set it in .env: the MCP server {!r} needs it."


class Unusable(AgentError):
    """The server did what it may not; the text continues "the server"."""


@dataclass(frozen=True)
class Connection:
    tools: Mapping[str, Tool]
    """By name."""
    _client: Client

    async def call(
        self, tool: str, arguments: dict[str, Any], meta: dict[str, Any]
    ) -> CallToolResult:
        session = self._client.session
        # The SDK would match the result with patterns that the server wrote, one of which can keep
        # this process busy for hours. The result is data for a model, whatever it looks like.
        session.validate_tool_result = _skip  # type: ignore[method-assign]
        named = cast(RequestParamsMeta, meta)
        found = await session.call_tool(tool, arguments, meta=named, allow_input_required=True)
        if not isinstance(found, CallToolResult):
            raise Unusable("asked for input, which the agent declines")
        return found


async def _skip(name: str, result: CallToolResult) -> None:
    return


@asynccontextmanager
async def connect(server: Server) -> AsyncIterator[Connection]:
    """Connect, and list the tools.

    Raises:
        Misconfigured: a variable is not set.
        Exception: the server is away or does what it may not; `explain` says what it was.
    """
    traffic, patience_s = Traffic(), read_seconds("MCP_CONNECT_S", 20)
    try:
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(patience_s):
                    transport = _open(server, traffic)
                    client = Client(transport, cache=None, client_info=_OURSELVES)
                    await stack.enter_async_context(client)
                    tools = await _list_tools(client)
            except TimeoutError:
                raise Unusable(f"did not respond within {patience_s:g} s") from None
            yield Connection(tools, client)
    except AgentError:
        raise
    except Exception as error:  # of the SDK, or of what the server sent
        raise Unusable(_describe(traffic, error)) from error


def explain(error: Exception) -> str:
    """Return what a server did, in words that continue "the server"."""
    cause = _find_cause(error)
    return str(cause) if isinstance(cause, AgentError) else f"failed: {_shorten(describe(cause))}"


def _describe(traffic: Traffic, error: Exception) -> str:
    cause = _find_cause(error)
    if isinstance(cause, Unusable):
        return str(cause)
    if traffic.problem:
        return traffic.problem
    if traffic.status in (401, 403):
        return f"refused the credentials (HTTP {traffic.status})"
    status = f" (HTTP {traffic.status})" if traffic.status >= 400 else ""
    match cause:
        case MCPError() if cause.code != CONNECTION_CLOSED:
            return f"answered with an error{status}: {_shorten(cause.message)}"
        case MCPError():
            said = f"; it said: {_shorten(traffic.last_words)}" if traffic.last_words else ""
            return f"closed the connection{said}"
        case ValidationError():
            return "sent something that is not a result of the protocol"
        case FileNotFoundError() | PermissionError():
            return f"cannot be started: {_shorten(str(cause))}"
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return f"cannot be reached: {_shorten(str(cause))}"
    return f"failed{status}: {_shorten(describe(cause))}"


def _find_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _shorten(text: str) -> str:
    return cut(" ".join(clean(text).split()), 500)


def _open(server: Server, traffic: Traffic) -> Any:
    if server.command:
        given = {name: required(name, _HINT.format(server.name)) for name in server.env}
        return open_process(server.command, get_default_environment() | given, traffic)
    return _open_http(server, traffic)


@asynccontextmanager
async def _open_http(server: Server, traffic: Traffic) -> AsyncIterator[Any]:
    headers = {"Accept-Encoding": "identity"}  # what is compressed has no bound that can be checked
    if server.token:
        headers["Authorization"] = f"Bearer {required(server.token, _HINT.format(server.name))}"
    # How long a call may take is said where it is run: `Run(timeout_s=...)`.
    times = httpx2.Timeout(30, read=None)
    hooks = {"response": [traffic.watch]}
    auth = make_auth(server)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=times, event_hooks=hooks, auth=auth) as client,
        streamable_http_client(server.url, http_client=client) as streams,
    ):
        yield streams


async def _list_tools(client: Client) -> dict[str, Tool]:
    tools: dict[str, Tool] = {}
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        for tool in page.tools:
            if tool.name in tools:
                raise Unusable(f"has two tools with the name {_shorten(tool.name)!r}")
            tools[tool.name] = tool
        if len(tools) > MAX_TOOLS:
            break
        cursor = page.next_cursor
        if not cursor:
            return tools
    raise Unusable(f"lists more than {MAX_TOOLS} tools, or more than {MAX_PAGES} pages of them")

"""A server of the Model Context Protocol, and calling one of its tools.

Each call connects anew, compares the tool with what it was when it was added, and only then sends
the call. Until it is sent, every problem is a `ToolError`: nothing was changed. After that, any
problem leaves the outcome open, and what the tool reports as its own error does so, too.
"""

from dataclasses import dataclass
from typing import Any

from ..log.errors import AgentError, Misconfigured, ToolError
from ..loop.actions import Call
from ..loop.steps import Step
from .digests import describe_change
from .shapes import list_arguments

KEY = "idempotencyKey"
"""Where `_meta` of a call has the key of its effect."""


class CallFailed(AgentError):
    """The call was sent, and its outcome is unknown or an error."""


@dataclass(frozen=True)
class OAuth:
    """Client credentials: no person signs in."""

    issuer: str
    """The URL of the authorization server. The secret is sent nowhere else."""
    client_id: str
    """The environment variable that has it."""
    client_secret: str
    """The environment variable that has it."""
    scope: str = ""


@dataclass(frozen=True)
class Server:
    name: str
    url: str = ""
    """Its endpoint, if it speaks HTTP."""
    command: tuple[str, ...] = ()
    """What starts it, if it speaks over stdin and stdout. It ends with the call."""
    token: str = ""
    """The environment variable that has its bearer token."""
    oauth: OAuth | None = None
    env: tuple[str, ...] = ()
    """The environment variables that the command gets, besides PATH, HOME and the like."""

    async def call(self, tool: str, digest: str, step: Step, call: Call) -> Any:
        """Call a tool with the arguments of a step, and return its result as JSON.

        Raises:
            ToolError: the call was not sent: the server is away, or describes the tool differently
                than when it was added.
            CallFailed: the call was sent, and the tool or the connection failed.
        """
        from .connections import connect, explain  # the SDK would slow down every other command
        from .results import read_error, read_result

        change, result = None, None
        try:
            async with connect(self) as connection:
                change = describe_change(connection.tools, tool, digest)
                if not change:
                    arguments, meta = list_arguments(step), {KEY: call.key}
                    result = await connection.call(tool, arguments, meta)
        except Misconfigured as error:
            raise ToolError(str(error)) from error
        except Exception as error:  # of the SDK, or of what the server sent
            if change is None:
                raise ToolError(f"the MCP server {self.name!r} {explain(error)}") from error
            if result is None and not change:
                why = f"during the call, the MCP server {self.name!r} {explain(error)}"
                raise CallFailed(why) from error
        if change:
            how = f"Run `agent mcp update {self.name}` and review it."
            raise ToolError(f"the tool {tool!r} of the MCP server {self.name!r} {change}. {how}")
        assert result is not None, "the call was sent, and nothing was raised"
        if result.is_error:
            raise CallFailed(f"the tool {tool!r} failed: {read_error(result)}")
        return read_result(result)

"""Tools of MCP servers as code of yours, and the agent as an MCP server.

`agent mcp add` writes a shape and a function for each tool of a server into the folder of an agent.
What these files use is here, and is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .commands import mount

if TYPE_CHECKING:
    from pydantic import Field

    from .servers import OAuth, Server
    from .shapes import JsonText, Shape

__all__ = ["Field", "JsonText", "OAuth", "Server", "Shape", "mount"]

_HOMES = {
    "Field": "pydantic",
    "JsonText": ".shapes",
    "OAuth": ".servers",
    "Server": ".servers",
    "Shape": ".shapes",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)

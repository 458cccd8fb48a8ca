"""The face of the engine: the words that the files of an agent use, and nothing else.

They are loaded on first use, so that `agent --help` imports neither Pydantic nor a model's SDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .log.errors import ToolError
    from .log.state import Limits
    from .loop.actions import Action, Ask, Finish, Options, Run, Step, Wait
    from .loop.agent import Agent

_HOMES = {
    "Action": "loop.actions",
    "Agent": "loop.agent",
    "Ask": "loop.actions",
    "Finish": "loop.actions",
    "Limits": "log.state",
    "Options": "loop.actions",
    "Run": "loop.actions",
    "Step": "loop.actions",
    "ToolError": "log.errors",
    "Wait": "loop.actions",
}

__all__ = [
    "Action",
    "Agent",
    "Ask",
    "Finish",
    "Limits",
    "Options",
    "Run",
    "Step",
    "ToolError",
    "Wait",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)

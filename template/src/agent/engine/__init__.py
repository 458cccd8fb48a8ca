"""The face of the engine: the words that an agent's files use, and nothing else.

They are loaded on first use (PEP 562), so that `agent --help` imports neither Pydantic nor an SDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context.blocks import render_block
    from .log.errors import ToolError
    from .log.events import Event
    from .log.state import Limits
    from .log.thread import Thread
    from .loop.actions import Action, Ask, Call, Delegate, Finish, Run, Wait
    from .loop.agent import Agent
    from .loop.steps import Step
    from .options import ModelOptions

__all__ = [
    "Action",
    "Agent",
    "Ask",
    "Call",
    "Delegate",
    "Event",
    "Finish",
    "Limits",
    "ModelOptions",
    "Run",
    "Step",
    "Thread",
    "ToolError",
    "Wait",
    "render_block",
]

_HOMES = {
    "Action": "loop.actions",
    "Agent": "loop.agent",
    "Ask": "loop.actions",
    "Call": "loop.actions",
    "Delegate": "loop.actions",
    "Event": "log.events",
    "Finish": "loop.actions",
    "Limits": "log.state",
    "ModelOptions": "options",
    "Run": "loop.actions",
    "Step": "loop.steps",
    "Thread": "log.thread",
    "ToolError": "log.errors",
    "Wait": "loop.actions",
    "render_block": "context.blocks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)

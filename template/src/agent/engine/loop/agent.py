"""What an owner declares: one small, focused agent, as a value.

Everything added here later has a default, so that an agent written today runs with a newer engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..log.state import Limits
from .actions import Action


@dataclass(frozen=True)
class Agent:
    steps: Any
    """Everything the model may say next: a union of `Step` classes."""
    decide: Callable[[Any], Action]
    prompts: Path
    """A folder with `system.md`; `next_step.md` and `compact.md` replace the engine's."""
    prefetch: Callable[[str], Any] | None = None
    limits: Limits = field(default_factory=Limits)

"""What an owner declares: one small, focused agent, as a value.

Everything that is added here gets a default, so that an old agent runs with a newer engine.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..context.rendering import Render
from ..log.state import Limits
from ..log.thread import Thread
from ..options import ModelOptions
from .actions import Action

Act = Literal["write", "cancel"]
Readers = Callable[[Thread], Iterable[str]]
May = Callable[[str, Act, Thread], bool]


@dataclass(frozen=True)
class Agent:
    steps: Any
    """Everything the model may say next: a union of `Step` classes."""
    decide: Callable[[Any, Thread], Action]
    """`decide(step, thread)`: what a step means. Pure: it is asked again after an approval and in
    recovery, each time with the thread as it was before the step."""
    prompts: Path | str
    """A folder with `system.md`, where `next_step.md` and `compact.md` replace the engine's own; or
    the system prompt itself."""
    prefetch: Callable[[Thread], Any] | None = None
    """`prefetch(thread)`, sync or async: facts by name, fetched once before the first step."""
    render: Render | None = None
    """`render(event, thread)`: how an event reads in the context window; None leaves it to the
    engine, an empty text leaves it out."""
    variables: Callable[[Thread], Any] | None = None
    """`variables(thread)`, sync or async: texts by name. Each takes the place of `{name}` in
    `system.md`. Called once before the first step of a thread; what it returns is recorded, and has
    to have a place in `system.md`."""
    limits: Limits = field(default_factory=Limits)
    responsible: tuple[str, ...] = ("anyone",)
    """Who decides where no person started the thread: people and teams of people.toml, or
    `anyone`. They are the `owner` of a thread that a schedule or a webhook started."""
    readers: Readers | None = None
    """`readers(thread)`: who else may read a thread: people and teams of people.toml, or `anyone`
    for all who are signed in. The people who started it, took part or are asked, and
    administrators, may always read it. Run `agent reindex` after you change it."""
    model: Callable[[Thread], str] | None = None
    """`model(thread)`: which model decides next, named as in `MODEL`; "" is the one of `MODEL`."""
    options: ModelOptions = field(default_factory=ModelOptions)
    """How its model is asked; what is set here comes before `MODEL_OPTIONS`."""
    may: May | None = None
    """`may(person, act, thread)`: whether a reader may write to a thread, or cancel it. None allows
    both to all readers."""

"""Factor 3: own your context window.

Every event the model should know of is a block (`rendering`), in the order of the log. A block
is final once it was sent, so each prompt begins with the bytes of the one before, until a
`compacted` event makes a new beginning: that is what prompt caches live on.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..log.events import Event
from ..log.thread import Thread
from ..tokens import estimate_tokens
from .rendering import Render, render_event

LEARN_FROM = 1_000
"""How many tokens a thread has to grow by until a rate is learned from it."""
LEAST_RATE, MOST_RATE = 0.5, 4.0
"""A provider that counts less or more than this counts something else."""

_MARKER = re.compile(r"\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class Prompts:
    """The owner's words: `prompts/system.md`, `next_step.md` and `compact.md`."""

    system: str
    """May have markers, such as `{customer}`; see `Agent.variables`."""
    next_step: str
    compact: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """Every file of the folder, by name; see `Call.ask_model`."""

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the system prompt with the values in place of their markers."""
        return _MARKER.sub(lambda found: values.get(found[1], found[0]), self.system)

    def find_unused(self, values: Mapping[str, str]) -> list[str]:
        """Return the names of the values that have no marker."""
        return sorted(values.keys() - set(_MARKER.findall(self.system)))


@dataclass(frozen=True)
class Prompt:
    """What one model call reads, in this order."""

    system: str
    blocks: tuple[str, ...]
    seen: int
    """How many of the blocks the previous call had already."""
    ask: str
    """The closing question; never cached."""
    tokens: int = 0
    """About how many it has; see `Window`."""
    decisions: int = 0
    """How many steps, valid or not, the thread took before."""
    thread_id: str = ""
    """For a provider that sends requests with one cache to one server."""
    question: int = 0
    """Which question of a tool it is, from 1 in each run; 0 where the next step is asked for."""

    @property
    def sha(self) -> str:
        """Recorded with each step, so that the log says which words of the owner led to it."""
        return hashlib.sha256(f"{self.system}\0{self.ask}".encode()).hexdigest()[:12]

    def exceeds(self, limit: int) -> bool:
        """Say whether it has more tokens than `limit`, and could be shorter."""
        return self.tokens > limit and len(self.blocks) > 1


@dataclass
class Window:
    """The context window of one run, which renders each event once: blocks are final."""

    render: Render | None = None
    """The owner's."""
    version: int = 0
    decisions: int = 0
    blocks: list[str] = field(default_factory=list)
    seen: int = 0
    values: Mapping[str, str] = field(default_factory=dict)
    """Of the markers in the system prompt."""
    estimated: int = 0
    """Tokens of the blocks as `estimate_tokens` guesses."""
    rate: float = 1.0
    """How many tokens the provider counts for one that is estimated."""
    base: int = 0
    """What it counts beyond the blocks, such as the system prompt and the schema."""
    first: tuple[int, int] | None = None
    """What it counted at the first call since the beginning, and what was estimated then."""

    def prompt(self, thread: Thread, prompts: Prompts) -> Prompt:
        """Return the next prompt of the thread, which has only grown since the last one."""
        new = thread.events[self.version :]
        self.decisions += sum(event.type in ("step", "invalid_step") for event in new)
        self.values = next(filter(None, map(find_values, new)), self.values)
        beginning = max((event.seq for event in new if event.type == "compacted"), default=0)
        if beginning:
            self.blocks, self.seen, new = [], 0, select_visible(thread)
            self.estimated, self.rate, self.base, self.first = 0, 1.0, 0, None
        for event in new:
            # A `discarded` reply knew less than what stands here by now: it says nothing of it.
            if event.type in ("step", "invalid_step") and event.seq > beginning:
                self.seen = len(self.blocks)
                self._correct(event.tokens.get("input", 0))
            blocks = render_event(thread, event, self.render)
            self.blocks += blocks
            self.estimated += estimate_tokens(*blocks)
        self.version, blocks = thread.state.version, self.blocks
        system, tokens = prompts.fill(self.values), self.base + round(self.rate * self.estimated)
        ask, decisions = prompts.next_step, self.decisions
        return Prompt(system, tuple(blocks), self.seen, ask, tokens, decisions, thread.id)

    def _correct(self, counted: int) -> None:
        """Learn from what the provider counted for the blocks that there are so far."""
        if counted:
            self.first = self.first or (counted, self.estimated)
            grown = self.estimated - self.first[1]
            rate = (counted - self.first[0]) / max(grown, 1)
            if grown >= LEARN_FROM and LEAST_RATE < rate < MOST_RATE:
                self.rate = rate
            self.base = max(counted - round(self.rate * self.estimated), 0)


def render_prompt(thread: Thread, prompts: Prompts, render: Render | None = None) -> Prompt:
    """Turn a thread into the next prompt."""
    return Window(render).prompt(thread, prompts)


def find_values(event: Event) -> Mapping[str, str] | None:
    """Return the values for the markers of the system prompt, where an event records them."""
    recorded = event.type == "message" and event.actor == "system"
    return event.data.get("variables") if recorded else None


def select_visible(thread: Thread) -> tuple[Event, ...]:
    """Return the events the model may still read, the last `compacted` first."""
    for event in reversed(thread.events):
        if event.type == "compacted":
            later = thread.events[event.data["upto"] :]
            return (event, *(other for other in later if other.type != "compacted"))
    return thread.events

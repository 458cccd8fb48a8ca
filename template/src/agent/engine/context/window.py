"""Factor 3: own your context window.

Every event the model should know of is a block (`rendering`), in the order of the log. A block
is final once it was sent, so each prompt begins with the bytes of the one before, until a
`compacted` event makes a new beginning: that is what prompt caches live on.
"""

import hashlib
from dataclasses import dataclass, field

from ..log.events import Event
from ..log.thread import Thread
from .rendering import Render, render_event


@dataclass(frozen=True)
class Prompts:
    """The owner's words: `prompts/system.md`, `next_step.md` and `compact.md`."""

    system: str
    next_step: str
    compact: str = ""

    @property
    def sha(self) -> str:
        """Recorded with each step, so that the log says which prompt led to it."""
        return hashlib.sha256(f"{self.system}\0{self.next_step}".encode()).hexdigest()[:12]


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
    """About how many the blocks have; see `Window`."""
    decisions: int = 0
    """How many steps, valid or not, the thread took before."""
    thread_id: str = ""
    """For a provider that sends requests with one cache to one server."""

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
    tokens: int = 0
    """What the provider counted at the last call, and an estimate of what is new since."""

    def prompt(self, thread: Thread, prompts: Prompts) -> Prompt:
        """Return the next prompt of the thread, which has only grown since the last one."""
        new = thread.events[self.version :]
        self.decisions += sum(event.type in ("step", "invalid_step") for event in new)
        beginning = max((event.seq for event in new if event.type == "compacted"), default=0)
        if beginning:
            self.blocks, self.seen, self.tokens, new = [], 0, 0, select_visible(thread)
        for event in new:
            # A `discarded` reply knew less than what stands here by now: it says nothing of it.
            if event.type in ("step", "invalid_step") and event.seq > beginning:
                self.seen = len(self.blocks)
                self.tokens = max(self.tokens, event.tokens.get("input", 0))
            blocks = render_event(thread, event, self.render)
            self.blocks += blocks
            self.tokens += estimate_tokens(*blocks)
        self.version, blocks = thread.state.version, self.blocks
        ask, decisions = prompts.next_step, self.decisions
        return Prompt(
            prompts.system, tuple(blocks), self.seen, ask, self.tokens, decisions, thread.id
        )


def render_prompt(thread: Thread, prompts: Prompts, render: Render | None = None) -> Prompt:
    """Turn a thread into the next prompt."""
    return Window(render).prompt(thread, prompts)


def select_visible(thread: Thread) -> tuple[Event, ...]:
    """Return the events the model may still read, the last `compacted` first."""
    for event in reversed(thread.events):
        if event.type == "compacted":
            later = thread.events[event.data["upto"] :]
            return (event, *(other for other in later if other.type != "compacted"))
    return thread.events


def estimate_tokens(*texts: str) -> int:
    """Guess how many tokens texts have: a quarter of their bytes, whatever the language."""
    return sum(len(text.encode()) // 4 + 1 for text in texts)

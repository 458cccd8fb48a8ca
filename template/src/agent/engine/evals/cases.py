"""Cases: a thread so far, and what the model should make of it.

A case is about the next step, or with an `end` about all steps until then. Cases are the lines of
`evals/<agent>/*.jsonl`; `evals/<agent>/judge.py` may look at what no line can say.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..log.events import CallJson
from ..log.state import VERDICTS
from ..log.thread import Thread

RECORDINGS = "recordings.jsonl"
ENDS = ("finished", *VERDICTS)


@dataclass(frozen=True)
class Stub:
    """What a tool returns in a case over several steps."""

    call: CallJson
    """Which calls, as in `Case.expect`."""
    output: Any = None
    error: str | None = None
    """What the tool fails with instead, as if it had raised `ToolError`."""
    run: bool = False
    """Run the tool itself."""


@dataclass(frozen=True)
class Case:
    name: str
    thread: Thread
    expect: tuple[CallJson, ...] = ()
    """The next step, or the last one before the `end`, is one of these. None for any step."""
    reject: tuple[CallJson, ...] = ()
    """No step is one of these."""
    end: tuple[str, ...] = ()
    """`finished`, or the kind of wait that it ends with: one of these. None for the next step."""
    steps: int | None = None
    """At most so many until the end."""
    tools: tuple[Stub, ...] = ()
    """Of those that fit a call, the first that was not used yet counts, then the last."""
    judge: "Judge | None" = None


Judge = Callable[[Case, Thread], str | Awaitable[str | None] | None]
"""`judge(case, thread)`, sync or async: why the steps that the model took are bad, None if they are
good. They are the last events of the thread."""

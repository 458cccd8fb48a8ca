"""Cases: a thread so far, and what the model should make of it.

A case is about the next step, or with an `end` about all steps until then. Cases are the lines of
`evals/<agent>/*.jsonl`; `evals/<agent>/judge.py` may look at what no line can say.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from ..context.window import Prompts, render_prompt
from ..llms.scripted import read_lines
from ..log.errors import Misconfigured
from ..log.events import DECISIONS, FACTS, CallJson, Event
from ..log.state import VERDICTS
from ..log.thread import Thread
from .match import check_readable

RECORDINGS = "recordings.jsonl"
ENDS = ("finished", *VERDICTS)
_STUB = {"call", "output", "error", "run"}
_CASE = {"name", "about", "thread", "expect", "reject", "end", "steps", "tools"}


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


def read_cases(folder: Path) -> list[Case]:
    """Read every `*.jsonl` of a folder but the recordings. Raises Misconfigured."""
    files = sorted(set(folder.glob("*.jsonl")) - {folder / RECORDINGS})
    lines = [(path, line) for path in files for line in read_lines(path)]
    judge = _load_judge(folder / "judge.py") if lines else None
    found = [_parse_case(path, line, judge) for path, line in lines]
    names = [case.name for case in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Misconfigured(f"several cases are called {twice[0]!r}; rename all but one")
    return found


def _parse_case(path: Path, line: dict[str, Any], judge: Judge | None) -> Case:
    name = str(line.get("name") or "without a name")
    try:
        _refuse_others(line, _CASE)
        events = [Event(**each, seq=seq) for seq, each in enumerate(line["thread"], 1)]
        if unknown := {each.type for each in events} - FACTS - DECISIONS:
            raise ValueError(f"no event is called {unknown}")
        thread = Thread(name, tuple(events))
        render_prompt(thread, Prompts("", ""))
        end, steps = tuple(_list(line.get("end"))), line.get("steps")
        if unknown := set(end) - set(ENDS):
            raise ValueError(f"end is one of {', '.join(ENDS)}, not {unknown}")
        if not end and (steps is not None or "tools" in line):
            raise ValueError("steps and tools belong to a case with an end")
        if not (steps is None or (type(steps) is int and steps > 0)):
            raise ValueError(f"steps is a number from 1, not {steps!r}")
        reject = tuple(map(check_readable, _list(line.get("reject"))))
        expect = _list(line["expect"] if not (end or reject) else line.get("expect"))
        tools = tuple(map(_parse_stub, _list(line.get("tools"))))
        expected = tuple(map(check_readable, expect))
        return Case(line["name"], thread, expected, reject, end, steps, tools, judge)
    except (LookupError, TypeError, ValueError, AttributeError, re.error) as error:
        problem = f"{type(error).__name__}: {error}"
        raise Misconfigured(f"{str(path)!r}: case {name!r} cannot be read: {problem}") from None


def _parse_stub(line: dict[str, Any]) -> Stub:
    _refuse_others(line, _STUB)
    return Stub(**line | {"call": check_readable(line["call"])})


def _refuse_others(line: dict[str, Any], known: set[str]) -> None:
    if unknown := line.keys() - known:
        raise ValueError(f"{sorted(unknown)[0]!r} is none of {', '.join(sorted(known))}")


def _list(value: Any) -> list[Any]:
    """Return a value that may be given alone, or be left out, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _load_judge(path: Path) -> Judge | None:
    """Return the owner's function of that file, None without a file. Raises Misconfigured."""
    if not path.exists():
        return None
    spec = spec_from_file_location(f"evals.{path.parent.name}.judge", path)
    try:
        module = module_from_spec(spec)  # type: ignore[arg-type]  # of a .py file there is one
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        judge: Judge = module.judge
    except Exception as error:  # of the owner's file
        problem = f"{type(error).__name__}: {error}"
        raise Misconfigured(f"{str(path)!r} has no judge(case, thread): {problem}") from None
    return judge

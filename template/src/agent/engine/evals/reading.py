"""Reads cases from the lines of `evals/<agent>/*.jsonl`."""

import re
from pathlib import Path
from typing import Any

from ..context.window import Prompts, render_prompt
from ..llms.scripted import read_lines
from ..log.errors import Misconfigured
from ..log.events import DECISIONS, FACTS, Event
from ..log.thread import Thread
from .cases import ENDS, RECORDINGS, Case, Judge, Stub
from .judge import load_judge
from .match import check_readable

_CASE = {"name", "about", "thread", "expect", "reject", "end", "steps", "tools"}
_STUB = {"call", "output", "error", "run"}


def read_cases(folder: Path) -> list[Case]:
    """Read every `*.jsonl` of a folder but the recordings. Raises Misconfigured."""
    files = sorted(set(folder.glob("*.jsonl")) - {folder / RECORDINGS})
    lines = [(path, line) for path in files for line in read_lines(path)]
    judge = load_judge(folder / "judge.py") if lines else None
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

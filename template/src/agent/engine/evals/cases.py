"""Cases, and how an answer is judged: by its intent and by those arguments that matter.

Offline a recording answers for the model: a prompt, a tool or a schema that changed is noticed,
not guessed about.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..context.window import Prompts, render_prompt
from ..llms.recorded import RecordedLLM
from ..llms.scripted import ScriptedLLM, read_lines
from ..log.errors import InvalidStep, Misconfigured
from ..log.events import DECISIONS, FACTS, CallJson, Event
from ..log.thread import Thread
from ..loop.ports import LLM, BoundAgent

STALE = (
    "nothing is recorded for what the model reads here: the case is new, or its recording is "
    "stale, as the prompts, the tools or the case changed. Re-record: uv run agent eval record"
)


@dataclass(frozen=True)
class Case:
    name: str
    thread: Thread
    expect: tuple[CallJson, ...]
    """Any of these. An argument that is left out may be anything; the others have to be equal, or
    as `{"in": [values]}` or `{"matches": "a regular expression"}` says."""


def read_cases(folder: Path) -> list[Case]:
    """Read every `*.jsonl` of a folder but `recordings.jsonl`. Raises Misconfigured."""
    files = sorted(set(folder.glob("*.jsonl")) - {folder / "recordings.jsonl"})
    found = [_parse_case(path, line) for path in files for line in read_lines(path)]
    names = [case.name for case in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Misconfigured(f"several cases are called {twice[0]!r}; rename all but one")
    return found


def _parse_case(path: Path, line: dict[str, Any]) -> Case:
    name = str(line.get("name") or "without a name")
    try:
        events = [Event(**each, seq=seq) for seq, each in enumerate(line["thread"], 1)]
        if unknown := {each.type for each in events} - FACTS - DECISIONS:
            raise ValueError(f"no event is called {unknown}")
        thread = Thread(name, tuple(events))
        render_prompt(thread, Prompts("", ""))
        expect = line["expect"] if isinstance(line["expect"], list) else [line["expect"]]
        return Case(line["name"], thread, tuple(map(_check_readable, expect)))
    except (LookupError, TypeError, ValueError, AttributeError, re.error) as error:
        problem = f"{type(error).__name__}: {error}"
        raise Misconfigured(f"{str(path)!r}: case {name!r} cannot be read: {problem}") from None


def _check_readable(expected: CallJson) -> CallJson:
    for wanted in (expected["intent"], *expected.values()):
        _fits("", wanted)
    return expected


async def find_miss(agent: BoundAgent, case: Case, llm: LLM) -> str:
    """Ask a model once for the next step; return what is not as expected, "" if all is."""
    reply = await llm(render_prompt(case.thread, agent.prompts, agent.render), agent.steps.schema)
    if reply.stop != "end":
        return f"the reply was {reply.stop}"
    try:
        call = agent.steps.read(reply.text)
    except InvalidStep as error:
        return str(error)
    misses = [_compare(call, expected) for expected in case.expect]
    return "" if "" in misses else f"{' / '.join(misses)}: {json.dumps(call)}"


def _compare(call: CallJson, expected: CallJson) -> str:
    for name, wanted in expected.items():
        if not _fits(call.get(name), wanted):
            return f"{name} is not {json.dumps(wanted)}"
    return ""


def _fits(value: Any, wanted: Any) -> bool:
    match wanted:
        case {"in": [*values]}:
            return value in values
        case {"matches": str(pattern)}:
            return bool(re.search(pattern, value if isinstance(value, str) else json.dumps(value)))
    return bool(value == wanted)


async def replay(agent: BoundAgent, case: Case, path: Path) -> str | None:
    """Do what `missed` does, with what is recorded in a file; return None if nothing is."""
    recorded = RecordedLLM(ScriptedLLM.of(), path)
    with suppress(Misconfigured):
        return await find_miss(agent, case, recorded)
    return None


def is_scripted(path: Path) -> bool:
    """Return whether no model was recorded yet; what a script said proves nothing of one."""
    lines = read_lines(path) if path.exists() else []
    return {line["reply"]["model"] for line in lines if "reply" in line} <= {"scripted"}

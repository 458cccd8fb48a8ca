"""Says whether a model did what a case expects, and what recorded models did.

Offline a recording answers for the model: a prompt, a tool or a schema that changed is noticed,
not guessed about.
"""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..context.window import render_prompt
from ..llms import recordings
from ..llms.recorded import RecordedLLM
from ..log.errors import InvalidStep, NotRecorded
from ..log.events import CallJson, Event, make_event
from ..log.thread import Thread
from ..loop.ports import LLM, BoundAgent
from .cases import Case
from .judge import ask_judge
from .match import find_difference, find_differences
from .play import play

STALE = (
    "nothing is recorded for what the model reads here: the case is new, or its recording is "
    "stale, as the prompts, the tools or the case changed. Re-record: uv run agent eval record"
)


async def find_miss(agent: BoundAgent, case: Case, llm: LLM) -> str:
    """Ask a model what a case is about; return what is not as expected, "" if all is.

    Raises:
        AgentError: the model does not answer, or the owner's `judge` failed.
    """
    miss, thread = await (_play(agent, case, llm) if case.end else _take_step(agent, case, llm))
    return miss or await ask_judge(case, thread)


async def _take_step(agent: BoundAgent, case: Case, llm: LLM) -> tuple[str, Thread]:
    prompt = render_prompt(case.thread, agent.prompts, agent.render)
    reply = await llm(prompt, agent.steps.schema)
    if reply.stop != "end":
        return f"the reply was {reply.stop}", case.thread
    try:
        call = agent.steps.read(reply.text)
    except InvalidStep as error:
        return str(error), case.thread
    step = replace(make_event("step", call=call), seq=case.thread.state.version + 1)
    return _find_miss(case, [step]), case.thread.plus(step)


async def _play(agent: BoundAgent, case: Case, llm: LLM) -> tuple[str, Thread]:
    thread, missing = await play(agent, case, llm)
    steps = [each for each in thread.events[case.thread.state.version :] if each.type == "step"]
    miss = _find_rejected(case, steps)
    if not miss and missing:
        miss = f"the case has no result for this call of a tool: {json.dumps(missing)}"
    return miss or _find_end_miss(case, thread) or _find_miss(case, steps), thread


def _find_end_miss(case: Case, thread: Thread) -> str:
    wait, ended = thread.state.wait, thread.state.ended or "running"
    if (wait.kind if wait else ended) in case.end:
        return ""
    if wait and wait.data.get("limit") == "steps" and case.steps:
        return f"it did not end within {case.steps} steps"
    end = f"{wait.kind}: {wait.text}" if wait else ended
    return f"the end is not {' / '.join(case.end)}, but {end}"


def _find_miss(case: Case, steps: list[Event]) -> str:
    if miss := _find_rejected(case, steps):
        return miss
    if not steps:
        return "it took no step" if case.expect else ""
    return find_differences(steps[-1].data["call"], case.expect)


def _find_rejected(case: Case, steps: list[Event]) -> str:
    calls: list[CallJson] = [step.data["call"] for step in steps]
    rejected = (call for call in calls if any(not find_difference(call, no) for no in case.reject))
    return next((f"the case rejects this step: {json.dumps(call)}" for call in rejected), "")


async def replay(agent: BoundAgent, case: Case, path: Path) -> dict[str, str]:
    """Return what `find_miss` says of each model that is recorded in a file, by the model's name.

    A model of which not all is recorded that it would read now is left out.
    """
    misses: dict[str, str] = {}
    for model in recordings.list_models(path):
        with suppress(NotRecorded):
            misses[model] = await find_miss(agent, case, RecordedLLM(None, path, model))
    return misses


def is_scripted(path: Path) -> bool:
    """Return whether no model was recorded yet; what was written by hand proves nothing of one."""
    return all(map(recordings.is_scripted, recordings.list_models(path)))

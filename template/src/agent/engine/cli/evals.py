"""The commands that make eval cases; `evals/test_evals.py` runs them.

`agent eval capture` takes a case from a real thread, and `agent eval record` stores what a model
answers to each, so that the cases also run without a key.
"""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..context.window import Prompt, render_prompt
from ..evals.cases import STALE, find_miss, read_cases
from ..llms.recorded import RecordedLLM
from ..log.errors import InvalidStep, Misconfigured, Refused
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import LLM, BoundAgent, Ports, Reply
from ..runners.app import Build, no_model
from ..settings import MODEL_HINT, optional_model, required
from .format import shorten_id
from .screen import Screen
from .threads import Id, find_thread

FOLDER = Path("evals")
RECORDINGS = "recordings.jsonl"

At = Annotated[
    int, typer.Option(metavar="N", help="The step to expect; `agent show` has the numbers.")
]
Name = Annotated[str, typer.Option(metavar="NAME", help="The name of the case.")]
Model = Annotated[
    str, typer.Option(metavar="PROVIDER:NAME", help="The model to ask, instead of MODEL.")
]
All = Annotated[bool, typer.Option("--all", help="Record every case again.")]


def mount(cli: typer.Typer, build: Build) -> None:
    """Add the commands `eval capture` and `eval record`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

    @group.command()
    def capture(thread: Id, at: At, name: Name = "") -> None:
        """Make a case from a thread that expects its step N.

        If the model was wrong, correct the expected step. Read the case before you share it: it
        contains what people said.
        """
        asyncio.run(_capture(build(no_model).ports, thread, at, name))

    @group.command()
    def record(model: Model = "", everything: All = False) -> None:
        """Ask a model for the next step in new and stale cases, and store its answers."""
        ports = build(lambda name: model or optional_model(name)).ports
        asyncio.run(_record_all(ports, everything))

    cli.add_typer(group, name="eval", help="Make test cases from real threads, and record a model.")


async def _capture(ports: Ports, thread_id: str, at: int, name: str) -> None:
    thread, screen = await find_thread(ports.store, thread_id), Screen()
    agent = ports.get_agent(thread)
    step = _find_step(agent, thread, at)
    name = name or f"{shorten_id(thread.id)}-{at}"
    folder = FOLDER / agent.name
    if name in {case.name for case in read_cases(folder)}:
        raise Refused(f"there is a case {name!r} already; give this one another --name")
    past = Thread(name, thread.events[: at - 1])
    captured = folder / "captured.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    recorded = await _record_step(agent, past, step)
    with captured.open("a", encoding="utf-8") as file:
        file.write(_format_case(past, step))
    screen.write(f"{captured}: {name}")
    if not recorded:
        screen.say(f"The prompts have changed since: {STALE}")


def _find_step(agent: BoundAgent, thread: Thread, at: int) -> Event:
    steps = {event.seq: event for event in thread.events if event.type == "step"}
    if at not in steps:
        known = ", ".join(map(str, steps)) or "still to come"
        raise Refused(f"event {at} is not a step; the steps of this thread are {known}")
    try:
        agent.steps.validate(steps[at].data["call"])
    except InvalidStep as error:
        raise Refused(f"event {at} is no longer a valid step: {error}") from None
    return steps[at]


async def _record_step(agent: BoundAgent, past: Thread, step: Event) -> bool:
    """Store what the model answered then, unless the prompts have changed since."""
    prompt = render_prompt(past, agent.prompts, agent.render)
    if step.data.get("prompt_sha") != prompt.sha:
        return False
    text = json.dumps({"next_step": step.data["call"]})

    async def said(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return Reply(text, step.data["tokens"], model=step.data["model"])

    recording = RecordedLLM(said, FOLDER / agent.name / RECORDINGS)
    await recording(prompt, agent.steps.schema)
    return True


def _format_case(past: Thread, step: Event) -> str:
    events = [{"type": each.type, "actor": each.actor, "data": each.data} for each in past.events]
    case = {"name": past.id, "expect": step.data["call"], "thread": events}
    return json.dumps(case) + "\n"


async def _record_all(ports: Ports, everything: bool) -> None:
    agents = [agent for agent in ports.agents.values() if read_cases(FOLDER / agent.name)]
    if not agents:
        raise Misconfigured(f"no cases in {str(FOLDER)!r}; `agent eval capture` makes one")
    for agent in agents:
        if not agent.model:
            required("MODEL", MODEL_HINT)
    for agent in agents:
        await _record(agent, everything)


async def _record(agent: BoundAgent, everything: bool) -> None:
    folder, screen = FOLDER / agent.name, Screen()
    found, recordings = read_cases(folder), folder / RECORDINGS
    new = recordings.with_suffix(".new")
    asks_all = everything or not recordings.exists()
    asked = agent.llm if asks_all else _ask_missing(agent.llm, recordings)
    try:
        recording = RecordedLLM(asked, new)
        for case in found:
            screen.say(f"{case.name}: {await find_miss(agent, case, recording) or 'as expected'}")
        new.replace(recordings)
    finally:
        new.unlink(missing_ok=True)
    screen.write(f"{recordings}: {len(found)} cases")


def _ask_missing(model: LLM, path: Path) -> LLM:
    """Return a model that is asked only for what is not recorded yet."""
    recorded = RecordedLLM(None, path)

    async def said(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        try:
            reply = await recorded(prompt, schema)
        except Misconfigured:
            return await model(prompt, schema)
        return replace(reply, model=reply.model.removeprefix("recorded:"))

    return said

"""Does the model still choose what it should? `evals/test_evals.py` tries every case.

Here is what makes cases: `agent eval capture` takes one from a real thread, and
`agent eval record` asks a model what it says to each, so that they run without a key too.
"""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..context.window import Prompt, render_prompt
from ..evals.cases import STALE, cases, missed
from ..llms.recorded import RecordedLLM
from ..log.errors import InvalidStep, Misconfigured, Refused
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import LLM, BoundAgent, Ports, Reply
from ..people.words import short
from ..runners.app import Build, no_model
from ..settings import MODEL_HINT, optional_model, required
from .screen import Screen
from .threads import Id, thread_named

FOLDER = Path("evals")
RECORDINGS = "recordings.jsonl"

At = Annotated[int, typer.Option(metavar="N", help="The `next step` to expect; see `agent show`.")]
Name = Annotated[str, typer.Option(metavar="NAME", help="What to call the case.")]
Model = Annotated[str, typer.Option(metavar="PROVIDER:NAME", help="Whom to ask, if not MODEL.")]
All = Annotated[bool, typer.Option("--all", help="Ask again for what is recorded, too.")]


def mount(cli: typer.Typer, build: Build) -> None:
    """Add the commands `eval capture` and `eval record`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

    @group.command()
    def capture(thread: Id, at: At, name: Name = "") -> None:
        """Make a case of a thread, in which step N is what is expected.

        Correct that where the model was wrong. And look the case through before you share it: it
        holds what people said.
        """
        asyncio.run(_capture(build(no_model).ports, thread, at, name))

    @group.command()
    def record(model: Model = "", everything: All = False) -> None:
        """Ask a model about new and stale cases, and keep its answers."""
        ports = build(lambda name: model or optional_model(name)).ports
        asyncio.run(_record_all(ports, everything))

    cli.add_typer(group, name="eval", help="Make test cases of real threads, record a model.")


async def _capture(ports: Ports, thread_id: str, at: int, name: str) -> None:
    thread, screen = await thread_named(ports.store, thread_id), Screen()
    agent = ports.agent_of(thread)
    step = _step(agent, thread, at)
    name = name or f"{short(thread.id)}-{at}"
    folder = FOLDER / agent.name
    if name in {case.name for case in cases(folder)}:
        raise Refused(f"there is a case {name!r} already; give this one another --name")
    past = Thread.of(name, thread.events[: at - 1])
    captured = folder / "captured.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    recorded = await _recorded(agent, past, step)
    with captured.open("a", encoding="utf-8") as file:
        file.write(_line(past, step))
    screen.tell(f"{captured}: {name}")
    if not recorded:
        screen.say(f"The prompts were other ones then: {STALE}")


def _step(agent: BoundAgent, thread: Thread, at: int) -> Event:
    steps = {event.seq: event for event in thread.events if event.type == "step"}
    if at not in steps:
        known = ", ".join(map(str, steps)) or "not there yet"
        raise Refused(f"event {at} is no next step; those of this thread are {known}")
    try:
        agent.steps.validate(steps[at].data["call"])
    except InvalidStep as error:
        raise Refused(f"event {at} is none of today's steps: {error}") from None
    return steps[at]


async def _recorded(agent: BoundAgent, past: Thread, step: Event) -> bool:
    """Keep what the model said then, unless that was to other prompts."""
    if step.data.get("prompt_sha") != agent.prompts.sha:
        return False
    text = json.dumps({"next_step": step.data["call"]})

    async def said(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return Reply(text, step.data["tokens"], model=step.data["model"])

    recording = RecordedLLM(said, FOLDER / agent.name / RECORDINGS)
    prompt = render_prompt(past, agent.prompts, agent.render)
    await recording(prompt, agent.steps.schema)
    return True


def _line(past: Thread, step: Event) -> str:
    events = [{"type": each.type, "actor": each.actor, "data": each.data} for each in past.events]
    case = {"name": past.id, "expect": step.data["call"], "thread": events}
    return json.dumps(case) + "\n"


async def _record_all(ports: Ports, everything: bool) -> None:
    agents = [agent for agent in ports.agents.values() if cases(FOLDER / agent.name)]
    if not agents:
        raise Misconfigured(f"no cases in {str(FOLDER)!r}; `agent eval capture` makes one")
    for agent in agents:
        if not agent.model:
            required("MODEL", MODEL_HINT)
    for agent in agents:
        await _record(agent, everything)


async def _record(agent: BoundAgent, everything: bool) -> None:
    folder, screen = FOLDER / agent.name, Screen()
    found, recordings = cases(folder), folder / RECORDINGS
    new = recordings.with_suffix(".new")
    asked = agent.llm if everything or not recordings.exists() else _missing(agent.llm, recordings)
    try:
        recording = RecordedLLM(asked, new)
        for case in found:
            screen.say(f"{case.name}: {await missed(agent, case, recording) or 'as expected'}")
        new.replace(recordings)
    finally:
        new.unlink(missing_ok=True)
    screen.tell(f"{recordings}: {len(found)} cases")


def _missing(model: LLM, path: Path) -> LLM:
    """Return a model that is asked only for what is not recorded."""
    recorded = RecordedLLM(None, path)

    async def said(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        try:
            reply = await recorded(prompt, schema)
        except Misconfigured:
            return await model(prompt, schema)
        return replace(reply, model=reply.model.removeprefix("recorded:"))

    return said

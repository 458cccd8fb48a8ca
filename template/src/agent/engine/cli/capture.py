"""`agent eval capture`: makes cases of real threads, one by its number or those that were rated."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..context.window import Prompt, render_prompt
from ..evals.cases import RECORDINGS
from ..evals.reading import read_cases
from ..evals.verdicts import STALE
from ..llms.recorded import RecordedLLM
from ..llms.recordings import list_models
from ..llms.scripted import append_line
from ..log.errors import AgentGone, InvalidStep, Refused, ThreadNotFound
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import BoundAgent, Ports, Reply
from ..loop.store import Store
from ..prices import is_reported_name
from ..settings import optional_model
from .format import shorten_id
from .screen import Screen
from .threads import find_thread, iterate_ids

FOLDER = Path("evals")

Rating = Literal["good", "bad"]
Id = Annotated[str, typer.Argument(metavar="ID", help="Any unique beginning of a thread's id.")]
At = Annotated[
    int | None, typer.Option(metavar="N", help="The step to expect; `agent show` has the numbers.")
]
Name = Annotated[str, typer.Option(metavar="NAME", help="The name of the case.")]
Rated = Annotated[
    Rating | None, typer.Option(help="Make a case from each step that people rated so.")
]


async def capture_step(ports: Ports, thread_id: str, at: int, name: str) -> None:
    """Make a case that expects step `at` of a thread. Raises Refused."""
    thread = await find_thread(ports.store, thread_id)
    agent = ports.get_agent(thread)
    name = name or _name_case(thread, at)
    if name in _list_names(agent):
        raise Refused(f"there is a case {name!r} already; give this one another --name")
    await _capture(agent, thread, _find_step(agent, thread, at), {"name": name}, "expect")


async def capture_rated(ports: Ports, rating: Rating) -> None:
    """Make a case from each step with this rating that is not a case yet.

    The case of a bad step rejects that step, until its owner says what to expect.
    """
    screen, found = Screen(), 0
    async for thread in _read_threads(ports.store):
        for at, why in _list_rated(thread, rating).items():
            found += 1
            name = _name_case(thread, at)
            try:
                agent = ports.get_agent(thread)
                step = _find_step(agent, thread, at)
            except (AgentGone, Refused) as error:
                screen.say(f"{name}: skipped, as {error}")
                continue
            if name in _list_names(agent):
                screen.say(f"{name}: a case already")
                continue
            about = {"about": why} if why else {}
            field = "reject" if rating == "bad" else "expect"
            await _capture(agent, thread, step, {"name": name, **about}, field)
    if not found:
        screen.say(f"No step is rated {rating}. People rate steps with `agent rate` or on a page.")


def _name_case(thread: Thread, at: int) -> str:
    return f"{shorten_id(thread.id)}-{at}"


def _list_names(agent: BoundAgent) -> set[str]:
    return {case.name for case in read_cases(FOLDER / agent.name)}


async def _read_threads(store: Store) -> AsyncIterator[Thread]:
    async for thread_id in iterate_ids(store):
        with suppress(ThreadNotFound):  # it was deleted meanwhile
            yield await store.load(thread_id)


def _list_rated(thread: Thread, rating: Rating) -> dict[int, str]:
    """Return the steps that somebody rated so, and what they said; the last word of each counts."""
    last: dict[tuple[int, str], Event] = {}
    for event in thread.events:
        if event.type == "rated":
            last[event.data["step"], event.actor] = event
    found: dict[int, list[str]] = {}
    for (step, actor), event in sorted(last.items()):
        if event.data["rating"] == rating:
            text = event.data.get("text", "")
            found.setdefault(step, []).extend([f"{actor}: {text}"] if text else [])
    return {step: "; ".join(said) for step, said in found.items()}


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


async def _capture(
    agent: BoundAgent, thread: Thread, step: Event, about: dict[str, str], field: str
) -> None:
    """Append a case, and record what the model answered then."""
    past, screen = Thread(about["name"], thread.events[: step.seq - 1]), Screen()
    captured = FOLDER / agent.name / "captured.jsonl"
    recorded = await _record_step(agent, past, step)
    events = [{"type": each.type, "actor": each.actor, "data": each.data} for each in past.events]
    append_line(captured, {**about, field: step.data["call"], "thread": events})
    screen.write(f"{captured}: {about['name']}")
    if not recorded:
        screen.say(f"The prompts have changed since: {STALE}")


async def _record_step(agent: BoundAgent, past: Thread, step: Event) -> bool:
    """Store what the model answered then, unless the prompts have changed since."""
    prompt = render_prompt(past, agent.prompts, agent.render)
    if step.data.get("prompt_sha") != prompt.sha:
        return False
    text = json.dumps({"next_step": step.data["call"]})

    async def said(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return Reply(text, step.data["tokens"], model=step.data["model"])

    path = FOLDER / agent.name / RECORDINGS
    recording = RecordedLLM(said, path, _find_model(agent, path, step.data["model"]))
    await recording(prompt, agent.steps.schema)
    return True


def _find_model(agent: BoundAgent, path: Path, reported: str) -> str:
    """Return which model, named as in `MODEL`, a provider's reply is of."""
    known = [optional_model(agent.name), *list_models(path)]
    return next((model for model in known if is_reported_name(reported, model)), reported)

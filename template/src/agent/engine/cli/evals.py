"""`agent eval`: tries cases on models, records models, and makes cases of real threads.

`evals/test_evals.py` tries the cases on what is recorded, so that they need no key.
"""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from ..evals import archive
from ..evals.cases import RECORDINGS, Case
from ..evals.reading import read_cases
from ..evals.trials import Key, Trial, try_all
from ..llms.recorded import RecordedLLM
from ..llms.recordings import drop_stale, list_models
from ..log.errors import Misconfigured
from ..loop.ports import BoundAgent
from ..prices import Prices
from ..runners.app import App, Build, no_model
from ..settings import MODEL_HINT, optional_model, required
from .capture import FOLDER, At, Id, Name, Rated, capture_rated, capture_step
from .screen import Screen, handle_interrupt
from .trials import format_json, format_progress, write_trials

Pairs = list[tuple[BoundAgent, Case]]

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", metavar="PROVIDER:NAME", help="A model to ask, instead of MODEL; repeatable."
    ),
]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", metavar="NAME", help="Only cases of this agent.")
]
Cases = Annotated[
    list[str] | None,
    typer.Option("--case", metavar="TEXT", help="Only cases with this in their name; repeatable."),
]
Concurrency = Annotated[int, typer.Option(min=1, metavar="N", help="Cases at a time.")]
Recorded = Annotated[bool, typer.Option("--recorded", help="Replay recordings and ask no model.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
All = Annotated[bool, typer.Option("--all", help="Record every case again.")]


def mount(cli: typer.Typer, build: Build) -> None:
    """Add the commands `eval run`, `eval record` and `eval capture`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    for command in (run, record, capture):
        group.command()(command)
    cli.add_typer(group, name="eval", help="Try cases on models, record models, make cases.")


def run(
    ctx: typer.Context,
    model: Models = None,
    agent: Agents = None,
    case: Cases = None,
    concurrency: Concurrency = 8,
    recorded: Recorded = False,
    as_json: Json = False,
) -> None:
    """Try the cases on models, side by side.

    What changed since the last time is shown, too. The exit code is 1 unless all pass. Results are
    saved in data/evals/.
    """
    apps = _build_apps(ctx.obj, model, recorded)
    pairs = _list_all(apps, agent or [], case or [])
    hint = f"{MODEL_HINT} `--recorded` needs none."
    chosen = _replay(pairs, model or []) if recorded else _check_models(pairs, hint)
    asyncio.run(_try(chosen, apps[0].prices, concurrency, as_json, keep=not recorded))


def record(
    ctx: typer.Context,
    model: Models = None,
    everything: All = False,
    concurrency: Concurrency = 8,
) -> None:
    """Record what models say, for the tests.

    A model is asked only about cases that are new or stale. Its answers are in
    evals/AGENT/recordings.jsonl.
    """
    pairs = _list_all(_build_apps(ctx.obj, model, recorded=False), [], [])
    asyncio.run(_record(_check_models(pairs, MODEL_HINT), everything, concurrency))


def capture(
    ctx: typer.Context, thread: Id = "", at: At = None, name: Name = "", rated: Rated = None
) -> None:
    """Make a case from a step, or from rated ones.

    The case expects step N of a thread. If the model was wrong, correct that. The case of a step
    that was rated bad rejects it. Read cases before you share them: they contain what people said.
    """
    ports = ctx.obj(no_model).ports
    if rated and not (thread or at or name):
        asyncio.run(capture_rated(ports, rated))
    elif thread and at and not rated:
        asyncio.run(capture_step(ports, thread, at, name))
    else:
        raise typer.BadParameter("name a thread and --at N, or only --rated bad")


def _build_apps(build: Build, models: list[str] | None, recorded: bool) -> list[App]:
    """Return an app for each model, all named at once before one is asked."""
    if recorded:
        return [build(no_model)]

    def build_one(model: str) -> App:
        return build(lambda _: model)

    return [build_one(model) for model in dict.fromkeys(models or ())] or [build(optional_model)]


def _list_all(apps: list[App], agents: list[str], names: list[str]) -> Pairs:
    """Return each case that is meant on every model, before the next case."""
    columns = (_list_pairs(app, agents, names) for app in apps)
    return [pair for row in zip(*columns, strict=True) for pair in row]


def _list_pairs(app: App, agents: list[str], names: list[str]) -> Pairs:
    """Return the cases of each agent that are meant. Raises Misconfigured, BadParameter."""
    known = app.ports.agents
    if unknown := set(agents) - known.keys():
        raise typer.BadParameter(f"there is no agent {min(unknown)!r}: {', '.join(known)}")
    meant = [agent for name, agent in known.items() if name in (agents or known)]
    found = [(agent, case) for agent in meant for case in read_cases(FOLDER / agent.name)]
    if not found:
        raise Misconfigured(f"no cases in {str(FOLDER)!r}; `agent eval capture` makes one")
    chosen = [
        (agent, case)
        for agent, case in found
        if not names or any(name.lower() in case.name.lower() for name in names)
    ]
    if not chosen:
        raise typer.BadParameter(f"no case has {' or '.join(map(repr, names))} in its name")
    return chosen


def _check_models(pairs: Pairs, hint: str) -> Pairs:
    """Return the same, if each agent has a model. Raises Misconfigured."""
    if any(not agent.model for agent, _ in pairs):
        required("MODEL", hint)
    return pairs


def _replay(pairs: Pairs, models: list[str]) -> Pairs:
    """Put each recorded model in the place of an agent's own, or those that are named."""
    replayed: dict[str, list[BoundAgent]] = {}
    for agent in {agent.name: agent for agent, _ in pairs}.values():
        path = FOLDER / agent.name / RECORDINGS
        names = list_models(path)
        replayed[agent.name] = [
            replace(agent, model=name, llm=RecordedLLM(None, path, name))
            for name in names
            if name in (models or names)
        ]
    found = [(each, case) for agent, case in pairs for each in replayed[agent.name]]
    if not found:
        which = f" of {', '.join(models)}" if models else ""
        raise Misconfigured(f"nothing{which} is recorded; `agent eval record` records a model")
    return found


async def _try(pairs: Pairs, prices: Prices, concurrency: int, as_json: bool, keep: bool) -> None:
    trials, before = list[Trial](), archive.find_last(map(_name, pairs)) if keep else {}
    stopping = "\nStopping. These are the results so far."
    with handle_interrupt(lambda: Screen().say(stopping)):
        try:
            await _try_all(pairs, concurrency, trials)
        finally:
            _report(_sort(trials, pairs), before, prices, as_json, keep)
    if any(trial.verdict != "pass" for trial in trials):
        raise typer.Exit(1)


async def _try_all(pairs: Pairs, concurrency: int, trials: list[Trial]) -> None:
    screen = Screen()

    def report(trial: Trial) -> None:
        trials.append(trial)
        screen.say(format_progress(trial, len(trials), len(pairs)))

    await try_all(pairs, concurrency, report)


def _name(pair: tuple[BoundAgent, Case]) -> Key:
    agent, case = pair
    return agent.name, case.name, agent.model


def _sort(trials: list[Trial], pairs: Pairs) -> list[Trial]:
    """Return trials in the order of the cases and models, in whichever order they ended."""
    places = {_name(pair): place for place, pair in enumerate(pairs)}
    return sorted(trials, key=lambda trial: places[trial.key])


def _report(
    trials: list[Trial], before: dict[Key, Trial], prices: Prices, as_json: bool, keep: bool
) -> None:
    if not trials:
        return
    screen = Screen()
    path = archive.save(trials, datetime.now(UTC)) if keep else None
    if as_json:
        screen.write(json.dumps(format_json(trials, before, prices)))
    else:
        write_trials(screen, trials, before, prices)
    if path:
        screen.say(f"\nSaved: {path}")


async def _record(pairs: Pairs, everything: bool, concurrency: int) -> None:
    agents = {(agent.name, agent.model): agent for agent, _ in pairs}
    models = {
        key: RecordedLLM(agent.llm, FOLDER / agent.name / RECORDINGS, agent.model, again=everything)
        for key, agent in agents.items()
    }
    asked = [(replace(agent, llm=models[agent.name, agent.model]), case) for agent, case in pairs]
    trials: list[Trial] = []
    with handle_interrupt(lambda: Screen().say("\nStopping. What was answered is recorded.")):
        await _try_all(asked, concurrency, trials)
    failed = {trial.key[::2] for trial in trials if trial.verdict == "error"}
    screen = Screen()
    for trial in _sort(trials, pairs):
        if trial.verdict != "pass":
            screen.say(f"{trial.model}, {trial.case}: {trial.reason}")
    for (name, model), recorded in models.items():
        path = FOLDER / name / RECORDINGS
        if (name, model) not in failed:
            drop_stale(path, model, recorded.used)
            number = sum(pair[0].name == name and pair[0].model == model for pair in pairs)
            screen.write(f"{path}: {number} cases of {model}")
    if failed:
        raise typer.Exit(1)

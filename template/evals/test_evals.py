"""Your cases, tried on models: each says how a thread began, and what is expected from there.

    uv run pytest evals                                offline, on what `recordings.jsonl` holds
    EVAL_MODEL=PROVIDER:NAME uv run pytest evals       live: EVAL_SAMPLES=5 asks five times, and
                                                       EVAL_PASS_RATE=0.8 is content with four

A recording says which model it is of, and a case has to pass for each model that is recorded.
Those that are `scripted` are of none, but written by hand: where they are stale a case is skipped,
and once a model was recorded it fails.
"""

import asyncio
import gc
import warnings
from pathlib import Path

import pytest

from agent.app import application
from agent.engine import settings
from agent.engine.evals.cases import RECORDINGS, Case
from agent.engine.evals.reading import read_cases
from agent.engine.evals.verdicts import STALE, find_miss, is_scripted, replay
from agent.engine.log.errors import AgentError, Misconfigured
from agent.engine.runners.app import no_model

HERE = Path(__file__).parent
ALL = [(path.name, case) for path in sorted(HERE.glob("*/")) for case in read_cases(path)]

__test__ = bool(ALL)  # without a case there is no test, rather than one that is skipped


@pytest.mark.parametrize(("agent", "case"), ALL, ids=lambda one: getattr(one, "name", one))
def test_the_model_does_as_expected(agent: str, case: Case) -> None:
    model = settings.optional("EVAL_MODEL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # nobody closes a model's client
        try:
            problem = asyncio.run(live(agent, case, model) if model else offline(agent, case))
        except AgentError as error:
            problem = str(error)
        if model:
            gc.collect()
    if problem:
        pytest.fail(problem, pytrace=False)


async def offline(agent: str, case: Case) -> str:
    recordings = HERE / agent / RECORDINGS
    misses = await replay(application.build(no_model).ports.agents[agent], case, recordings)
    if not misses and is_scripted(recordings):
        pytest.skip(STALE)
    told = [f"{model}: {miss}" for model, miss in misses.items() if miss]
    return "\n".join(told) if misses else STALE


async def live(agent: str, case: Case, model: str) -> str:
    rate, samples = number("EVAL_PASS_RATE", 0, 1), int(number("EVAL_SAMPLES", 1, 1000))
    settings.load()
    one = application.build(lambda _: model).ports.agents[agent]
    answers = [await find_miss(one, case, one.llm) for _ in range(samples)]
    passed = answers.count("") / samples
    told = [f"{passed:.0%} as expected, {rate:.0%} should be", *sorted({*answers} - {""})]
    return "\n".join(told) if passed < rate else ""


def number(name: str, least: float, most: float) -> float:
    """Return a setting, 1 if it is not set."""
    text = settings.optional(name, "1")
    try:
        value = float(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise Misconfigured(f"{name}={text!r} is no number from {least} to {most}")
    return value

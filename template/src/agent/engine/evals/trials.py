"""Trials: each case on each model, so many at a time, with what it took.

Whatever fails is the verdict of one trial, and the others go on.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, Literal, Self

from ..context.window import Prompt
from ..log.errors import AgentError, ModelUnavailable, NotRecorded
from ..loop.outcome import attempt
from ..loop.ports import LLM, BoundAgent, Reply
from ..prices import Bill, Prices
from .cases import Case
from .verdicts import STALE, find_miss

Verdict = Literal["pass", "fail", "error"]
Key = tuple[str, str, str]
"""Agent, case and model."""

TRIAL_S = 3600.0
TRIES = 4
PATIENCE_S = 60.0
"""The longest that a trial waits because a provider asks it to."""


@dataclass(frozen=True)
class ModelCall:
    model: str
    """As the provider called it."""
    tokens: dict[str, int]
    seconds: float | None
    """Until the reply; None if it was replayed."""


@dataclass(frozen=True)
class Trial:
    agent: str
    case: str
    model: str
    """As in `MODEL`."""
    verdict: Verdict
    reason: str = ""
    calls: tuple[ModelCall, ...] = ()

    @property
    def key(self) -> Key:
        return self.agent, self.case, self.model


@dataclass(frozen=True)
class Totals:
    """What several trials come to."""

    passed: int
    trials: int
    bill: Bill
    latency_s: float | None
    """The median of the calls that were not replayed."""

    @classmethod
    def of(cls, trials: Iterable[Trial], prices: Prices) -> Self:
        trials, bill = list(trials), Bill(prices)
        for trial in trials:
            for call in trial.calls:
                bill.add(1, call.tokens, call.model, prices.find(trial.model))
        calls = [call.seconds for trial in trials for call in trial.calls]
        measured = [seconds for seconds in calls if seconds is not None]
        passed = sum(trial.verdict == "pass" for trial in trials)
        return cls(passed, len(trials), bill, median(measured) if measured else None)


async def try_all(
    pairs: Iterable[tuple[BoundAgent, Case]], concurrency: int, report: Callable[[Trial], None]
) -> None:
    """Try each case on the model of the agent beside it, and report each trial as it ends."""
    slots = asyncio.Semaphore(concurrency)

    async def run(agent: BoundAgent, case: Case) -> None:
        async with slots:
            report(await try_case(agent, case))

    async with asyncio.TaskGroup() as group:
        for agent, case in pairs:
            group.create_task(run(agent, case))


async def try_case(agent: BoundAgent, case: Case) -> Trial:
    """Try a case on the model of an agent."""
    meter = _Meter(agent.llm)
    outcome = await attempt(_judge, agent, case, meter, timeout_s=TRIAL_S)
    failed: tuple[Verdict, str] = ("error", outcome.error or "")
    verdict, reason = failed if outcome.error is not None else outcome.output
    return Trial(agent.name, case.name, agent.model, verdict, reason, tuple(meter.calls))


async def _judge(agent: BoundAgent, case: Case, llm: LLM) -> tuple[Verdict, str]:
    try:
        miss = await find_miss(agent, case, llm)
    except NotRecorded:
        return "error", STALE
    except AgentError as error:
        return "error", str(error)
    return ("fail", miss) if miss else ("pass", "")


@dataclass
class _Meter:
    """A model that measures each call, and asks again if the provider says when."""

    llm: LLM
    calls: list[ModelCall] = field(default_factory=list)

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        for tries_left in reversed(range(TRIES)):
            start = perf_counter()
            try:
                reply = await self.llm(prompt, schema)
                break
            except ModelUnavailable as error:
                pause_s = error.retry_after_s
                if not tries_left or pause_s is None or pause_s > PATIENCE_S:
                    raise
                await asyncio.sleep(pause_s)
        replayed = reply.model.startswith("recorded:")
        seconds = None if replayed else perf_counter() - start
        self.calls.append(ModelCall(reply.model, reply.tokens, seconds))
        return reply

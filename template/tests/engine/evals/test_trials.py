"""Trials: several at a time, each with what it took, and none spoils another."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.context.window import Prompt
from agent.engine.evals import trials
from agent.engine.evals.cases import Case
from agent.engine.evals.trials import Totals, Trial, try_all, try_case
from agent.engine.log.errors import ModelRefused, ModelUnavailable
from agent.engine.loop.ports import BoundAgent, Ports, Reply
from agent.engine.prices import Prices

from ..domain import Says, make_message, make_thread
from .lines import LOOK

CASE = Case("a", make_thread(make_message()), (LOOK,))


def bind(ports: Ports, llm: Any, model: str = "says:this") -> BoundAgent:
    return replace(ports.default, llm=llm, model=model)


def attempt(ports: Ports, *replies: Any) -> Trial:
    return asyncio.run(try_case(bind(ports, Says(*replies)), CASE))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelRefused("no key"), "no key"),
        (ModelUnavailable("429"), "429"),
        (ModelUnavailable("429", retry_after_s=1e6), "429"),
        (KeyError("choices"), "KeyError: 'choices'"),
    ],
)
def test_a_model_that_fails_is_the_error_of_its_case(
    error: Exception, reason: str, ports: Ports
) -> None:
    tried = attempt(ports, error)
    assert (tried.verdict, tried.reason, tried.calls) == ("error", reason, ())


def test_a_model_that_asks_to_wait_is_asked_again(ports: Ports) -> None:
    busy = ModelUnavailable("429", retry_after_s=0)
    assert attempt(ports, busy, busy, busy, LOOK).verdict == "pass"
    assert attempt(ports, *[busy] * trials.TRIES).verdict == "error"


def test_only_the_time_of_the_model_is_measured(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock moves only in the model, and while a trial waits for it to be free."""
    now = [0.0]
    monkeypatch.setattr(trials, "perf_counter", lambda: now[0])

    def busy() -> ModelUnavailable:
        now[0] += 100
        return ModelUnavailable("429", retry_after_s=0)

    async def fail() -> Any:
        return busy()

    async def think() -> Any:
        now[0] += 2
        return LOOK

    (call,) = attempt(ports, fail, think).calls
    assert (call.seconds, call.tokens, call.model) == (2.0, {"input": 10, "output": 5}, "says")


def test_no_more_than_so_many_are_tried_at_a_time(ports: Ports) -> None:
    running, most = 0, 0

    async def ask(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1
        return Reply(json.dumps({"next_step": LOOK}), {})

    done: list[Trial] = []
    pairs = [(bind(ports, ask), replace(CASE, name=str(number))) for number in range(9)]
    asyncio.run(try_all(pairs, 3, done.append))
    assert (len(done), most) == (9, 3)


def test_totals_add_up_what_models_took(ports: Ports) -> None:
    price = {"input": 1_000_000, "output": 0, "currency": "USD"}
    prices = Prices({"says:this": price})
    tried = [attempt(ports, LOOK), attempt(ports, "hm")]
    totals = Totals.of(tried, prices)
    assert (totals.passed, totals.trials, str(totals.bill)) == (1, 2, "20.00 USD")
    assert totals.latency_s is not None
    assert str(Totals.of([replace(each, model="b") for each in tried], Prices()).bill) == ""


def test_what_is_replayed_has_no_latency(ports: Ports) -> None:
    tried = attempt(ports, Reply(json.dumps({"next_step": LOOK}), {}, model="recorded:gpt"))
    assert Totals.of([tried], Prices()).latency_s is None

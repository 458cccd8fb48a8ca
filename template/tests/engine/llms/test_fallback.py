"""A second model answers while the first is away, says so, and never costs more in silence."""

from typing import Any

import pytest

from agent.engine.context.window import Prompt
from agent.engine.llms.fallback import (
    PROBE_S,
    Choice,
    FallbackLLM,
    check_prices,
    read_patience_s,
)
from agent.engine.log.errors import Misconfigured, ModelRefused, ModelUnavailable
from agent.engine.loop.ports import Reply

from .contract import PROMPT, STEPS

CHEAP = {"input": 1.0, "output": 2.0, "currency": "USD"}
DEAR = {"input": 1.0, "output": 3.0, "currency": "USD"}


class Model:
    """Answers with its name, or fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.failure: Exception | None = None
        self.asked = 0

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        self.asked += 1
        if self.failure:
            raise self.failure
        return Reply(self.name, {})


class Kitchen:
    """Two models, and a clock that moves when told."""

    def __init__(self) -> None:
        self.time = 0.0
        self.first, self.second = Model("a"), Model("b")
        choices = [Choice("x:a", self.first), Choice("y:b", self.second, CHEAP)]
        self.llm = FallbackLLM(choices, 60, lambda: self.time)

    async def ask(self) -> Reply:
        return await self.llm(PROMPT, STEPS.schema)

    async def is_away(self) -> bool:
        try:
            await self.ask()
        except ModelUnavailable:
            return True
        return False


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


async def test_the_first_model_answers_as_long_as_it_is_there(kitchen: Kitchen) -> None:
    reply = await kitchen.ask()
    assert (reply.text, reply.instead_of, kitchen.second.asked) == ("a", "", 0)


async def test_the_second_answers_once_the_first_was_away_for_long(kitchen: Kitchen) -> None:
    kitchen.first.failure = ModelUnavailable("a is away")
    assert await kitchen.is_away()
    kitchen.time = 59
    assert await kitchen.is_away()
    kitchen.time = 60
    reply = await kitchen.ask()
    assert (reply.text, reply.instead_of, reply.price) == ("b", "x:a", CHEAP)


async def test_a_model_that_is_away_is_asked_now_and_then_and_taken_back(kitchen: Kitchen) -> None:
    kitchen.first.failure = ModelUnavailable("a is away")
    for kitchen.time in (0.0, 60.0, 61.0, 62.0):
        if kitchen.time < 60:
            assert await kitchen.is_away()
        else:
            assert (await kitchen.ask()).text == "b"
    assert kitchen.first.asked == 2
    kitchen.first.failure = None
    assert (await kitchen.ask()).text == "b"
    kitchen.time = 60 + PROBE_S
    assert (await kitchen.ask()).text == "a"
    kitchen.first.failure = ModelUnavailable("a is away again")
    assert await kitchen.is_away(), "the time counts from now"


async def test_if_all_are_away_the_first_one_says_why(kitchen: Kitchen) -> None:
    kitchen.first.failure = ModelUnavailable("a is away", 7.0)
    kitchen.second.failure = ModelUnavailable("b is away")
    assert await kitchen.is_away()
    kitchen.time = 60
    with pytest.raises(ModelUnavailable, match="a is away") as raised:
        await kitchen.ask()
    assert raised.value.retry_after_s == 7.0


async def test_a_model_that_refuses_is_not_away(kitchen: Kitchen) -> None:
    kitchen.first.failure = ModelRefused("no key")
    kitchen.time = 1000
    with pytest.raises(ModelRefused, match="no key"):
        await kitchen.ask()
    assert kitchen.second.asked == 0


@pytest.mark.parametrize("other", [DEAR, {**CHEAP, "currency": "EUR"}])
def test_a_dearer_model_needs_a_word(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    choices = [Choice("x:a", Model("a"), CHEAP), Choice("y:b", Model("b"), other)]
    monkeypatch.delenv("MODEL_FALLBACK_DEARER", raising=False)
    with pytest.raises(Misconfigured, match=r"'y:b' may cost more than 'x:a'.*DEARER=yes"):
        check_prices(choices)
    monkeypatch.setenv("MODEL_FALLBACK_DEARER", "yes")
    check_prices(choices)


def test_an_unknown_price_is_said(caplog: pytest.LogCaptureFixture) -> None:
    check_prices([Choice("x:a", Model("a"), CHEAP), Choice("y:b", Model("b"))])
    assert "what falling back to 'y:b' costs is unknown" in caplog.text


def test_a_wrong_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_FALLBACK_AFTER_S", "soon")
    with pytest.raises(Misconfigured, match="MODEL_FALLBACK_AFTER_S='soon'"):
        read_patience_s()


async def test_a_model_that_comes_back_while_the_second_fails_is_no_crash(kitchen: Kitchen) -> None:
    kitchen.first.failure = ModelUnavailable("a is away")
    assert await kitchen.is_away()
    kitchen.time = 60

    async def fail_late(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        kitchen.llm._away.pop("x:a")  # as another call does that the first answers
        raise ModelUnavailable("b is away")

    choices = [kitchen.llm._choices[0], Choice("y:b", fail_late)]
    kitchen.llm._choices = choices
    with pytest.raises(ModelUnavailable, match="a is away"):
        await kitchen.ask()

"""What every model promises; the test of each adapter inherits it. Also the steps of the tests."""

import asyncio
import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from agent.engine.context.blocks import render_block
from agent.engine.context.window import Prompt
from agent.engine.llms.output import JsonSteps
from agent.engine.loop.ports import LLM, Reply
from agent.engine.loop.steps import Step


class Ingredient(BaseModel):
    title: str
    default: int = Field(default=1, ge=1, le=10)


class Search(Step):
    """Look a recipe up."""

    title: str = Field(min_length=1, pattern=r"\S", title="Called", examples=["soup"])
    intent: Literal["search"]


class Cook(Step):
    """Cook it."""

    intent: Literal["cook"]
    main: Ingredient = Field(description="What it is made of.")
    others: list[Ingredient] = Field(default_factory=list)
    minutes: int
    spice: float | None = None
    course: Literal["first", "second"]
    vegan: bool


class Serve(Step):
    intent: Literal["serve"]
    message: str


STEPS = JsonSteps(Search | Cook | Serve)

SERVE: dict[str, Any] = {"intent": "serve", "message": "It is ready."}
SEARCH: dict[str, Any] = {"intent": "search", "title": "leek soup"}
COOK: dict[str, Any] = {
    "intent": "cook",
    "main": {"title": "leek", "default": 2},
    "others": [],
    "minutes": 25,
    "spice": 0.5,
    "course": "first",
    "vegan": True,
}

PROMPT = Prompt(
    system="You cook.",
    blocks=(
        render_block("user_message", {"from": "ana", "text": "soup, please"}),
        render_block("search", {"intent": "search", "title": "soup"}),
        render_block("search_result", ["leek soup", "pea soup"]),
    ),
    seen=2,
    ask="What is the next step?",
    decisions=1,
)


def say(step: Any) -> str:
    """Return the reply of a model that follows its instructions."""
    return json.dumps({"next_step": step})


class LLMContract:
    @pytest.fixture
    def llm(self) -> LLM:
        """Return a model that always serves."""
        raise NotImplementedError

    async def test_a_reply_is_one_step(self, llm: LLM) -> None:
        reply = await llm(PROMPT, STEPS.schema)

        assert isinstance(reply, Reply)
        assert reply.stop == "end"
        assert STEPS.read(reply.text) == SERVE

    async def test_a_reply_names_the_model(self, llm: LLM) -> None:
        assert (await llm(PROMPT, STEPS.schema)).model

    async def test_tokens_are_counted_under_the_agreed_names_only(self, llm: LLM) -> None:
        tokens = (await llm(PROMPT, STEPS.schema)).tokens

        assert set(tokens) <= {"input", "output", "cached", "cache_write"}
        assert all(type(count) is int and count >= 0 for count in tokens.values())
        assert tokens.get("cached", 0) + tokens.get("cache_write", 0) <= tokens.get("input", 0)

    async def test_a_call_keeps_nothing_for_the_next(self, llm: LLM) -> None:
        first = await llm(PROMPT, STEPS.schema)

        both = await asyncio.gather(llm(PROMPT, STEPS.schema), llm(PROMPT, STEPS.schema))

        assert [reply.text for reply in both] == [first.text, first.text]

    async def test_a_call_leaves_the_schema_unchanged(self, llm: LLM) -> None:
        before = repr(STEPS.schema)

        await llm(PROMPT, STEPS.schema)

        assert repr(STEPS.schema) == before

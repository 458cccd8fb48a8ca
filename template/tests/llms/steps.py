"""The steps, prompts and replies that the tests of models share."""

import json
from typing import Any, Literal

from pydantic import BaseModel, Field

from agent.actions import Step
from agent.blocks import block
from agent.context import Prompt
from agent.llms.output import JsonSteps


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
        block("user_message", {"from": "ana", "text": "soup, please"}),
        block("search", {"intent": "search", "title": "soup"}),
        block("search_result", ["leek soup", "pea soup"]),
    ),
    seen=2,
    ask="What is the next step?",
)


def say(step: Any) -> str:
    """Return the reply of a model that does as it is told."""
    return json.dumps({"next_step": step})

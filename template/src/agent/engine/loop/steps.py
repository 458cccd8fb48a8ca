"""What a model may say: the shape of one tool call. The rest of the loop imports no Pydantic."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Step(BaseModel):
    """Base of every shape the model may answer with.

    Give each an `intent: Literal["its_name"]`; its docstring is read by the model.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    intent: str


class Summarize(Step):
    """Summarize what happened so far."""

    intent: Literal["summarize"]
    summary: str

"""What a caller may send.

Text is made safe before it is checked, so that NUL and lone surrogates neither fail nor get in.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ...events import safe

MAX_TEXT = 80_000
"""Characters; it fits into `problems.MAX_BODY` even if each of them is escaped."""

Safe = BeforeValidator(safe)
Text = Annotated[str, Safe, Field(max_length=MAX_TEXT)]
Said = Annotated[Text, Field(min_length=1, examples=["deploy the backend to staging"])]
Name = Annotated[str, Safe, Field(min_length=1, max_length=255)]
Verdict = Literal[
    "answer", "approve", "reject", "edit", "done", "continue", "stop", "happened", "retry", "abort"
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class After(_Request):
    after: Annotated[int, Field(ge=0)] = 0
    """Only events with a higher `seq`."""


class Most(_Request):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Which(Most):
    waiting: bool = False
    """Only those that wait for something."""


class NewThread(_Request):
    text: Said
    conversation: Annotated[Name | None, Field(examples=["ticket-42"])] = None
    """Your name for the thread: what you send under it later goes on with the same thread.
    Without it each Idempotency-Key begins a thread of its own."""


class NewMessage(_Request):
    text: Said


class Answer(_Request):
    verdict: Verdict
    """One of the wait's `verdicts`."""
    text: Annotated[Text, Field(examples=["yes, but not before noon"])] = ""
    digest: Annotated[str, Safe, Field(max_length=64)] = ""
    """To approve or edit: the wait's `digest`, so that you decide on the call you were shown."""
    call: Annotated[dict[str, Any], Safe] | None = None
    """To edit: the arguments that replace those of the call."""


class Cancellation(_Request):
    reason: Text = ""

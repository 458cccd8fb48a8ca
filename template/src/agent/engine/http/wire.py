"""What a caller of the API may send.

Text is made safe before it is checked, so that NUL and lone surrogates neither fail nor get in.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..index import Which
from ..log.events import make_safe
from ..loop.ports import Ports
from ..people.access import list_names

MAX_TEXT = 80_000
"""Characters; it fits into `problems.MAX_BODY` even if each of them is escaped."""

Safe = BeforeValidator(make_safe)
Text = Annotated[str, Safe, Field(max_length=MAX_TEXT)]
Said = Annotated[Text, Field(min_length=1, examples=["deploy the backend to staging"])]
Name = Annotated[str, Safe, Field(min_length=1, max_length=255)]
Verdict = Literal[
    "answer",
    "approve",
    "reject",
    "edit",
    "done",
    "failed",
    "continue",
    "stop",
    "happened",
    "retry",
    "abort",
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class After(_Request):
    after: Annotated[int, Field(ge=0)] = 0
    """Only events with a higher `seq`."""


class Most(_Request):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Asked(Most):
    mine: bool = False
    """Only waits that you may answer."""

    def choose(self, ports: Ports, person: str) -> Which:
        """Return the filter for the threads that a person may read."""
        return Which(list_names(ports, person), asked=person if self.mine else "")


class Listed(Asked):
    status: Literal["", "waiting", "running", "stalled", "finished"] = ""
    """`stalled` threads should run, but no process runs them; `finished` includes cancelled."""
    text: Annotated[Text, Field(examples=["staging"])] = ""
    """Only threads whose first message contains this."""

    def choose(self, ports: Ports, person: str) -> Which:
        return replace(super().choose(ports, person), status=self.status, text=self.text)


class NewMessage(_Request):
    text: Said


class NewThread(NewMessage):
    conversation: Annotated[Name | None, Field(examples=["ticket-42"])] = None
    """Your name for the thread: what you send under it later goes on with the same thread.
    Without it each Idempotency-Key starts a thread of its own."""
    agent: Annotated[Name | None, Field(examples=["deploy"])] = None
    """Whom a new thread is for; the default agent without it."""


class Answer(_Request):
    verdict: Verdict
    """One of the wait's `verdicts`."""
    text: Annotated[Text, Field(examples=["yes, but not before noon"])] = ""
    digest: Annotated[str, Safe, Field(max_length=64)] = ""
    """To approve: the wait's `digest`, so that you decide on the call you were shown. To edit: that
    of `POST …/preview`, or the wait's."""
    call: dict[str, Any] | None = None
    """To edit: the arguments as they are to be. What is left out has the default of the schema."""
    standing: bool = False
    """To approve: later calls with the values of the wait's `standing` too, in this thread."""


class Edit(_Request):
    call: dict[str, Any]
    """The arguments as they are to be. What is left out has the default of the schema."""


class Rating(_Request):
    rating: Literal["good", "bad"]
    text: Text = ""


class Cancellation(_Request):
    reason: Text = ""

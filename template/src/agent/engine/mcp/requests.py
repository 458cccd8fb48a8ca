"""What a client may send to each tool of the agent, and what the tools are called.

A docstring is the description that the client's model reads.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..log.events import make_safe

MAX_TEXT = 80_000
"""Characters; as in the API."""
MAX_WAIT_S = 50

_Safe = BeforeValidator(make_safe)
Text = Annotated[str, _Safe, Field(min_length=1, max_length=MAX_TEXT)]
Name = Annotated[str, _Safe, Field(min_length=1, max_length=255)]
Key = Annotated[str, Field(min_length=1, max_length=255, pattern="^[!-~]+$")]
ThreadId = Annotated[str, _Safe, Field(min_length=1, max_length=64)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Start(Request):
    """Give the agent a task. It is recorded, not done: follow it with wait_for."""

    text: Text
    """The task, in words."""
    key: Key
    """Your name for this one task, such as a UUID. The same key again starts nothing new."""
    agent: Name | None = None
    """The agent, if there are several."""


class Status(Request):
    """Show how a thread stands: its status, what it waits for, and its result."""

    thread: ThreadId


class WaitFor(Request):
    """Wait until a thread has ended or needs somebody, and show how it stands."""

    thread: ThreadId
    seconds: Annotated[float, Field(ge=0, le=MAX_WAIT_S)] = 30
    """How long to wait at most. Call again while the status is `running`."""


class Answer(Request):
    """Answer a question of the agent. Approvals, limits and doubts are for a person alone."""

    thread: ThreadId
    wait: Annotated[int, Field(ge=1)]
    """The `wait` of the question, as status shows it."""
    text: Text
    """The answer, in words."""


class ListWaiting(Request):
    """List what people are asked in the threads that you may read, last changed first."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20


def make_schema(request: type[Request]) -> dict[str, Any]:
    return request.model_json_schema()

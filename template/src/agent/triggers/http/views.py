"""What a caller is shown: small types of the wire, never the event itself."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...events import Call, Event
from ...state import VERDICTS, OpenWait
from ...thread import Thread

PAGE = 500
"""Events in one answer."""


class _Reply(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Problem(_Reply):
    detail: str
    """What is wrong and what to do now."""


class Health(_Reply):
    status: Literal["ok"] = "ok"


class Recorded(_Reply):
    id: str
    """The thread."""
    seq: int
    """The event that was recorded; what comes of it has a higher one."""


class EventView(_Reply):
    seq: int
    """Its place in the thread, from 1."""
    type: str
    actor: str
    at: datetime | None
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> "EventView":
        return cls(seq=event.seq, type=event.type, actor=event.actor, at=event.at, data=event.data)


class WaitView(_Reply):
    """What somebody is asked, and everything needed to answer."""

    thread: str
    wait: int
    kind: str
    text: str
    verdicts: list[str]
    """What may be answered."""
    audience: list[str]
    """Who may answer."""
    options: dict[str, Any] | None
    """How to ask a question: urgency, format, choices."""
    call: Call | None
    """What an approval or a doubt is about."""
    digest: str | None
    expires_at: datetime | None

    @classmethod
    def of(cls, thread: Thread, wait: OpenWait) -> "WaitView":
        return cls(
            thread=thread.id,
            wait=wait.seq,
            kind=wait.kind,
            text=wait.text,
            verdicts=sorted(VERDICTS.get(wait.kind, ())),
            audience=list(wait.audience),
            options=wait.data.get("options"),
            call=wait.data.get("call"),
            digest=wait.data.get("digest"),
            expires_at=wait.expires_at,
        )


class ThreadView(_Reply):
    id: str
    status: Annotated[str, Field(examples=["waiting:approval"])]
    """`running`, `waiting:<kind>`, `finished` or `cancelled`."""
    version: int
    """The `seq` of the last event."""
    owner: str
    """Who started it."""
    wait: WaitView | None
    events: list[EventView]
    next: int | None
    """Ask again with `after` set to it for more events; null when these were the last."""

    @classmethod
    def of(cls, thread: Thread, after: int) -> "ThreadView":
        state, page = thread.state, thread.events[after : after + PAGE]
        return cls(
            id=thread.id,
            status=state.status,
            version=state.version,
            owner=state.owner,
            wait=WaitView.of(thread, state.wait) if state.wait else None,
            events=[EventView.of(event) for event in page],
            next=page[-1].seq if page and page[-1].seq < state.version else None,
        )


class SummaryView(_Reply):
    model_config = ConfigDict(from_attributes=True)

    id: str
    status: str
    version: int
    created: datetime
    updated: datetime
    running: bool
    """A runner is at it this moment."""

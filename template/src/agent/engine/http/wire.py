"""What goes over the wire: what a caller may send, and what is shown; never the event itself.

Text is made safe before it is checked, so that NUL and lone surrogates neither fail nor get in.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..index import Summary, Which
from ..log.events import CallJson, make_safe
from ..log.state import VERDICTS, OpenWait, Standing
from ..log.thread import Thread
from ..loop.ports import Ports
from ..people.access import list_names

MAX_TEXT = 80_000
"""Characters; it fits into `problems.MAX_BODY` even if each of them is escaped."""
PAGE = 500
"""Events in one answer."""

Safe = BeforeValidator(make_safe)
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


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Recorded(_View):
    id: str
    """The thread."""
    seq: int
    """The event that was recorded; what comes of it has a higher one."""


class Preview(_View):
    """An edit as it would run."""

    call: CallJson
    digest: str
    """Send it with the verdict `edit`."""


class StandingView(_View):
    """An approval that holds for the whole thread."""

    approval: int
    """Its id: the event that gave it."""
    intent: str
    values: dict[str, Any]
    """It covers every call of the intent with these values."""
    by: str

    @classmethod
    def of(cls, standing: Standing) -> "StandingView":
        return cls(
            approval=standing.seq, intent=standing.intent, values=standing.values, by=standing.by
        )


class EventView(_View):
    seq: int
    """Its place in the thread, from 1."""
    type: str
    actor: str
    at: datetime | None
    data: dict[str, Any]


_FIELDS = ("options", "call", "digest", "standing", "limit", "error", "idempotency_key")
"""What a wait shows of its `paused` event."""


class WaitView(_View):
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
    call: CallJson | None
    """What an approval or a doubt is about."""
    digest: str | None
    standing: dict[str, Any] | None
    """The values for which an approval may be given for the whole thread; null where it may not."""
    limit: str | None
    """Which limit was reached: steps, errors, tokens or crashes; `model` if it refused."""
    error: str | None
    """The last error before the limit."""
    idempotency_key: str | None
    """Of a call whose outcome is unknown: the other system may know it."""
    expires_at: datetime | None

    @classmethod
    def of(cls, thread_id: str, wait: OpenWait) -> "WaitView":
        return cls(
            thread=thread_id,
            wait=wait.seq,
            kind=wait.kind,
            text=wait.text,
            verdicts=sorted(VERDICTS.get(wait.kind, ())),
            audience=list(wait.audience),
            expires_at=wait.expires_at,
            **{name: wait.data.get(name) for name in _FIELDS},
        )


class ThreadView(_View):
    id: str
    status: Annotated[str, Field(examples=["waiting:approval"])]
    """`running`, `waiting:<kind>`, `finished` or `cancelled`."""
    version: int
    """The `seq` of the last event."""
    owner: str
    """Who started it."""
    agent: str
    """Whose thread it is."""
    wait: WaitView | None
    standing: list[StandingView]
    """The approvals that hold for the whole thread."""
    problem: str
    """Why it cannot continue now; empty if it can."""
    next_try: datetime | None
    """When it is retried automatically."""
    events: list[EventView]
    next: int | None
    """Ask again with `after` set to it for more events; null when these were the last."""

    @classmethod
    def of(cls, thread: Thread, row: Summary | None, after: int, default: str) -> "ThreadView":
        state, page = thread.state, thread.events[after : after + PAGE]
        return cls(
            id=thread.id,
            status=state.status,
            version=state.version,
            owner=state.owner,
            agent=state.agent or default,
            wait=WaitView.of(thread.id, state.wait) if state.wait else None,
            standing=[StandingView.of(each) for each in state.standing],
            problem=row.problem if row else "",
            next_try=row.next_try if row else None,
            events=[EventView.model_validate(event) for event in page],
            next=page[-1].seq if page and page[-1].seq < state.version else None,
        )


class SummaryView(_View):
    id: str
    status: str
    agent: str
    """Whose thread it is."""
    version: int
    created: datetime
    updated: datetime
    running: bool
    """A runner is at it this moment."""
    problem: str
    """Why it cannot continue now; empty if it can."""
    next_try: datetime | None
    """When it is retried automatically."""

    @classmethod
    def of(cls, summary: Summary, default: str) -> "SummaryView":
        view = cls.model_validate(summary)
        return view.model_copy(update={"agent": summary.agent or default})

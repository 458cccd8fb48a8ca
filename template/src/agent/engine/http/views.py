"""What the API shows of threads and waits; never the event itself."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..index import Summary
from ..log.events import CallJson
from ..log.state import VERDICTS, OpenWait, Standing
from ..log.thread import Thread
from ..loop.delegate import list_children
from ..prices import Bill
from ..runners.app import App

PAGE = 500
"""Events in one answer."""


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


_FIELDS = (
    "options", "call", "digest", "standing", "limit", "error", "idempotency_key", "child"
)  # fmt: skip
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
    child: str | None
    """The thread whose end is waited for."""
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


class CostView(_View):
    """What the model calls of a thread cost, by the prices of the owner."""

    amounts: Annotated[dict[str, float], Field(examples=[{"USD": 0.0123}])]
    """By currency."""
    calls: int
    calls_without_price: int

    @classmethod
    def of(cls, bill: Bill) -> "CostView":
        amounts = {name: round(amount, 9) for name, amount in bill.amounts.items()}
        return cls(amounts=amounts, calls=bill.calls, calls_without_price=bill.unknown)


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
    parent: str
    """The thread that delegated its task to this one; empty if none did."""
    children: list[str]
    """The threads that this one delegated to, oldest first."""
    wait: WaitView | None
    standing: list[StandingView]
    """The approvals that hold for the whole thread."""
    problem: str
    """Why it cannot continue now; empty if it can."""
    next_try: datetime | None
    """When it is retried automatically."""
    cost: CostView
    events: list[EventView]
    next: int | None
    """Ask again with `after` set to it for more events; null when these were the last."""

    @classmethod
    def of(cls, thread: Thread, row: Summary | None, after: int, app: App) -> "ThreadView":
        state, page = thread.state, thread.events[after : after + PAGE]
        return cls(
            id=thread.id,
            status=state.status,
            version=state.version,
            owner=state.owner,
            agent=state.agent or app.ports.default.name,
            parent=state.parent,
            children=list_children(thread),
            wait=WaitView.of(thread.id, state.wait) if state.wait else None,
            standing=[StandingView.of(each) for each in state.standing],
            problem=row.problem if row else "",
            next_try=row.next_try if row else None,
            cost=CostView.of(Bill.of(app.prices, thread.events)),
            events=[EventView.model_validate(event) for event in page],
            next=page[-1].seq if page and page[-1].seq < state.version else None,
        )


class SummaryView(_View):
    id: str
    status: str
    agent: str
    """Whose thread it is."""
    parent: str
    """The thread that delegated its task to this one; empty if none did."""
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

"""A store and the memory store, given the same calls in any order: every answer has to agree."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from agent.engine.index import Session, Summary, Which, Worker
from agent.engine.log.errors import AgentError
from agent.engine.log.events import Event, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.store import Claim, Store
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import make_answer, make_delivery, make_message, make_pause, make_step
from ..examples import st

TICK_S = 0.001
"""Passes with each call, so that no two things happen at the same time."""
LEASE_S, LATER_S = 100.0, 50.0
PASSES_S = (30.0, 60.0, 200.0)
"""Far from the times above in any sum: a real clock goes on while the test thinks."""
BEFORE_S = 45.0

NAMES = st.sampled_from(("a", "ab", "B", "odd ' % _ \u00e9 \U0001f600"))
HOLDERS = st.sampled_from(("one", "two"))
CAUSES = st.sampled_from(("key", "quota"))
PEOPLE = ("ana", "bob", "heads", "anyone")
EVENTS = st.sampled_from(
    (
        make_message("Hello 100%"),
        make_message("other_ 'text'", "bob", agent="second"),
        make_message("from \\ outside", "hook:github"),
        replace(make_message("delivered once"), key="in:1"),
        make_step("look", at="x"),
        make_pause("question"),
        make_pause("timer", "anyone"),
        make_pause("approval", "bob", "heads", call={"intent": "charge", "amount": 500}),
        make_pause("limit", cause="key", problem="the key is wrong"),
        make_answer(2, "answer"),
        make_answer(2, "continue"),
        make_answer(2, "stop", "bob"),
        make_delivery(1),
        make_event("finished", message="bye"),
        make_event("cancelled", "ana", reason=""),
        make_event("forked", "bob", thread="x", seq=1),
    )
)
FILTERS = st.builds(
    Which,
    names=st.none() | st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3).map(tuple),
    status=st.sampled_from(("", "waiting", "running", "stalled", "finished")),
    asked=st.sampled_from(("", "ana", "heads")),
    text=st.sampled_from(("", "hello", "100%", "_", "'", "\\")),
    prefix=st.sampled_from(("", "a", "odd '")),
    stopped=st.none() | st.booleans(),
)

Pair = tuple[Thread, Thread]
"""One version of a thread, as the memory store returned it and as the other one did."""
Call = Callable[[Store, Thread], Awaitable[Any]]
NOTHING: Pair = (Thread(""), Thread(""))


class Model(MemoryStore):
    """Says what a claim may choose from: threads that are due equally long are in no order."""

    def list_first_due(self, holder: str) -> set[str]:
        own = {name for name, row in self._rows.items() if row.holder == holder}
        due = {
            name: row.wake_at
            for name, row in self._rows.items()
            if row.wake_at is not None and row.wake_at <= self._clock() and not self._is_held(row)
        }
        return own or {name for name, at in due.items() if at == min(due.values())}


class Agreement(RuleBasedStateMachine):
    threads: Bundle[Pair] = Bundle("threads")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.model = Model(self.clock, self.clock.uptime)
        self.readers = frozenset[str]()
        self.numbers = count()
        self.loop = asyncio.Runner()
        self.store = self.loop.run(self.open())
        for store in (self.model, self.store):
            store.list_readers = self.list_readers

    async def open(self) -> Store:
        """Open an empty store."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close it."""
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        self.clock.tick(seconds)

    async def list_readers(self, thread: Thread) -> frozenset[str]:
        return thread.state.people | self.readers

    def teardown(self) -> None:
        self.loop.run(self.close())
        self.loop.close()

    def ask(self, call: Call, pair: Pair = NOTHING) -> tuple[Any, Any]:
        """Make a call of both stores, which return, or raise the same kind of error."""
        self.clock.tick(TICK_S)
        outcomes = [
            self.loop.run(_try(call, store, thread))
            for store, thread in zip((self.model, self.store), pair, strict=True)
        ]
        errors = [each if isinstance(each, type) else None for each in outcomes]
        assert errors[0] == errors[1]
        return (outcomes[0], outcomes[1])

    def compare(self, call: Call) -> None:
        expected, found = self.ask(call)
        assert found == expected

    def keep(self, pair: tuple[Any, Any]) -> Any:
        """Remember a version that both stores returned, which has to be the same."""
        if isinstance(pair[0], type):
            return multiple()
        assert _read(pair[1]) == _read(pair[0])
        return pair

    # The log

    @rule(target=threads, name=NAMES, events=st.lists(EVENTS, min_size=1, max_size=3))
    def start(self, name: str, events: list[Event]) -> Any:
        return self.keep(self.ask(lambda store, _: store.append(Thread(name), *_once(events))))

    @rule(target=threads, pair=threads, events=st.lists(EVENTS, min_size=1, max_size=3))
    def append(self, pair: Pair, events: list[Event]) -> Any:
        call: Call = lambda store, thread: store.append(thread, *_once(events))  # noqa: E731
        return self.keep(self.ask(call, pair))

    @rule(target=threads, name=NAMES)
    def load(self, name: str) -> Any:
        return self.keep(self.ask(lambda store, _: store.load(name)))

    @rule(pair=threads)
    def forget(self, pair: Pair) -> None:
        self.ask(lambda store, thread: store.forget(thread), pair)
        self.compare(lambda store, _: store.find_deliveries(pair[0].id))

    # Leases and time

    @rule(seconds=st.sampled_from(PASSES_S))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(holder=HOLDERS, name=st.none() | NAMES)
    def claim(self, holder: str, name: str | None) -> None:
        self.clock.tick(TICK_S)
        due = {name} if name else self.model.list_first_due(holder)
        found = self.loop.run(self.store.claim(holder, LEASE_S, name))
        chosen = found.thread_id if found else next(iter(due), "")
        assert not found or chosen in due
        expected = self.loop.run(self.model.claim(holder, LEASE_S, chosen)) if due else None
        assert found == expected

    @rule(holders=st.lists(HOLDERS, max_size=2))
    def renew(self, holders: list[str]) -> None:
        self.ask(lambda store, _: store.renew(holders, LEASE_S))

    @rule(
        pair=threads,
        holder=HOLDERS,
        held=st.booleans(),
        wake_in_s=st.sampled_from((None, -TICK_S, LATER_S)),
        problem=st.sampled_from(("", "the model is away")),
    )
    def release(
        self, pair: Pair, holder: str, held: bool, wake_in_s: float | None, problem: str
    ) -> None:
        """Release a thread, which somebody else may hold unless it is claimed first."""

        async def call(store: Store, thread: Thread) -> Claim | None:
            claim = await store.claim(holder, LEASE_S, thread.id) if held else None
            at = None if wake_in_s is None else await store.now() + timedelta(seconds=wake_in_s)
            await store.release(holder, thread, at, 2, problem)
            return claim

        expected, found = self.ask(call, pair)
        assert found == expected

    # Lists

    @invariant()
    def lists_agree(self) -> None:
        self.compare(lambda store, _: _summarize(store, Which(), 100))

    @rule(which=FILTERS, limit=st.sampled_from((1, 2, 100)), old=st.booleans())
    def filter(self, which: Which, limit: int, old: bool) -> None:
        async def call(store: Store, _: Thread) -> Any:
            cut = await store.now() - timedelta(seconds=BEFORE_S) if old else None
            meant = replace(which, before=cut)
            waits = await store.waits(meant, limit)
            asked = [(each.thread.id, each.paused.seq, each.paused.data) for each in waits]
            return await _summarize(store, meant, limit), asked

        self.compare(call)

    @rule(after=NAMES, limit=st.integers(1, 3))
    def list_ids(self, after: str, limit: int) -> None:
        self.compare(lambda store, _: store.ids(after, limit))

    @rule()
    def count(self) -> None:
        async def call(store: Store, _: Thread) -> Any:
            counts = await store.count_threads()
            return {(one.agent, one.status, one.running, one.number) for one in counts}

        self.compare(call)

    @rule(readers=st.sets(st.sampled_from(("heads", "anyone"))))
    def change_policy(self, readers: set[str]) -> None:
        self.readers = frozenset(readers)

    @rule(pair=threads)
    def reindex(self, pair: Pair) -> None:
        self.ask(lambda store, thread: store.reindex(thread), pair)

    # Causes, sessions and processes

    @rule(cause=CAUSES, by=HOLDERS)
    def claim_notice(self, cause: str, by: str) -> None:
        self.compare(lambda store, _: store.claim_notice(cause, LEASE_S, by))

    @rule(name=NAMES)
    def find_release(self, name: str) -> None:
        self.compare(lambda store, _: store.find_release(name))

    @rule()
    def use_session(self) -> None:
        number = next(self.numbers)

        async def call(store: Store, _: Thread) -> Any:
            at = await store.now()
            for name, lasts_s in (("over", -TICK_S), ("short", LEASE_S), ("closed", LEASE_S)):
                until = at + timedelta(seconds=lasts_s)
                await store.open_session(Session(f"{name}{number}", "proof", until))
            await store.close_session(f"closed{number}")
            kept = [await store.find_session(f"{name}{number}") for name in ("over", "short")]
            return [each and each.id for each in kept]

        self.compare(call)

    @rule(name=HOLDERS, lasts_s=st.sampled_from((0.0, LEASE_S)))
    def announce(self, name: str, lasts_s: float) -> None:
        async def call(store: Store, _: Thread) -> Any:
            await store.announce(Worker(name, {"test": "says:this"}, [["steps", 1]]), lasts_s)
            return await store.workers()

        self.compare(call)


async def _try(call: Call, store: Store, thread: Thread) -> Any:
    try:
        return await call(store, thread)
    except AgentError as error:
        return type(error)


def _once(events: list[Event]) -> list[Event]:
    """Leave out events with a key that another one has."""
    keys = [event.key for event in events]
    return [one for place, one in enumerate(events) if not one.key or one.key not in keys[:place]]


def _read(thread: Thread) -> Any:
    return thread.id, [replace(event, at=None) for event in thread.events]


async def _summarize(store: Store, which: Which, limit: int) -> Any:
    now, rows = await store.now(), await store.threads(which, limit)
    return [_summarize_row(row, now) for row in rows]


def _summarize_row(row: Summary, now: datetime) -> Any:
    """Return what has to agree: each store has a clock of its own."""
    next_try = row.next_try and round((row.next_try - now).total_seconds() / 10)
    about = (row.id, row.status, row.agent, row.owner, row.title, row.version)
    return (*about, row.running, row.problem, next_try)

"""A fact gets in whatever happens meanwhile; a pause freezes who may answer."""

from datetime import timedelta
from typing import Any

import pytest

from agent.errors import Conflict, Refused, Unavailable
from agent.events import Event, event
from agent.record import fact, pause, responsible
from agent.stores.memory import MemoryStore
from agent.thread import Thread

from .domain import Says, World, agent_of, past, said, stored, told, types


class Shaky(MemoryStore):
    """Fails as it is told to, one word an operation: "conflict", "away" or "lost" (it was
    stored, and the answer never came back)."""

    def __init__(self, **fails: list[str]) -> None:
        super().__init__()
        self.fails = fails

    async def load(self, thread_id: str) -> Thread:
        if self._next("load") == "away":
            raise Unavailable("away")
        return await super().load(thread_id)

    async def append(self, thread: Thread, *events: Event) -> Thread:
        fails = self._next("append")
        if fails == "conflict":
            raise Conflict("somebody was faster")
        if fails == "away":
            raise Unavailable("away")
        grown = await super().append(thread, *events)
        if fails == "lost":
            raise Unavailable("lost")
        return grown

    def _next(self, operation: str) -> str:
        words = self.fails.get(operation, [])
        return words.pop(0) if words else ""


async def test_a_fact_is_appended_to_whatever_the_thread_has_become(store: MemoryStore) -> None:
    old = await stored(store, said())
    await store.append(old, said("more"))
    grown = await fact(store, old, lambda _: told(1))
    assert types(grown) == ["message", "message", "delivered"]


async def test_a_fact_is_made_anew_for_each_version(store: MemoryStore) -> None:
    old = await stored(store, said())
    await store.append(old, said("more"))
    seen: list[int] = []

    def make(thread: Thread) -> Event:
        seen.append(thread.state.version)
        return told(1)

    await fact(store, old, make)
    assert seen == [1, 2]


async def test_a_fact_whose_key_is_there_already_is_not_repeated(store: MemoryStore) -> None:
    thread = await fact(store, await stored(store, said()), lambda _: told(1))
    assert await fact(store, thread, lambda _: told(1)) == thread
    assert await fact(store, await stored(store, said(), thread_id="u"), lambda _: told(1))


async def test_a_fact_may_be_refused_and_then_nothing_is_written(store: MemoryStore) -> None:
    thread = await stored(store, said())

    def no(thread: Thread) -> Event:
        raise Refused("no")

    with pytest.raises(Refused):
        await fact(store, thread, no)
    assert await store.load("t") == thread


@pytest.mark.parametrize(
    "fails",
    [
        {"append": ["", "away"]},
        {"append": ["", "lost"]},
        {"append": ["", "conflict", "conflict"]},
        {"append": ["", "conflict"], "load": ["away"]},
    ],
    ids=["away", "the answer was lost", "conflicts", "away after a conflict"],
)
async def test_a_fact_is_not_lost_because_the_store_is_away_for_a_moment(
    fails: dict[str, list[str]],
) -> None:
    store = Shaky(**fails)
    old = await stored(store, said())
    await fact(store, old, lambda _: told(1))
    assert types(await store.load("t")) == ["message", "delivered"]


async def test_a_store_that_stays_away_is_said_to_be_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.record.PATIENCE_S", -1)
    store = Shaky(append=["", "away"])
    with pytest.raises(Unavailable):
        await fact(store, await stored(store, said()), lambda _: told(1))


@pytest.mark.parametrize(
    ("audience", "frozen"),
    [
        (("owner",), ["ana"]),
        (("owner", "bob", "ana"), ["ana", "bob"]),
        (("anyone",), ["anyone"]),
        ((), []),
    ],
)
async def test_who_may_answer_is_frozen_with_the_question(
    audience: tuple[str, ...], frozen: list[str], store: MemoryStore, world: World
) -> None:
    agent = agent_of(store, Says(), world)
    thread = await pause(agent, await stored(store, said()), "question", "?", audience)
    assert thread.events[-1].data["audience"] == frozen


async def test_a_pause_ends_by_the_clock_of_the_store(store: MemoryStore, world: World) -> None:
    agent = agent_of(store, Says(), world)
    thread = await stored(store, said())
    timer = await pause(agent, thread, "timer", "a nap", ("anyone",), 60)
    assert timer.state.wait is not None
    assert timer.state.wait.expires_at == await store.now() + timedelta(seconds=60)


async def test_a_pause_is_a_decision_and_gives_way(store: MemoryStore, world: World) -> None:
    agent = agent_of(store, Says(), world)
    old = await stored(store, said())
    await store.append(old, said("wait"))
    with pytest.raises(Conflict):
        await pause(agent, old, "question", "?", ("ana",))


@pytest.mark.parametrize(
    ("owner", "asked"), [("ana", "ana"), ("slack:U1", "slack:U1"), ("cron:x", "anyone")]
)
def test_where_nobody_is_named_whoever_started_the_thread_is_responsible(
    owner: str, asked: str
) -> None:
    assert responsible(past(said(actor=owner))) == (asked,)


def test_an_event_of_a_pause_carries_what_it_is_about() -> None:
    about: dict[str, Any] = {"options": {"urgency": "high"}}
    assert past(said(), event("paused", kind="question", **about)).state.wait

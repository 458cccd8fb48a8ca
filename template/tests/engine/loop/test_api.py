"""Every way in: a fact gets in whatever happens meanwhile, an answer only if it fits."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.engine.log.errors import Conflict, Forgotten, Refused, ThreadNotFound, Unavailable
from agent.engine.log.events import CallJson, Event, compute_digest, make_event
from agent.engine.log.state import VERDICTS
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Finish, Run
from agent.engine.loop.api import (
    append_message,
    cancel,
    fork,
    launch,
    name_thread,
    rate,
    resume,
    revoke,
)
from agent.engine.loop.clock import keep_time
from agent.engine.loop.deletion import forget
from agent.engine.loop.ports import Ports
from agent.engine.loop.record import MAX_PAUSE_S, append_fact, make_wait, resolve_audience
from agent.engine.redaction import redact_store
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    Done,
    Says,
    World,
    advance,
    build_ports,
    list_types,
    make_answer,
    make_delivery,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    make_thread,
    store_thread,
)

# -- facts and pauses --


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


class Redacting(Shaky):
    """Keeps no word that anybody wrote."""

    async def append(self, thread: Thread, *events: Event) -> Thread:
        words = {"text": "***", "reason": "***"}
        kept = [{name: words.get(name, each.data[name]) for name in each.data} for each in events]
        redacted = [replace(each, data=data) for each, data in zip(events, kept, strict=True)]
        return await super().append(thread, *redacted)


@pytest.mark.parametrize("kind", [Shaky, Redacting])
@pytest.mark.parametrize(
    "act",
    [
        lambda ports: cancel(ports, "t", actor="ana", reason="enough"),
        lambda ports: resume(ports, "t", 2, "answer", actor="ana", text="yes"),
        lambda ports: rate(ports, "t", 3, "good", actor="ana"),
        lambda ports: append_message(ports, "t", "hi", actor="ana", delivery="d", source="test"),
    ],
    ids=["cancel", "answer", "rate", "message"],
)
async def test_a_request_is_recognized_though_the_store_s_answer_was_lost(
    act: Callable[[Ports], Awaitable[Thread]], kind: type[Shaky], world: World
) -> None:
    """It was stored, so the second attempt neither fails nor is stored again."""
    store = kind(append=["", "lost"])
    pause = make_pause("question")
    before = await store_thread(store, make_message(), pause, make_step("look"))
    ports = build_ports(store, Says(), world)
    if kind is Redacting:
        ports = replace(ports, redact=lambda _: "***")
    done = await act(ports)
    assert done.state.version == before.state.version + 1
    assert await store.load("t") == done


async def test_a_thread_that_ended_otherwise_cannot_be_cancelled_again(
    ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, make_message())
    await cancel(ports, "t", actor="ana")
    with pytest.raises(Refused, match="cancelled already"):
        await cancel(ports, "t", actor="bob")
    await say(ports, "2")
    await advance(ports, await store.load("t"))
    with pytest.raises(Refused, match="finished already"):
        await cancel(ports, "t", actor="ana")


async def test_a_request_to_fork_is_one_copy_however_often_it_arrives(
    ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, make_message())
    copies = [
        await fork(ports, "t", 1, actor="ana", delivery=delivery) for delivery in ("1", "1", "2")
    ]
    assert copies[0] == copies[1] != copies[2]
    assert len(await store.ids()) == 3


async def test_the_answer_of_another_is_not_taken_for_one_s_own() -> None:
    store = Shaky(append=["", "", "away"])
    old = await store_thread(store, make_message(), make_pause("question"))
    await store.append(old, make_event("resumed", "bob", "answer:2", wait=2, verdict="answer"))

    def answer(newest: Thread) -> Event:
        if newest.state.wait is None:
            raise Refused("it is answered already")
        return make_event("resumed", "ana", "answer:2", wait=2, verdict="answer")

    with pytest.raises(Refused):
        await append_fact(store, old, answer)


async def test_two_events_that_are_alike_are_both_stored() -> None:
    store = Shaky(append=["", "away"])
    spent = make_event("discarded", tokens={"input": 7})
    thread = await store_thread(store, make_message(), spent)
    grown = await append_fact(store, thread, lambda _: spent)
    assert list_types(grown) == ["message", "discarded", "discarded"]


async def test_a_reply_that_was_discarded_is_counted_once() -> None:
    store = Shaky(append=["", "lost"])
    thread = await store_thread(store, make_message())
    spent = make_event("discarded", tokens={"input": 7})
    grown = await append_fact(store, thread, lambda _: spent)
    assert list_types(grown) == ["message", "discarded"]


async def test_a_fact_is_appended_to_whatever_the_thread_has_become(store: MemoryStore) -> None:
    old = await store_thread(store, make_message())
    await store.append(old, make_message("more"))
    grown = await append_fact(store, old, lambda _: make_delivery(1))
    assert list_types(grown) == ["message", "message", "delivered"]


async def test_a_fact_is_made_anew_for_each_version(store: MemoryStore) -> None:
    old = await store_thread(store, make_message())
    await store.append(old, make_message("more"))
    seen: list[int] = []

    def make(thread: Thread) -> Event:
        seen.append(thread.state.version)
        return make_delivery(1)

    await append_fact(store, old, make)
    assert seen == [1, 2]


async def test_a_fact_whose_key_is_there_already_is_not_repeated(store: MemoryStore) -> None:
    thread = await append_fact(
        store, await store_thread(store, make_message()), lambda _: make_delivery(1)
    )
    assert await append_fact(store, thread, lambda _: make_delivery(1)) == thread
    assert await append_fact(
        store, await store_thread(store, make_message(), thread_id="u"), lambda _: make_delivery(1)
    )


async def test_a_fact_may_be_refused_and_then_nothing_is_written(store: MemoryStore) -> None:
    thread = await store_thread(store, make_message())

    def no(thread: Thread) -> Event:
        raise Refused("no")

    with pytest.raises(Refused):
        await append_fact(store, thread, no)
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
    old = await store_thread(store, make_message())
    await append_fact(store, old, lambda _: make_delivery(1))
    assert list_types(await store.load("t")) == ["message", "delivered"]


async def test_a_store_that_stays_away_is_said_to_be_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.engine.loop.record.PATIENCE_S", -1)
    store = Shaky(append=["", "away"])
    with pytest.raises(Unavailable):
        await append_fact(
            store, await store_thread(store, make_message()), lambda _: make_delivery(1)
        )


async def pause(ports: Ports, thread: Thread, *asked: Any, **about: Any) -> Thread:
    event = await make_wait(ports, thread, *asked, **about)
    return await ports.store.append(thread, event)


@pytest.mark.parametrize(
    ("audience", "frozen"),
    [
        (("owner",), ["ana"]),
        (("owner", "bob", "ana"), ["ana", "bob"]),
        (("anyone",), ["anyone"]),
    ],
)
async def test_who_may_answer_is_frozen_with_the_question(
    audience: tuple[str, ...], frozen: list[str], store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(), world)
    thread = await pause(
        ports, await store_thread(store, make_message()), "question", "?", audience
    )
    assert thread.events[-1].data["audience"] == frozen


@pytest.mark.parametrize(
    ("asked_s", "lasts_s"),
    [(60, 60), (-(10**30), 0), (1e300, MAX_PAUSE_S), (10**30, MAX_PAUSE_S), (float("nan"), 0)],
)
async def test_a_pause_ends_by_the_clock_of_the_store_whatever_a_model_asks_for(
    asked_s: float, lasts_s: float, store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(), world)
    thread = await store_thread(store, make_message())
    timer = await pause(ports, thread, "timer", "a nap", ("anyone",), asked_s)
    assert timer.state.wait is not None
    assert timer.state.wait.expires_at == await store.now() + timedelta(seconds=lasts_s)


async def test_a_pause_is_a_decision_and_gives_way(store: MemoryStore, world: World) -> None:
    ports = build_ports(store, Says(), world)
    old = await store_thread(store, make_message())
    await store.append(old, make_message("wait"))
    with pytest.raises(Conflict):
        await pause(ports, old, "question", "?", ("ana",))


@pytest.mark.parametrize(
    ("owner", "asked"), [("ana", "ana"), ("slack:U1", "slack:U1"), ("cron:x", "anyone")]
)
def test_the_owner_is_whoever_started_the_thread_or_is_responsible(
    owner: str, asked: str, ports: Ports
) -> None:
    assert resolve_audience(ports, make_thread(make_message(actor=owner)), ("owner",)) == [asked]


def test_an_event_of_a_pause_carries_what_it_is_about() -> None:
    about: dict[str, Any] = {"options": {"urgency": "high"}}
    assert make_thread(make_message(), make_event("paused", kind="question", **about)).state.wait


CALL: CallJson = {"intent": "charge", "amount": 500}
DIGEST = compute_digest(CALL)


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    return build_ports(store, Says({"intent": "done", "message": "bye"}), world)


async def asking(store: MemoryStore, kind: str = "approval", *audience: str, **data: Any) -> int:
    """Store a thread that waits, and return the id of its wait."""
    before = [make_message(), make_step(**CALL), *([make_start(2)] if kind == "in_doubt" else [])]
    await store_thread(store, *before, make_pause(kind, *audience, call=CALL, **data))
    return len(before) + 1


# Messages.


async def say(ports: Ports, delivery: str = "1", **changes: Any) -> Thread:
    told_by = {"actor": "ana", "source": "slack", "reply_to": "slack:C1", **changes}
    return await launch(ports, "t", "hello", delivery=delivery, **told_by)


async def test_a_message_begins_a_thread_and_the_next_one_goes_on(ports: Ports) -> None:
    thread = await say(ports)
    where = {"source": "slack", "reply_to": "slack:C1", "agent": "test"}
    assert thread.event(1).data == {"text": "hello", **where}
    assert (thread.event(1).actor, thread.event(1).key) == ("ana", "in:1")
    assert list_types(await say(ports, "2")) == ["message", "message"]


async def test_one_delivery_is_one_message_however_often_and_from_wherever_it_comes(
    ports: Ports, store: MemoryStore
) -> None:
    threads = await asyncio.gather(*[say(ports, reply_to="poll:") for _ in range(8)])
    assert {thread.id for thread in threads} == {"t"}
    await advance(ports, await store.load("t"))
    again = await say(ports, reply_to="poll:")
    assert list_types(again).count("message") == 1
    assert again.state.status == "finished"


async def test_a_message_that_was_lost_on_its_first_try_is_taken_on_its_second(
    ports: Ports, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.engine.loop.record.PATIENCE_S", -1)
    append, fails = store.append, [Unavailable("full")]

    async def full_once(thread: Thread, *events: Event) -> Thread:
        if fails:
            raise fails.pop()
        return await append(thread, *events)

    monkeypatch.setattr(store, "append", full_once)
    with pytest.raises(Unavailable):
        await say(ports)
    assert list_types(await say(ports)) == ["message"]


@pytest.mark.parametrize("status", ["finished", "cancelled"])
async def test_a_message_reopens_a_thread(status: str, ports: Ports, store: MemoryStore) -> None:
    end = (
        make_event("finished", message="bye")
        if status == "finished"
        else make_event("cancelled", "ana")
    )
    await store_thread(store, make_message(), end)
    thread = await append_message(ports, "t", "more", actor="bob", delivery="2", source="user")
    assert thread.state.status == "running"
    assert thread.state.owner == "ana"
    assert thread.events[-1].data == {"text": "more", "source": "user"}


async def test_a_message_by_id_needs_a_thread(ports: Ports) -> None:
    with pytest.raises(ThreadNotFound):
        await append_message(ports, "nobody", "hi", actor="ana", delivery="1", source="user")


async def test_a_delivery_of_any_bytes_is_stored_once(ports: Ports) -> None:
    assert await say(ports, "\0\udcff<") == await say(ports, "\0\udcff<")


@pytest.mark.parametrize(
    "other",
    [("http", "a", "b"), ("slack", "a:b", ""), ("slack", "", "a:b"), ("slack", 'a", "b', "")],
)
def test_no_conversation_can_name_the_thread_of_another(other: tuple[str, str, str]) -> None:
    assert name_thread("slack", "a", "b") == name_thread("slack", "a", "b")
    assert name_thread(*other) != name_thread("slack", "a", "b")


def test_a_conversation_has_the_same_thread_in_every_version_of_the_code() -> None:
    assert name_thread("slack", "T1:C1", "1.2") == "af9ed409-4c6a-5994-9b37-1797ab4bf4b4"


# Answers.


@pytest.mark.parametrize("kind", VERDICTS)
@pytest.mark.parametrize("verdict", sorted({*set().union(*VERDICTS.values()), "expired", "yes"}))
async def test_a_wait_is_closed_by_a_verdict_that_fits_its_kind(
    kind: str, verdict: str, ports: Ports, store: MemoryStore
) -> None:
    wait = await asking(store, kind)
    before = await store.load("t")
    edited = {"intent": "charge", "amount": 400}
    answer = resume(ports, "t", wait, verdict, actor="ana", digest=DIGEST, call=edited, text="ok")
    if verdict in VERDICTS[kind]:
        thread = await answer
        assert thread.state.wait is None
        last = thread.events[-1]
        assert (last.actor, last.key, last.data["text"]) == ("ana", f"answer:{wait}", "ok")
    else:
        with pytest.raises(Refused, match=f"does not answer this {kind}"):
            await answer
        assert await store.load("t") == before


@pytest.mark.parametrize(
    ("audience", "actor", "allowed"),
    [
        ((), "ana", True),
        ((), "bob", False),
        (("bob", "eve"), "eve", True),
        (("bob",), "ana", False),
        (("anyone",), "slack:U1", True),
        (("owner",), "owner", True),
        (("ana",), "Ana", False),
        (("ana",), "slack:ana", False),
        (("ana",), "", False),
    ],
)
async def test_only_whom_the_wait_names_may_answer(
    audience: tuple[str, ...], actor: str, allowed: bool, ports: Ports, store: MemoryStore
) -> None:
    wait = await asking(store, "approval", *audience)
    answer = resume(ports, "t", wait, "approve", actor=actor, digest=DIGEST)
    if allowed:
        assert (await answer).events[-1].actor == actor
        return
    with pytest.raises(Refused, match=r"is not asked; .* may answer"):
        await answer
    assert (await store.load("t")).state.status == "waiting:approval"


@pytest.mark.parametrize(
    ("verdict", "shown", "allowed"),
    [
        ("approve", DIGEST, True),
        ("approve", "", False),
        ("approve", compute_digest({**CALL, "amount": 5}), False),
        ("edit", DIGEST, True),
        ("edit", "", False),
        ("edit", DIGEST[:-1], False),
        ("reject", "", True),
    ],
)
async def test_an_approval_is_one_of_exactly_the_call_that_was_shown(
    verdict: str, shown: str, allowed: bool, ports: Ports, store: MemoryStore
) -> None:
    wait = await asking(store)
    answer = resume(ports, "t", wait, verdict, actor="ana", digest=shown, call={"amount": 400})
    if allowed:
        await answer
        return
    with pytest.raises(Refused, match="not the call you were shown"):
        await answer
    assert (await store.load("t")).state.status == "waiting:approval"


@pytest.mark.parametrize(
    ("edited", "reason"),
    [
        (None, "nothing else"),
        ({"intent": "put", "value": "x"}, "nothing else"),
        ({"intent": "charge", "amount": "a lot"}, "not valid"),
        ({"intent": "charge"}, "not valid"),
        ({"intent": "charge", "amount": 1, "to": "eve"}, "not valid"),
        ({}, "not valid"),
    ],
)
async def test_an_edit_changes_arguments_and_nothing_else(
    edited: dict[str, Any] | None, reason: str, ports: Ports, store: MemoryStore
) -> None:
    wait = await asking(store)
    with pytest.raises(Refused, match=reason):
        await resume(ports, "t", wait, "edit", actor="ana", digest=DIGEST, call=edited)
    assert (await store.load("t")).state.status == "waiting:approval"


@pytest.mark.parametrize("edited", [{"amount": 400}, {"intent": "charge", "amount": 400}])
async def test_a_valid_edit_is_the_call_from_now_on(
    edited: dict[str, Any], ports: Ports, store: MemoryStore
) -> None:
    wait = await asking(store)
    thread = await resume(ports, "t", wait, "edit", actor="ana", digest=DIGEST, call=edited)
    assert thread.state.step is not None
    assert thread.state.step.call == {"intent": "charge", "amount": 400}


async def test_an_edit_that_would_be_cut_is_refused(ports: Ports, store: MemoryStore) -> None:
    call = {"intent": "put", "value": "x"}
    await store_thread(store, make_message(), make_step(**call), make_pause("approval", call=call))
    long = {"value": "x" * 150_000}
    with pytest.raises(Refused):
        await resume(ports, "t", 3, "edit", actor="ana", digest=compute_digest(call), call=long)


CLOSED: dict[str, tuple[list[Event], str]] = {
    "answered": ([make_answer(3, "approve", "bob")], "already closed: approve by bob"),
    "expired": ([make_answer(3, "expired", "system")], "already closed: expired by system"),
    "answered, and another one after it": (
        [
            make_answer(3, "reject", "bob"),
            make_pause("question"),
            make_answer(5, "answer"),
        ],
        "already closed: reject by bob",
    ),
    "superseded": ([make_message("no")], "not waiting"),
    "cancelled": ([make_event("cancelled", "ana")], "not waiting"),
    "replaced": (
        [make_message("no"), make_step(**CALL), make_pause("approval", call=CALL)],
        "not waiting",
    ),
}


@pytest.mark.parametrize("case", CLOSED.values(), ids=CLOSED)
async def test_an_answer_to_a_closed_wait_is_refused_with_the_reason(
    case: tuple[list[Event], str], ports: Ports, store: MemoryStore
) -> None:
    later, reason = case
    await asking(store)
    before = await store.append(await store.load("t"), *later)
    with pytest.raises(Refused, match=reason):
        await resume(ports, "t", 3, "approve", actor="ana", digest=DIGEST)
    assert await store.load("t") == before


@pytest.mark.parametrize("wait", [0, 1, 2, 99, -1])
async def test_only_the_id_of_the_open_wait_is_its_id(
    wait: int, ports: Ports, store: MemoryStore
) -> None:
    await asking(store)
    with pytest.raises(Refused):
        await resume(ports, "t", wait, "approve", actor="ana", digest=DIGEST)


async def test_of_two_people_the_first_one_wins_and_the_other_learns_who_was_first(
    ports: Ports, store: MemoryStore
) -> None:
    wait = await asking(store, "approval", "ana", "bob")
    answers = [
        resume(ports, "t", wait, "approve", actor=actor, digest=DIGEST) for actor in ("ana", "bob")
    ]
    first, second = await asyncio.gather(*answers, return_exceptions=True)
    assert isinstance(first, Thread)
    assert isinstance(second, Refused)
    assert "by ana" in str(second)


async def test_one_button_pressed_twice_is_one_answer(ports: Ports, store: MemoryStore) -> None:
    wait = await asking(store)
    await resume(ports, "t", wait, "approve", actor="ana", digest=DIGEST)
    again = await resume(ports, "t", wait, "approve", actor="ana", digest=DIGEST)
    assert list_types(again).count("resumed") == 1
    assert again == await store.load("t")


async def test_an_edit_cannot_go_around_those_whose_leave_the_edited_call_needs(
    store: MemoryStore, world: World
) -> None:
    def decide(step: Any, thread: Thread) -> Action:
        if isinstance(step, Done):
            return Finish(step.message)
        return Run(world.charge, approvers=("boss",) if step.amount > 1000 else ("ana",))

    ports = build_ports(store, Says({"intent": "done", "message": "bye"}), world, decide=decide)
    wait = await asking(store, "approval", "ana")
    with pytest.raises(Refused, match="the edited call needs the approval of boss"):
        await resume(
            ports, "t", wait, "edit", actor="ana", digest=DIGEST, call={"amount": 1_000_000}
        )
    await advance(ports, await store.load("t"))
    assert world.effects("charge") == []


# Requests that are sent again.


REQUESTS: dict[str, Callable[[Ports], Awaitable[Thread]]] = {
    "message": lambda ports: append_message(
        ports, "t", "hi", actor="ana", delivery="2", source="test"
    ),
    "answer": lambda ports: resume(ports, "t", 3, "approve", actor="ana", digest=DIGEST, text="ok"),
    "edit": lambda ports: resume(
        ports, "t", 3, "edit", actor="ana", digest=DIGEST, call={"amount": 400}
    ),
    "cancel": lambda ports: cancel(ports, "t", actor="ana", reason="enough"),
    "revoke": lambda ports: revoke(ports, "u", 4, actor="ana"),
    "fork": lambda ports: fork(ports, "t", 3, actor="ana", delivery="1"),
    "deletion": lambda ports: _forget(ports),
}


async def _forget(ports: Ports) -> Thread:
    await forget(ports, "t", actor="ana", cancelling=True)
    return Thread("t")


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_a_request_whose_answer_was_lost_for_long_is_answered_when_it_is_sent_again(
    request_: Callable[[Ports], Awaitable[Thread]], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stored, and whoever sent it read that the store is away."""
    monkeypatch.setattr("agent.engine.loop.record.PATIENCE_S", -1)
    store = Shaky(append=["", "", "lost"])
    ports = replace(build_ports(store, Says(), world), redact=lambda text: f"<{text}>")
    redact_store(store, ports.redact)
    await asking(store)
    scope = {"intent": "charge", "values": {}}
    given = make_answer(3, "approve", standing=scope)
    before = [make_message(), make_step(**CALL), make_pause("approval", call=CALL), given]
    await store_thread(store, *before, thread_id="u")
    with pytest.raises(Unavailable):
        await request_(ports)
    stored = [await store.load(name) for name in await store.ids()]
    again = await request_(ports)
    assert again in [*stored, Thread("t")]
    assert [await store.load(name) for name in await store.ids()] in (stored, stored[1:])


@pytest.mark.parametrize(
    ("again", "why"),
    [
        ({"actor": "bob"}, "already closed: approve by ana"),
        ({"verdict": "reject"}, "already closed: approve by ana"),
        ({"text": "not ok"}, "already closed: approve by ana"),
        ({"digest": compute_digest({"intent": "charge"})}, "already closed: approve by ana"),
        ({"standing": True}, "already closed: approve by ana"),
    ],
    ids=["person", "verdict", "text", "digest", "standing"],
)
async def test_another_answer_than_the_one_that_counts_is_refused(
    again: dict[str, Any], why: str, ports: Ports, store: MemoryStore
) -> None:
    first: dict[str, Any] = {"verdict": "approve", "actor": "ana", "text": "ok", "digest": DIGEST}
    wait = await asking(store, "approval", "ana", "bob")
    await resume(ports, "t", wait, **first)
    with pytest.raises(Refused, match=why):
        await resume(ports, "t", wait, **first | again)


# Expiry.


async def expiring(store: MemoryStore, kind: str = "approval") -> int:
    over = await store.now() + timedelta(seconds=60)
    return await asking(store, kind, expires_at=over.isoformat())


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("approval", "expired"), ("question", "expired"), ("job", "expired"), ("timer", "done")],
)
async def test_a_wait_whose_time_is_over_is_closed_by_the_system(
    kind: str, verdict: str, ports: Ports, store: MemoryStore, clock: Clock
) -> None:
    wait = await expiring(store, kind)
    assert (await keep_time(ports, await store.load("t"))).state.wait is not None
    clock.tick(60)
    thread = await keep_time(ports, await store.load("t"))
    last = thread.events[-1]
    assert (last.actor, last.key) == ("system", f"answer:{wait}")
    assert last.data == {"wait": wait, "verdict": verdict}
    assert await keep_time(ports, thread) == thread


async def test_an_approval_that_comes_too_late_is_refused_and_the_call_does_not_run(
    ports: Ports, store: MemoryStore, clock: Clock, world: World
) -> None:
    wait = await expiring(store)
    clock.tick(61)
    with pytest.raises(Refused, match="already closed: expired by system"):
        await resume(ports, "t", wait, "approve", actor="ana", digest=DIGEST)
    await advance(ports, await store.load("t"))
    assert world.effects("charge") == []


async def test_of_approval_and_expiry_exactly_one_wins_and_the_log_says_which(
    ports: Ports, store: MemoryStore, clock: Clock
) -> None:
    wait = await expiring(store)
    stale = await store.load("t")
    approved = await resume(ports, "t", wait, "approve", actor="ana", digest=DIGEST)
    clock.tick(61)
    assert await keep_time(ports, stale) == approved
    assert [each.data["verdict"] for each in approved.events if each.type == "resumed"] == [
        "approve"
    ]


async def test_a_clock_that_jumps_back_closes_nothing_and_reorders_nothing(
    ports: Ports, store: MemoryStore, clock: Clock
) -> None:
    await expiring(store)
    clock.tick(-3600)
    thread = await append_message(ports, "t", "hm", actor="ana", delivery="2", source="user")
    assert [each.seq for each in thread.events] == [1, 2, 3, 4]


# The end, and another beginning.


async def test_cancelling_ends_a_thread_once(ports: Ports, store: MemoryStore) -> None:
    await asking(store)
    thread = await cancel(ports, "t", actor="ana", reason="enough")
    assert (thread.state.status, thread.state.wait, thread.state.outbox) == ("cancelled", None, ())
    assert thread.events[-1].data == {"reason": "enough"}
    assert await cancel(ports, "t", actor="ana", reason="enough") == thread
    with pytest.raises(Refused, match="cancelled already"):
        await cancel(ports, "t", actor="ana", reason="too late")


async def test_a_thread_that_was_reopened_can_be_cancelled_again(
    ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, make_message())
    await cancel(ports, "t", actor="ana")
    await append_message(ports, "t", "go on", actor="ana", delivery="2", source="user")
    assert (await cancel(ports, "t", actor="ana")).state.status == "cancelled"


async def test_a_finished_thread_has_nothing_to_cancel(ports: Ports, store: MemoryStore) -> None:
    await store_thread(
        store, make_message(), make_step("done"), make_event("finished", message="bye")
    )
    with pytest.raises(Refused, match="finished already"):
        await cancel(ports, "t", actor="ana")


DONE_ONCE = [make_message(), make_step("look", at="x"), make_start(2), make_result(2)]
OPEN = [make_step(**CALL), make_pause("approval", call=CALL), make_delivery(6)]


@pytest.mark.parametrize(
    ("events", "at", "kept"),
    [
        (DONE_ONCE, 4, 4),
        (DONE_ONCE, 3, 1),
        (DONE_ONCE, 2, 1),
        (DONE_ONCE, 1, 1),
        ([*DONE_ONCE, *OPEN], 7, 4),
        ([*DONE_ONCE, *OPEN, make_answer(6, "approve")], 8, 4),
        ([*DONE_ONCE, *OPEN, make_answer(6, "reject")], 8, 8),
        ([*DONE_ONCE, make_step(**CALL), make_start(5), make_message("and?")], 7, 4),
        ([*DONE_ONCE, make_step(**CALL), make_start(5), make_event("cancelled", "ana")], 7, 4),
        ([*DONE_ONCE, make_step("done"), make_event("finished", message="bye")], 6, 6),
        ([make_message(), make_pause("limit")], 2, 2),
    ],
)
async def test_a_fork_is_cut_back_to_before_its_open_step(
    events: list[Event], at: int, kept: int, ports: Ports, store: MemoryStore, clock: Clock
) -> None:
    origin = await store_thread(store, *events)
    clock.tick(3600)
    copy = await fork(ports, "t", at, actor="bob", delivery="1")
    assert copy.id != "t"
    assert copy.events[:-1] == origin.events[:kept]
    assert copy.events[-1].data == {"thread": "t", "seq": at}
    assert copy.state.step is None
    assert (copy.state.owner, copy.state.reply_to, copy.state.outbox) == ("bob", "poll:", ())
    assert await store.load("t") == origin


async def test_a_fork_repeats_no_effect(ports: Ports, store: MemoryStore, world: World) -> None:
    ran = [make_message(), make_step(intent="charge", amount=5), make_start(2)]
    await store_thread(store, *ran)
    thread = await advance(ports, await fork(ports, "t", 3, actor="bob", delivery="1"))
    assert world.effects("charge") == []
    assert thread.state.status == "finished"


async def test_a_fork_of_a_waiting_thread_can_be_answered_by_whoever_made_it(
    ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_pause("limit"))
    copy = await fork(ports, "t", 2, actor="bob", delivery="1")
    said_on = await append_message(
        ports, copy.id, "go on", actor="bob", delivery="1", source="user"
    )
    assert said_on.state.status == "running"


@pytest.mark.parametrize("at", [0, -1, 5])
async def test_a_fork_begins_at_an_event_of_its_thread(
    at: int, ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, *DONE_ONCE)
    with pytest.raises(Refused, match="not one of the events 1 to 4"):
        await fork(ports, "t", at, actor="bob", delivery="1")


async def test_nothing_is_left_of_a_thread_that_begins_with_an_open_step(
    ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, make_step(**CALL))
    with pytest.raises(Refused, match="nothing is left of the thread before event 1"):
        await fork(ports, "t", 1, actor="bob", delivery="1")


async def test_a_person_rates_a_step(ports: Ports, store: MemoryStore) -> None:
    await store_thread(store, *DONE_ONCE)
    for rating in ("good", "bad"):
        rated = (await rate(ports, "t", 2, rating, actor="bob", text="hm")).events[-1]
        assert (rated.type, rated.actor) == ("rated", "bob")
        assert rated.data == {"step": 2, "rating": rating, "text": "hm"}


@pytest.mark.parametrize(
    ("step", "rating", "why"), [(2, "fine", "good or bad"), (1, "good", "event 1 is not a step")]
)
async def test_a_rating_is_good_or_bad_and_of_a_step(
    step: int, rating: str, why: str, ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, *DONE_ONCE)
    with pytest.raises(Refused, match=why):
        await rate(ports, "t", step, rating, actor="bob")


@pytest.mark.parametrize("way", ["resume", "cancel", "fork"])
async def test_what_is_asked_of_no_thread_is_said_to_be_so(way: str, ports: Ports) -> None:
    ways = {
        "resume": lambda: resume(ports, "nobody", 3, "approve", actor="ana"),
        "cancel": lambda: cancel(ports, "nobody", actor="ana"),
        "fork": lambda: fork(ports, "nobody", 1, actor="ana", delivery="1"),
    }
    with pytest.raises(ThreadNotFound, match="nobody"):
        await ways[way]()


async def test_a_late_delivery_is_known_whatever_its_key_holds(ports: Ports) -> None:
    said: dict[str, Any] = {"actor": "ana", "delivery": "\0\ud800", "source": "test"}
    await launch(ports, "t", "hello", **said)
    await cancel(ports, "t", actor="ana")
    await forget(ports, "t", actor="ana")
    with pytest.raises(Forgotten):
        await launch(ports, "t", "hello", **said)

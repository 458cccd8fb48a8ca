"""A thread that cannot go on says why, and people are asked where waiting does not mend it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.context.window import Prompt
from agent.engine.log.errors import ModelRefused, Unavailable
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.api import resume
from agent.engine.loop.clock import keep_time
from agent.engine.loop.ports import Ports, Reply, Sent
from agent.engine.loop.record import format_reason
from agent.engine.people.waiting import list_waits
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    Shown,
    World,
    build_ports,
    list_types,
    make_message,
    make_pause,
    rebind,
    store_thread,
)

NO_KEY = "openai:gpt rejected the API key (401). Check OPENAI_API_KEY."


class Model:
    """Fails as long as it has a failure, then ends."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure
        self.asked = 0

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        self.asked += 1
        if self.failure:
            raise self.failure
        return Reply('{"next_step": {"intent": "done", "message": "ok"}}', {})


class Bell:
    """A channel that counts its notices."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.away = False

    async def send(self, thread: Any, event: Any) -> Sent:
        if self.away:
            raise Unavailable("the line is dead")
        self.rung.append(thread.id)
        return Sent()


async def run(ports: Ports, seconds: float = 0.1) -> None:
    """Let a runner work for a while."""
    working = asyncio.create_task(LocalRunner(ports, poll_s=0.01).work())
    await asyncio.sleep(seconds)
    working.cancel()
    await asyncio.wait({working})


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("it broke.", "It broke."),
        ("two\nlines", "Two lines."),
        ("see x_", "See x_."),
        ("openai:gpt is away", "openai:gpt is away."),
    ],
)
def test_a_reason_is_a_sentence_on_one_line(why: str, text: str) -> None:
    assert format_reason(why) == text


def test_a_long_reason_is_cut_and_still_one_line() -> None:
    text = format_reason("all of it broke " * 1000)
    assert "characters cut" in text
    assert "\n" not in text


async def test_what_waiting_does_not_mend_is_asked(store: MemoryStore, world: World) -> None:
    model = Model(ModelRefused(NO_KEY))
    ports = build_ports(store, model, world, responsible=("head",))
    await store_thread(store, make_message())
    await run(ports)
    thread = await store.load("t")
    wait = thread.state.wait
    assert wait
    assert (wait.kind, wait.audience, model.asked) == ("limit", ("head",), 1)
    assert wait.data["problem"] == NO_KEY
    assert NO_KEY not in wait.data["cause"], "a table of causes keeps no texts"
    assert wait.text == f"Go on? {NO_KEY}"
    assert (thread.state.errors, thread.state.steps) == (0, 0), "it is charged nothing"
    (row,) = await store.threads()
    assert (row.problem, row.next_try) == (NO_KEY, None)


async def test_one_notice_and_one_word_are_for_all_that_stopped(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    model, bell = Model(ModelRefused(NO_KEY)), Bell()
    ports = build_ports(store, model, world, channel=bell, responsible=("head",))
    names = [f"t{number}" for number in range(20)]
    for name in names:
        await store_thread(store, make_message(), thread_id=name)
    await run(ports)
    assert {row.status for row in await store.threads()} == {"waiting:limit"}
    assert len(bell.rung) == 1
    model.failure = None
    clock.tick(1)
    wait = (await store.load("t3")).state.wait
    assert wait
    await resume(ports, "t3", wait.seq, "continue", actor="head")
    await run(ports)
    assert {row.status for row in await store.threads()} == {"finished"}
    for name in names:
        (answer,) = (e for e in (await store.load(name)).events if e.type == "resumed")
        by = answer.data.get("released_by", answer.actor)
        assert (by, answer.data["verdict"]) == ("head", "continue")


async def test_what_stops_it_again_is_asked_again_and_said_once_an_hour(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    model, bell = Model(ModelRefused(NO_KEY)), Bell()
    ports = build_ports(store, model, world, channel=bell)
    await store_thread(store, make_message())
    for passed_s, notices in ((0, 1), (60, 1), (3600, 2)):
        clock.tick(passed_s)
        await run(ports)
        wait = (await store.load("t")).state.wait
        assert wait
        assert len(bell.rung) == notices
        clock.tick(1)
        await resume(ports, "t", wait.seq, "continue", actor="ana")


async def test_a_notice_that_did_not_arrive_is_sent_again(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    model, bell = Model(ModelRefused(NO_KEY)), Bell()
    bell.away = True
    ports = build_ports(store, model, world, channel=bell)
    await store_thread(store, make_message())
    await run(ports)
    assert bell.rung == []
    bell.away = False
    clock.tick(60)
    await run(ports)
    assert len(bell.rung) == 1


async def stop_two(store: MemoryStore, world: World) -> tuple[Ports, Model]:
    """Return an agent whose two threads `a` and `b` wait, and its model, which is mended."""
    model = Model(ModelRefused(NO_KEY))
    ports = build_ports(store, model, world)
    for name in "ab":
        await store_thread(store, make_message(), thread_id=name)
    await run(ports)
    model.failure = None
    return ports, model


async def test_all_threads_continue_though_nobody_learned_that_the_answer_was_stored(
    store: MemoryStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, _ = await stop_two(store, world)
    monkeypatch.setattr("agent.engine.loop.record.PATIENCE_S", -1)
    append = store.append

    async def lose_answer(thread: Thread, *events: Event) -> Thread:
        await append(thread, *events)
        raise Unavailable("the answer of the store is lost")

    monkeypatch.setattr(store, "append", lose_answer)
    with pytest.raises(Unavailable):
        await resume(ports, "a", 2, "continue", actor="ana")
    monkeypatch.setattr(store, "append", append)
    await run(ports)
    assert {row.status for row in await store.threads()} == {"finished"}


async def test_all_threads_continue_though_the_clock_was_set_back_since_they_stopped(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    ports, _ = await stop_two(store, world)
    clock.jump(-3600)
    await resume(ports, "a", 2, "continue", actor="ana")
    await run(ports)
    assert {row.status for row in await store.threads()} == {"finished"}


async def test_a_thread_continues_whose_people_are_still_notified_that_it_stopped(
    store: MemoryStore, world: World
) -> None:
    """Its runner puts it to rest when that is done."""
    shown = Shown()
    model = Model(ModelRefused(NO_KEY))
    ports = build_ports(store, model, world, channel=shown)
    for name in "ab":
        await store_thread(store, make_message(), thread_id=name)
    await LocalRunner(ports).finish("a")

    async def continue_other(event: Event) -> None:
        if event.type == "paused" and model.failure:
            model.failure = None
            await resume(ports, "a", 2, "continue", actor="ana")

    shown.meanwhile = continue_other
    store._notices.clear()  # people are notified of this one, too
    await run(ports)
    assert {row.status for row in await store.threads()} == {"finished"}


async def test_another_cause_is_another_notice_and_needs_another_word(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    model, bell = Model(ModelRefused(NO_KEY)), Bell()
    ports = build_ports(store, model, world, channel=bell)
    await store_thread(store, make_message(), thread_id="a")
    await run(ports)
    model.failure = ModelRefused("no quota left")
    await store_thread(store, make_message(), thread_id="b")
    await run(ports)
    assert len(bell.rung) == 2
    clock.tick(1)
    wait = (await store.load("a")).state.wait
    assert wait
    await resume(ports, "a", wait.seq, "continue", actor="ana")
    await run(ports)
    assert list_types(await store.load("b")).count("resumed") == 0


async def test_stopping_a_thread_releases_no_other(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    ports = build_ports(store, Model(ModelRefused(NO_KEY)), world)
    for name in "ab":
        await store_thread(store, make_message(), thread_id=name)
    await run(ports)
    clock.tick(1)
    wait = (await store.load("a")).state.wait
    assert wait
    await resume(ports, "a", wait.seq, "stop", actor="ana")
    await keep_time(ports, await store.load("b"))
    assert "resumed" not in list_types(await store.load("b"))


async def test_what_passes_by_itself_is_listed_and_goes_on(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    model = Model(Unavailable("openai:gpt is unavailable (503).", 30))
    ports = build_ports(store, model, world)
    await store_thread(store, make_message())
    await run(ports)
    (row,) = await store.threads()
    assert (row.status, row.problem) == ("running", "openai:gpt is unavailable (503).")
    assert row.next_try
    assert (row.next_try - await store.now()).total_seconds() == pytest.approx(30)
    model.failure = None
    clock.tick(31)
    await run(ports)
    (row,) = await store.threads()
    assert (row.status, row.problem, row.next_try) == ("finished", "", None)


async def test_whoever_continues_the_threads_of_others_does_not_become_their_reader(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    model = Model(ModelRefused(NO_KEY))
    ports = build_ports(store, model, world)
    for name in ("ana", "bob"):
        await store_thread(store, make_message(actor=name), thread_id=name)
    await run(ports)
    model.failure = None
    clock.tick(1)
    await resume(ports, "bob", 2, "continue", actor="bob")
    await run(ports)
    anas = await store.load("ana")
    assert anas.state.status == "finished"
    assert anas.state.people == {"ana"}
    resumed = next(event for event in anas.events if event.type == "resumed")
    assert (resumed.actor, resumed.data["released_by"]) == ("system", "bob")


async def test_only_who_may_answer_a_wait_continues_it(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    """Two agents with the same wrong key, for which other people are responsible."""
    model, bell = Model(ModelRefused(NO_KEY)), Bell()
    ports = build_ports(store, model, world, channel=bell, responsible=("head",), also=("second",))
    second = replace(ports.agents["second"], responsible=("bob",))
    ports = replace(ports, agents={**ports.agents, "second": second})
    for name, agent in (("one", "test"), ("two", "second")):
        await store_thread(store, make_message(agent=agent), thread_id=name)
    await run(ports)
    assert sorted(bell.rung) == ["one", "two"], "the people of both agents are notified"
    clock.tick(1)
    model.failure = None
    await resume(ports, "one", 2, "continue", actor="head")
    await run(ports)
    statuses = {row.id: row.status for row in await store.threads()}
    assert statuses == {"one": "finished", "two": "waiting:limit"}


async def test_a_release_by_somebody_who_is_no_longer_responsible_does_not_count(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    model = Model(ModelRefused(NO_KEY))
    ports = build_ports(store, model, world, responsible=("head",))
    await store_thread(store, make_message(), thread_id="one")
    await run(ports)
    later = rebind(ports, responsible=("bob",))
    await store_thread(store, make_message(), thread_id="two")
    await run(later)
    clock.tick(1)
    model.failure = None
    await resume(later, "one", 2, "continue", actor="head")
    await run(later)
    assert (await store.load("two")).state.status == "waiting:limit"


async def test_a_thousand_threads_that_stopped_hide_no_question(
    store: MemoryStore, clock: Clock
) -> None:
    question = make_pause("question")
    await store_thread(store, make_message(), question, thread_id="asks")
    for number in range(20):
        wait = make_pause("limit", cause=f"cause {number % 2}", problem="no key")
        clock.tick(1)
        await store_thread(store, make_message(), wait, thread_id=f"t{number}")
    found = await list_waits(store, limit=10)
    assert {(waiting.thread.id, others) for waiting, others in found} == {
        ("t19", 4), ("t18", 4), ("asks", 0),
    }  # fmt: skip


class StandIn(Model):
    """Answers in place of another model."""

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return replace(await super().__call__(prompt, schema), instead_of="a", model="b")


async def test_those_responsible_read_once_an_hour_that_another_model_stands_in(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    shown = Shown()
    ports = build_ports(store, StandIn(None), world, channel=shown, responsible=("head",))
    for name in "ab":
        await store_thread(store, make_message(), thread_id=name)
        await run(ports)
    clock.tick(3601)
    await store_thread(store, make_message(), thread_id="c")
    await run(ports)
    notices = [event.data for event in shown.sent if event.type == "notice"]
    text = "a is not available. b answers in its place until it is back."
    assert [(data["text"], data["audience"]) for data in notices] == [(text, ["head"])] * 2
    assert list_types(await store.load("b")).count("delivered") == 2

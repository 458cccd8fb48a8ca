"""The runner of this process: leases, back-off, wake-ups, stops, and threads that kill it."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.engine import Call
from agent.engine.context.window import Prompt
from agent.engine.log.errors import Unavailable
from agent.engine.log.events import CallJson, Event, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Finish, Run
from agent.engine.loop.advance import MAX_DELIVERIES
from agent.engine.loop.api import cancel, launch, resume
from agent.engine.loop.ports import Ports, Reply, Sent
from agent.engine.loop.store import Claim
from agent.engine.runners.local import MAX_BACK_OFF_S, MAX_CRASHES, LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    Done,
    Says,
    Shown,
    World,
    build_ports,
    list_types,
    make_delivery,
    make_message,
    make_pause,
    make_step,
    rebind,
    store_thread,
)

DONE = {"intent": "done", "message": "bye"}
CALL = {"intent": "charge", "amount": 5}
RISKY: CallJson = {"intent": "charge", "amount": 500}
ASK = {"intent": "ask_person", "question": "which?"}


class WatchedStore(MemoryStore):
    """Records claims and releases, and advances its clock when leases are renewed."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, clock.uptime)
        self.clock = clock
        self.claims: list[Claim] = []
        self.releases: list[tuple[str, datetime | None, int]] = []
        self.renewed = list[int]()
        """How many leases each renewal had."""
        self.tick_s = 0.0
        """How much time passes at each renewal."""
        self.look_s = 0.0
        """How much time passes at each claim."""
        self.patience = 200

    async def claim(self, holder: str, ttl_s: float, thread_id: str | None = None) -> Claim | None:
        self.clock.tick(self.look_s)
        self.patience -= 1
        assert self.patience, "it claims forever"
        claim = await super().claim(holder, ttl_s, thread_id)
        if claim:
            self.claims.append(claim)
        return claim

    async def release(
        self,
        holder: str,
        thread: Thread,
        wake_at: datetime | None,
        attempts: int,
        problem: str = "",
    ) -> None:
        await super().release(holder, thread, wake_at, attempts, problem)
        self.releases.append((thread.id, wake_at, attempts))

    async def renew(self, holders: Sequence[str], ttl_s: float) -> None:
        await super().renew(holders, ttl_s)
        self.renewed.append(len(holders))
        self.clock.tick(self.tick_s)


@pytest.fixture
def store(clock: Clock) -> WatchedStore:
    return WatchedStore(clock)


@asynccontextmanager
async def start_working(runner: LocalRunner) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(runner.work())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def wait_until(condition: Any) -> None:
    """Let other tasks run until `condition()` is true; fail after many turns."""
    for turn in range(2000):
        if condition():
            return
        await asyncio.sleep(0 if turn < 100 else 0.001)
    raise AssertionError("it never became true")


def make_finishing_model() -> Any:
    """Return a model that always finishes."""

    async def say(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return Reply(json.dumps({"next_step": DONE}), {"input": 1, "output": 1})

    return say


def status(store: MemoryStore, thread_id: str = "t") -> str:
    return store._rows[thread_id].thread.state.status


# One thread


async def test_a_thread_in_back_off_can_be_finished_at_once(
    store: WatchedStore, world: World
) -> None:
    runner = LocalRunner(build_ports(store, Says(Unavailable("429", 600), DONE), world))
    await store_thread(store, make_message())
    with pytest.raises(Unavailable):
        await runner.finish("t")
    assert (await runner.finish("t")).state.status == "finished"


# Many threads


async def test_the_constructor_sets_the_concurrency(store: WatchedStore, world: World) -> None:
    now, most = 0, 0
    go = asyncio.Event()

    async def slow(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await go.wait()
        now -= 1
        return Reply(json.dumps({"next_step": DONE}), {})

    for number in range(5):
        await store_thread(store, make_message(), thread_id=str(number))
    async with start_working(LocalRunner(build_ports(store, slow, world), concurrency=2)):
        await wait_until(lambda: now == 2)
        go.set()
        await wait_until(lambda: all(status(store, str(n)) == "finished" for n in range(5)))
    assert most == 2


async def test_a_hint_wakes_a_runner_before_its_next_poll(
    store: WatchedStore, world: World
) -> None:
    ports = build_ports(store, make_finishing_model(), world)
    runner = LocalRunner(ports, poll_s=3600)
    async with start_working(runner):
        await wait_until(lambda: store.patience < 200)
        await launch(ports, "t", "hi", actor="ana", delivery="1", source="user")
        runner.wake("t")
        await wait_until(lambda: status(store) == "finished")


async def test_a_lost_hint_delays_a_thread_until_the_next_poll(
    store: WatchedStore, world: World
) -> None:
    ports = build_ports(store, make_finishing_model(), world)
    async with start_working(LocalRunner(ports, poll_s=0.001)):
        await launch(ports, "t", "hi", actor="ana", delivery="1", source="user")
        await wait_until(lambda: status(store) == "finished")


# Waiting


async def test_a_thread_that_waits_for_a_person_is_not_due(
    store: WatchedStore, world: World
) -> None:
    runner = LocalRunner(build_ports(store, Says(ASK), world))
    await store_thread(store, make_message())
    await runner.finish("t")
    assert store.releases == [("t", None, 0)]


# Back-off


@pytest.mark.parametrize(
    ("attempts", "retry_after_s", "delay_s"),
    [
        (0, None, 1),
        (1, None, 2),
        (5, None, 32),
        (20, None, MAX_BACK_OFF_S),
        (0, 30.0, 30),
        (5, 3600.0, 3600),
    ],
)
async def test_an_unavailable_model_is_retried_after_a_back_off_without_counting_an_error(
    attempts: int, retry_after_s: float | None, delay_s: float, store: WatchedStore, world: World
) -> None:
    thread = await store_thread(store, make_message())
    await store.claim("before", 30)
    await store.release("before", thread, await store.now(), attempts)
    runner = LocalRunner(build_ports(store, Says(Unavailable("429", retry_after_s)), world))
    with pytest.raises(Unavailable):
        await runner.finish("t")
    again = await store.now() + timedelta(seconds=delay_s)
    assert store.releases[-1] == ("t", again, attempts + 1)
    assert await store.load("t") == thread


class Closed(Shown):
    async def send(self, thread: Thread, event: Event) -> Sent:
        raise Unavailable("come back in an hour", 3600)


async def test_an_unavailable_channel_does_not_keep_a_wait_from_expiring(
    store: WatchedStore, world: World
) -> None:
    ends = await store.now() + timedelta(seconds=10)
    await store_thread(store, make_message(), make_pause("timer", expires_at=ends.isoformat()))
    with pytest.raises(Unavailable):
        await LocalRunner(build_ports(store, Says(), world, channel=Closed())).finish("t")
    assert store.releases[-1][1] == ends


async def test_a_model_that_was_unavailable_for_long_is_asked_again(
    store: WatchedStore, world: World, clock: Clock
) -> None:
    away = [Unavailable("429")] * 10
    runner = LocalRunner(build_ports(store, Says(*away, DONE), world), poll_s=3600)
    await store_thread(store, make_message())
    store.patience = 2000
    async with start_working(runner):
        for _ in range(10):
            before = len(store.releases)
            await wait_until(lambda before=before: len(store.releases) > before)
            clock.tick(MAX_BACK_OFF_S)
            runner.wake("t")
        await wait_until(lambda: status(store) == "finished")
    assert list_types(await store.load("t")) == ["message", "step", "finished", "delivered"]


async def test_an_event_that_the_clock_brings_is_tried_as_often_as_any_other(
    store: WatchedStore, world: World, clock: Clock
) -> None:
    """The tries before were those of a reminder."""
    soon = (await store.now() + timedelta(seconds=10)).isoformat()
    asked = make_pause("question", expires_at=soon)
    shown = make_delivery(2, receipt={"shown": 2})
    thread = await store_thread(store, make_message(), asked, shown)
    await store.claim("before", 30, "t")
    await store.release("before", thread, await store.now(), MAX_DELIVERIES - 1)
    clock.tick(10)
    channel = Shown(fails=lambda event: event.type == "resumed")
    with pytest.raises(Unavailable):
        await LocalRunner(build_ports(store, Says(DONE), world, channel=channel)).finish("t")
    events = (await store.load("t")).events
    assert [event.type for event in events if event.data.get("verdict") == "expired"] == ["resumed"]
    assert [event for event in events if event.data.get("ref") == 4] == []


async def test_an_answer_is_acted_on_at_once_even_if_showing_the_question_failed(
    store: WatchedStore, world: World
) -> None:
    shown = Shown(fails=lambda event: event.type == "paused")
    ports = build_ports(store, Says(RISKY, DONE), world, channel=shown)

    async def answered(event: Event) -> None:
        if event.type == "paused":
            digest = event.data["digest"]
            await resume(ports, "t", event.seq, "approve", actor="ana", digest=digest)

    shown.meanwhile = answered
    await store_thread(store, make_message())
    with contextlib.suppress(Unavailable):
        await LocalRunner(ports).finish("t")
    assert status(store) == "finished" or await store.claim("anybody", 30) is not None


async def test_a_message_during_a_release_is_not_lost(clock: Clock, world: World) -> None:
    class Busy(WatchedStore):
        async def release(
            self,
            holder: str,
            thread: Thread,
            wake_at: datetime | None,
            attempts: int,
            problem: str = "",
        ) -> None:
            if not self.releases:
                await self.append(await self.load("t"), make_message("just now"))
            await super().release(holder, thread, wake_at, attempts, problem)

    store = Busy(clock)
    await store_thread(store, make_message())
    async with start_working(LocalRunner(build_ports(store, make_finishing_model(), world))):
        await wait_until(lambda: list_types(store._rows["t"].thread).count("finished") == 2)


async def test_cancelling_one_wait_for_a_thread_stops_no_other_thread(
    store: WatchedStore, world: World
) -> None:
    thinking = asyncio.Event()

    async def think(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        if "slow" in prompt.blocks[0]:
            thinking.set()
            await asyncio.sleep(0.001)
        return Reply(json.dumps({"next_step": DONE}), {})

    runner = LocalRunner(build_ports(store, think, world))
    await store_thread(store, make_message("slow"))
    waiting = asyncio.create_task(runner.finish("t"))
    await thinking.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await store_thread(store, make_message(), thread_id="other")
    assert (await runner.finish("other")).state.status == "finished"


# Leases, crashes and poison


async def test_leases_are_renewed_together_while_their_tools_run(
    store: WatchedStore, world: World
) -> None:
    running, go = asyncio.Event(), asyncio.Event()

    async def slow(step: Any, call: Call) -> str:
        running.set()
        await go.wait()
        return "ok"

    def decide(step: Any, thread: Thread) -> Action:
        return Finish(step.message) if isinstance(step, Done) else Run(slow)

    store.tick_s = 0.01
    says = Says(CALL, CALL, DONE, DONE)
    runner = LocalRunner(build_ports(store, says, world, decide=decide), lease_s=0.03)
    await store_thread(store, make_message())
    await store_thread(store, make_message(), thread_id="other")
    async with start_working(runner):
        await running.wait()
        await wait_until(lambda: store.renewed.count(2) >= 10)
        assert await store.claim("another", 30) is None
        go.set()
        await wait_until(lambda: status(store) == status(store, "other") == "finished")
    assert len(store.claims) == 2


class Poison(Exception):
    """An error that nobody expects."""


async def poison(prompt: Prompt, schema: dict[str, Any]) -> Reply:
    raise Poison


async def test_a_thread_that_failed_is_taken_over_though_the_process_lives(
    store: WatchedStore, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    store.look_s = 0.0005
    ports = build_ports(store, poison, world)
    runner = LocalRunner(ports, lease_s=0.03, poll_s=0.001)
    await store_thread(store, make_message())
    store.patience = 10_000
    async with start_working(runner):
        await wait_until(lambda: len(store.claims) >= 2 or len(store.renewed) >= 50)
    assert [claim.crashes for claim in store.claims][:2] == [0, 1]
    assert "thread t failed" in caplog.text


async def test_a_short_outage_of_the_store_strands_no_thread(clock: Clock, world: World) -> None:
    class Blinks(WatchedStore):
        blinks = 1

        async def load(self, thread_id: str) -> Thread:
            if self.blinks and self.claims:
                self.blinks -= 1
                raise Unavailable("locked")
            return await super().load(thread_id)

    store = Blinks(clock)
    store.look_s = 0.0005
    store.patience = 10_000
    runner = LocalRunner(
        build_ports(store, make_finishing_model(), world), lease_s=0.03, poll_s=0.001
    )
    await store_thread(store, make_message())
    async with start_working(runner):
        await wait_until(lambda: status(store) == "finished" or len(store.renewed) >= 50)
    assert status(store) == "finished"


async def crash_runners(ports: Ports, store: WatchedStore, clock: Clock, times: int) -> None:
    """Let this many runners die of a thread."""
    for _ in range(times):
        with contextlib.suppress(Poison):
            await LocalRunner(ports, lease_s=15).finish("t")
        clock.tick(16)


async def test_a_thread_that_kills_its_runners_asks_a_person_and_says_why(
    store: WatchedStore, world: World, clock: Clock
) -> None:
    ports = build_ports(store, poison, world)
    await store_thread(store, make_message())
    await crash_runners(ports, store, clock, MAX_CRASHES + 1)
    thread = await store.load("t")
    assert thread.state.status == "waiting:limit"
    assert thread.state.wait is not None
    assert "died 5 times after event 1 (message)" in thread.state.wait.text
    assert await store.claim("anybody", 30) is None
    await resume(ports, "t", thread.state.wait.seq, "continue", actor="ana")
    cured = rebind(ports, llm=make_finishing_model())
    assert (await LocalRunner(cured).finish("t")).state.status == "finished"


class Deadly(Shown):
    async def send(self, thread: Thread, event: Event) -> Sent:
        self.tried.append(event.seq)
        raise Poison


@pytest.mark.parametrize("first", [ASK, RISKY, DONE], ids=["question", "approval", "end"])
async def test_a_delivery_that_kills_its_runners_is_given_up_and_opens_no_second_wait(
    first: dict[str, Any], store: WatchedStore, world: World, clock: Clock
) -> None:
    channel = Deadly()
    ports = build_ports(store, Says(first), world, channel=channel)
    await store_thread(store, make_message())
    await crash_runners(ports, store, clock, 4 * MAX_CRASHES)
    assert len(channel.tried) <= 2 * MAX_CRASHES
    waits = [each for each in (await store.load("t")).events if each.type == "paused"]
    assert len(waits) <= 1
    assert await store.claim("anybody", 30) is None


async def test_what_a_parent_has_to_know_is_never_given_up(
    store: WatchedStore, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Poison

    ports = build_ports(store, poison, world)
    await store_thread(
        store, make_message(parent="p", owner="ana"), make_event("finished", message="x")
    )
    monkeypatch.setattr("agent.engine.loop.delegate._describe_end", die)
    await crash_runners(ports, store, clock, 3 * MAX_CRASHES)
    assert (await store.load("t")).state.outbox == (2,)


# Stopping


@pytest.mark.parametrize("turns", range(5))
async def test_a_stop_is_not_lost_if_a_hint_comes_at_the_same_moment(
    turns: int, store: WatchedStore, world: World
) -> None:
    runner = LocalRunner(build_ports(store, Says(), world), poll_s=3600)
    task = asyncio.create_task(runner.work())
    await wait_until(lambda: store.patience < 200)
    runner.wake("t")
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    ended = task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended


async def test_a_step_that_outlasts_a_stop_is_left_to_other_runners(
    store: WatchedStore, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.engine.runners.local.GRACE_S", 0.001)
    running = asyncio.Event()

    async def never(step: Any, call: Call) -> str:
        running.set()
        await asyncio.Event().wait()
        return "never"

    ports = build_ports(store, Says(CALL), world, decide=lambda step, thread: Run(never))
    await store_thread(store, make_message())
    task = asyncio.create_task(LocalRunner(ports).work())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    clock.tick(16)
    assert await store.claim("the next process", 30) == Claim("t", 0, 1)
    assert list_types(await store.load("t"))[-1] == "tool_started"


async def test_finish_does_not_spin_while_the_process_stops(
    store: WatchedStore, world: World
) -> None:
    runner = LocalRunner(build_ports(store, make_finishing_model(), world))
    async with start_working(runner) as task:
        await asyncio.sleep(0)
        task.cancel()
    await store_thread(store, make_message())
    with contextlib.suppress(Unavailable):
        async with asyncio.timeout(5):
            await runner.finish("t")
    assert len(store.claims) < 5


class Lossy(WatchedStore):
    """Loses its answers to the first calls of one method, or fails in them."""

    def __init__(self, clock: Clock, method: str, *, stored: bool = True, times: int = 8) -> None:
        super().__init__(clock)
        self.patience, self.left = 2000, times
        known = getattr(self, method)

        async def lose(*args: Any, **named: Any) -> Any:
            failing = self.left > 0 and (method == "claim" or self.claims)
            result = await known(*args, **named) if stored or not failing else None
            if failing:
                self.left -= 1
                raise Unavailable("the answer is lost")
            return result

        setattr(self, method, lose)


@pytest.mark.parametrize(
    ("method", "stored"),
    [("claim", True), ("load", False), ("find_release", False), ("release", False)],
)
async def test_a_store_that_fails_is_not_taken_for_a_process_that_died(
    method: str, stored: bool, clock: Clock, world: World
) -> None:
    """The process lives, and claims again what it may have claimed. No lease expires here."""
    store = Lossy(clock, method, stored=stored)
    waits = [make_pause("limit", cause="no key")] if method == "find_release" else []
    await store_thread(store, make_message(), *waits)
    runner = LocalRunner(build_ports(store, Says(DONE), world), lease_s=0.03, poll_s=0.001)
    async with start_working(runner):
        await wait_until(lambda: store.left == 0 and store._rows["t"].holder is None)
    assert status(store) == ("waiting:limit" if waits else "finished")
    assert {claim.crashes for claim in store.claims} == {0}


async def test_several_lost_claims_do_not_get_one_lease(clock: Clock, world: World) -> None:
    store = Lossy(clock, "claim", times=3)
    running, go = list[str](), asyncio.Event()

    async def slow(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        running.append(prompt.thread_id)
        await go.wait()
        return Reply(json.dumps({"next_step": DONE}), {})

    for number in range(3):
        await store_thread(store, make_message(), thread_id=str(number))
    runner = LocalRunner(build_ports(store, slow, world), lease_s=600, poll_s=0.001)
    async with start_working(runner):
        await wait_until(lambda: len(running) == 3)
        go.set()
        await wait_until(lambda: all(status(store, str(n)) == "finished" for n in range(3)))
    assert sorted(running) == ["0", "1", "2"]


async def test_an_unavailable_store_does_not_end_the_work(
    clock: Clock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(WatchedStore):
        away = 3

        async def claim(
            self, holder: str, ttl_s: float, thread_id: str | None = None
        ) -> Claim | None:
            if self.away:
                self.away -= 1
                raise Unavailable("the disk is full")
            return await super().claim(holder, ttl_s, thread_id)

    store = Away(clock)
    await store_thread(store, make_message())
    runner = LocalRunner(build_ports(store, make_finishing_model(), world), poll_s=0.001)
    with caplog.at_level(logging.WARNING):
        async with start_working(runner):
            await wait_until(lambda: status(store) == "finished")
    assert caplog.text.count("the disk is full") == 3


async def test_a_cancelled_thread_is_released_without_a_wake_up(
    store: WatchedStore, world: World
) -> None:
    ports = build_ports(store, Says(RISKY), world)
    await store_thread(
        store, make_message(), make_step(**RISKY), make_pause("approval", call=RISKY)
    )
    await cancel(ports, "t", actor="ana")
    thread = await LocalRunner(ports).finish("t")
    assert thread.state.status == "cancelled"
    assert store.releases == [] or store.releases[-1] == ("t", None, 0)

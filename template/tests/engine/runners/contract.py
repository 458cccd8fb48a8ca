"""What every runner promises. The test of an adapter inherits this and brings its fixtures."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agent.engine import Call
from agent.engine.context.window import Prompt
from agent.engine.log.errors import Unavailable
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Ask, Finish, Run
from agent.engine.loop.api import launch
from agent.engine.loop.ports import Ports, Reply, Runner
from agent.engine.loop.store import Store

from ..domain import Done, Says, Shown, World, build_ports, list_types, make_message, store_thread

Pass = Callable[[float], Awaitable[None]]

DONE = {"intent": "done", "message": "bye"}
CALL = {"intent": "charge", "amount": 5}
RISKY = {"intent": "charge", "amount": 500}


@asynccontextmanager
async def start_working(
    runner: Runner, *concurrency: int, within_s: float = 20
) -> AsyncIterator[asyncio.Task[None]]:
    """Let a runner work in the background."""
    task = asyncio.create_task(runner.work(*concurrency))
    try:
        async with asyncio.timeout(within_s):
            yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def wait_until(true: Callable[[], Awaitable[object]]) -> None:
    """Check until it is true; the caller limits the time."""
    for _ in count():
        if await true():
            return
        await asyncio.sleep(0.005)


async def charge_once(prompt: Prompt, schema: dict[str, Any]) -> Reply:
    """Reply as a model that charges and then is done; it keeps no state."""
    charged = any("charge_result" in block for block in prompt.blocks)
    return Reply(json.dumps({"next_step": DONE if charged else CALL}), {"input": 1, "output": 1})


class RunnerContract:
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return World(tmp_path / "world.db")

    @pytest.fixture
    async def store(self) -> Any:
        """Return an empty store, whose clock `passes` advances."""
        raise NotImplementedError

    @pytest.fixture
    def passes(self) -> Pass:
        """Return a function that advances the clock of the store, in seconds."""
        raise NotImplementedError

    def runner(self, ports: Ports) -> Runner:
        """Make a runner that polls at least every second."""
        raise NotImplementedError

    @staticmethod
    def all_finished(store: Store, *thread_ids: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            rows = {row.id: row.status for row in await store.threads()}
            return all(rows.get(name) == "finished" for name in thread_ids or ("t",))

        return check

    async def test_a_thread_runs_until_it_waits_or_finishes(
        self, store: Store, world: World
    ) -> None:
        runner = self.runner(build_ports(store, Says(CALL, RISKY, DONE), world))
        await store_thread(store, make_message())
        assert (await runner.finish("t")).state.status == "waiting:approval"
        assert await store.claim("anybody", 30) is None

    async def test_finish_waits_for_a_thread_that_another_runner_has(
        self, store: Store, world: World
    ) -> None:
        ports = build_ports(store, charge_once, world)
        await store_thread(store, make_message())
        await asyncio.gather(*[self.runner(ports).finish("t") for _ in range(3)])
        assert list_types(await store.load("t")).count("finished") == 1
        assert world.effects("charge") == ["5"]

    async def test_several_runners_share_the_work(self, store: Store, world: World) -> None:
        ports = build_ports(store, charge_once, world)
        names = [str(number) for number in range(10)]
        for name in names:
            await store_thread(store, make_message(), thread_id=name)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(start_working(self.runner(ports), 2))
            await wait_until(self.all_finished(store, *names))
        assert world.effects("charge") == ["5"] * 10
        for name in names:
            assert list_types(await store.load(name)).count("tool_started") == 1

    async def test_the_concurrency_limits_how_many_threads_run_at_once(
        self, store: Store, world: World
    ) -> None:
        now, seen, go = 0, list[int](), asyncio.Event()

        async def slow(prompt: Prompt, schema: dict[str, Any]) -> Reply:
            nonlocal now
            seen.append(now := now + 1)
            await go.wait()
            now -= 1
            return Reply(json.dumps({"next_step": DONE}), {})

        async def both_run() -> bool:
            return now == 2

        names = [str(number) for number in range(5)]
        for name in names:
            await store_thread(store, make_message(), thread_id=name)
        async with start_working(self.runner(build_ports(store, slow, world)), 2):
            await wait_until(both_run)
            go.set()
            await wait_until(self.all_finished(store, *names))
        assert max(seen) == 2

    async def test_every_message_is_acted_on(self, store: Store, world: World) -> None:
        ports = build_ports(store, charge_once, world)
        async with start_working(runner := self.runner(ports)):
            for delivery in ("1", "2"):
                await launch(ports, "t", "hi", actor="ana", delivery=delivery, source="user")
                runner.wake("t")
                await wait_until(self.all_finished(store))
        assert list_types(await store.load("t")).count("finished") == 2

    async def test_a_waiting_thread_is_due_when_its_wait_is_over(
        self, store: Store, world: World, passes: Pass
    ) -> None:
        runner = self.runner(
            build_ports(store, Says({"intent": "sleep", "seconds": 60}, DONE), world)
        )
        await store_thread(store, make_message())
        assert (await runner.finish("t")).state.status == "waiting:timer"
        await passes(58)
        assert await store.claim("too early", 30) is None
        await passes(3)
        async with start_working(runner):
            await wait_until(self.all_finished(store))

    async def test_a_runner_reminds_people_once_and_escalates_when_the_time_is_over(
        self, store: Store, world: World, passes: Pass
    ) -> None:
        def decide(step: Any, thread: Thread) -> Action:
            if isinstance(step, Done):
                return Finish(step.message)
            return Ask(
                step.question, audience=("ana",), remind_s=60, expires_s=600, escalate=("bob",)
            )

        shown = Shown()
        ask, kinds = {"intent": "ask_person", "question": "?"}, ["paused", "reminded", "paused"]
        ports = build_ports(store, Says(ask, DONE), world, decide=decide, channel=shown)
        await store_thread(store, make_message())
        assert (await self.runner(ports).finish("t")).state.status == "waiting:question"
        for number, seconds in enumerate((61, 540), 2):
            await passes(seconds)

            async def told(number: int = number) -> bool:
                return len(shown.sent) == number

            async with start_working(self.runner(ports)):
                await wait_until(told)
        assert [event.type for event in shown.sent] == kinds
        wait = (await store.load("t")).state.wait
        assert wait is not None
        assert wait.audience == ("bob",)

    async def test_a_runner_closes_an_expired_approval(
        self, store: Store, world: World, passes: Pass
    ) -> None:
        runner = self.runner(build_ports(store, Says(RISKY, DONE), world))
        await store_thread(store, make_message())
        assert (await runner.finish("t")).state.status == "waiting:approval"
        await passes(3601)
        async with start_working(runner):
            await wait_until(self.all_finished(store))
        thread = await store.load("t")
        assert [each.actor for each in thread.events if each.type == "resumed"] == ["system"]
        assert world.effects("charge") == []

    async def test_an_unavailable_model_is_retried_at_its_time_without_counting_an_error(
        self, store: Store, world: World, passes: Pass
    ) -> None:
        model = Says(*[Unavailable("429", 60)] * 3, DONE)
        runner = self.runner(build_ports(store, model, world))
        await store_thread(store, make_message())
        with pytest.raises(Unavailable):
            await runner.finish("t")
        await passes(58)
        assert await store.claim("too early", 30) is None
        async with start_working(runner):
            for left in (2, 1):
                await passes(61)
                await wait_until(self.is_released(store, model, left))
            await passes(61)
            await wait_until(self.all_finished(store))
        assert list_types(await store.load("t")) == ["message", "step", "finished", "delivered"]

    @staticmethod
    def is_released(store: Store, model: Says, left: int) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            return len(model.replies) == left and not (await store.threads())[0].running

        return check

    async def test_a_thread_that_failed_is_taken_over_when_its_lease_expires(
        self, store: Store, world: World, passes: Pass
    ) -> None:
        broken = [KeyError("nobody expects it")]
        runner = self.runner(build_ports(store, Says(*broken, DONE), world))
        await store_thread(store, make_message())
        with pytest.raises(KeyError):
            await runner.finish("t")
        await passes(16)
        async with start_working(runner):
            await wait_until(self.all_finished(store))

    async def test_a_stop_lets_the_current_step_end_and_starts_no_other(
        self, store: Store, world: World
    ) -> None:
        running, go = asyncio.Event(), asyncio.Event()

        async def slow(step: Any, call: Call) -> str:
            running.set()
            await go.wait()
            return "ok"

        ports = build_ports(store, Says(CALL), world, decide=lambda step, thread: Run(slow))
        await store_thread(store, make_message())
        async with start_working(self.runner(ports)) as task:
            await running.wait()
            task.cancel()
            await asyncio.wait({task}, timeout=0.05)
            go.set()
            await asyncio.wait({task})
        thread: Thread = await store.load("t")
        assert list_types(thread)[-2:] == ["tool_started", "tool_finished"]
        claim = await store.claim("the next process", 30)
        assert claim is not None
        assert (claim.attempts, claim.crashes) == (0, 0)

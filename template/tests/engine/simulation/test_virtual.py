"""The event loop of the simulation, and its threads."""

import asyncio
from itertools import count
from typing import Any

import pytest

from .ports import Blocking, run_in_thread
from .virtual import run_virtually


def test_time_passes_only_while_every_task_waits() -> None:
    async def nap() -> float:
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(60))
        return asyncio.get_running_loop().time()

    assert run_virtually(nap()) == 3600


def test_a_world_in_which_nothing_can_happen_any_more_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="nothing will wake one"):
        run_virtually(asyncio.Event().wait())


def test_a_blocking_tool_goes_on_after_its_call_was_cancelled() -> None:
    happened = list[str]()

    async def work(step: Any, call: Any) -> None:
        await asyncio.sleep(60)
        happened.append(step)

    async def live() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(8):
                await run_in_thread(Blocking(work), "charge", "call")
        assert happened == []
        await asyncio.sleep(60)

    run_virtually(live())
    assert happened == ["charge"]


def test_tasks_that_only_keep_each_other_busy_are_an_error() -> None:
    async def spin() -> None:
        for _ in count():
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="time stands still"):
        run_virtually(spin())

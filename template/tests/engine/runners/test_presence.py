"""What a process that runs threads says of itself while it does."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.runners import presence
from agent.engine.runners.presence import beat


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 # a file has no event
            await asyncio.sleep(0)


async def test_a_heartbeat_is_touched_while_the_loop_runs_and_goes_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "EVERY_S", 0.001)
    file = tmp_path / "heartbeat"
    async with beat(file):
        for _ in range(2):
            os.utime(file, (0, 0))
            await until(lambda: file.stat().st_mtime > 0)
    assert not file.exists()


async def test_a_heartbeat_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "heartbeat"
    with pytest.raises(Misconfigured, match=r"cannot write the heartbeat .*: No such file"):
        async with beat(file):
            raise AssertionError("it started")


async def test_a_heartbeat_goes_on_after_a_disk_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "EVERY_S", 0.001)
    file = tmp_path / "folder" / "heartbeat"
    file.parent.mkdir()
    async with beat(file):
        file.unlink()
        file.parent.rmdir()
        await asyncio.sleep(0.01)
        file.parent.mkdir()
        await until(file.exists)

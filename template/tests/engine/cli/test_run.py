"""Signals that stop a worker, also where the event loop takes none."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from agent.engine.cli.run import stop_on_signals

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def _signals() -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in SIGNALS]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("is_windows", [False, True])
async def test_a_signal_stops_it(
    number: signal.Signals, is_windows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotImplementedError

    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    if is_windows:
        monkeypatch.setattr(loop, "add_signal_handler", refuse)
    stop_on_signals(stopped.set)
    signal.raise_signal(number)
    async with asyncio.timeout(10):
        await stopped.wait()
    for each in SIGNALS:
        loop.remove_signal_handler(each)

"""Limits how often an address may send a wrong token."""

import time
from collections import deque
from collections.abc import Callable
from math import ceil

MOST = 10
"""Wrong tokens of one address within `PAUSE_S`."""
PAUSE_S = 60.0
ADDRESSES = 10_000
"""Addresses kept in memory; beyond that, the oldest are dropped."""


class Tries:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = {}

    def count(self, address: str) -> None:
        """Count a wrong token."""
        self._wrong.setdefault(address, deque(maxlen=MOST)).append(self._clock())
        if len(self._wrong) > ADDRESSES:
            del self._wrong[next(iter(self._wrong))]

    def find_pause_s(self, address: str) -> int:
        """Return the seconds until an address may try again; 0 for now."""
        wrong = self._wrong.get(address)
        if wrong is None or len(wrong) < MOST:
            return 0
        return max(0, ceil(wrong[0] + PAUSE_S - self._clock()))

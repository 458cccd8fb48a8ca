"""What is written while a thread grows by steps: bytes of PostgreSQL's WAL, or into files.

It knows no agent: capacity_growth.py uses it, and capacity_langgraph.py with a Python of its own.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

STEPS = 1000
WINDOWS = ((1, 100), (451, 550), (901, STEPS))
RESULT = 1000
"""Characters that a step adds, beside the call itself."""
SCHEMAS = ("public", "agent")
"""Where tables are measured."""

_CHANCE = random.Random(12)  # noqa: S311 # no secret
_WORDS = ["".join(_CHANCE.choices("aeiounrstlmdch", k=1 + place % 9)) for place in range(2000)]


def payload(step: int) -> str:
    """Return the result of a step, which compresses about as well as prose."""
    return " ".join(random.Random(step).choices(_WORDS, k=RESULT // 3))[:RESULT]  # noqa: S311


@dataclass
class Growth:
    """Reads the meter before a window of steps and after it; call `step` before each step."""

    written: Callable[[], int]
    steps: int = 0
    read: dict[int, tuple[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begun = self.written()

    def step(self) -> None:
        self.steps += 1
        if any(self.steps in (first, last + 1) for first, last in WINDOWS):
            self.read[self.steps] = (self.written(), time.perf_counter())

    def row(self, name: str, disk: int, images: int = 0) -> dict[str, Any]:
        """Return what is known once all steps were done."""
        self.step()
        spans = [
            (self.read[first], self.read[last + 1], last + 1 - first) for first, last in WINDOWS
        ]
        return {
            "name": name,
            "a_step": [(end[0] - start[0]) / steps for start, end, steps in spans],
            "ms": [1000 * (end[1] - start[1]) / steps for start, end, steps in spans],
            "written": self.written() - self.begun,
            "images": images,
            "disk": disk,
        }


class Wal:
    """The bytes that PostgreSQL has written to its log, in a schema that begins empty."""

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)
        for name in SCHEMAS:
            self._db.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())
        self._db.execute("CREATE SCHEMA public")

    def begin(self) -> Growth:
        """Begin right after a checkpoint, so that all are charged alike for pages first touched."""
        self._db.execute("CHECKPOINT")
        self._images = self._number("SELECT wal_fpi FROM pg_stat_wal")
        return Growth(lambda: self._number("SELECT (pg_current_wal_lsn() - '0/0')::bigint"))

    def row(self, name: str, growth: Growth) -> dict[str, Any]:
        images = 8192 * (self._number("SELECT wal_fpi FROM pg_stat_wal") - self._images)
        sizes = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' "
        disk = self._number(sizes + f"AND relnamespace::regnamespace::text IN {SCHEMAS}")
        return growth.row(name, disk, images)

    def _number(self, sql: str) -> int:
        row = self._db.execute(sql.encode()).fetchone()
        return int(row[0]) if row else 0


class Files:
    """The bytes that this process has written to files, which Linux counts."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def begin(self) -> Growth:
        return Growth(self._written)

    def row(self, name: str, growth: Growth) -> dict[str, Any]:
        return growth.row(name, sum(path.stat().st_size for path in self._folder.iterdir()))

    @staticmethod
    def _written() -> int:
        lines = Path("/proc/self/io").read_text("utf-8").splitlines()
        return int(dict(line.split(": ") for line in lines)["wchar"])

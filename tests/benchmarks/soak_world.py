"""The world of soak.py: what the tools really did, whatever the agent believes."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

TOOLS = {"reserve", "charge", "ship"}
"""Each of them has one effect in each thread."""


@dataclass(frozen=True)
class World:
    path: Path

    def create(self) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE effects (thread TEXT, tool TEXT, key TEXT)")
            db.execute("CREATE INDEX effects_key ON effects (key)")

    def has(self, key: str) -> bool:
        return bool(self._query("SELECT 1 FROM effects WHERE key = ?", key))

    def count_doubled(self) -> int:
        """Return how many effects happened a second time."""
        ((doubled,),) = self._query(
            "SELECT count(*) - count(DISTINCT thread || ' ' || tool) FROM effects"
        )
        return int(doubled)

    def count_lost(self, finished: Iterable[str]) -> int:
        """Return how many effects are missing of threads that finished."""
        there = set(self._query("SELECT DISTINCT thread, tool FROM effects"))
        return sum((thread, tool) not in there for thread in finished for tool in TOOLS)

    def _query(self, sql: str, *values: str) -> list[tuple]:
        with closing(sqlite3.connect(self.path, timeout=30)) as db:
            return db.execute(sql, values).fetchall()

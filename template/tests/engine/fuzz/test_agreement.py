"""SQLite and the memory store agree, whatever is done to them in whichever order."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis.stateful import run_state_machine_as_test

from agent.engine.loop.store import Store
from agent.engine.stores.sqlite import SqliteStore

from ..examples import scale
from .agreement import Agreement

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""A disk would make it slow, and only a crash could show the difference."""


class SqliteAgreement(Agreement):
    async def open(self) -> Store:
        self.folder = TemporaryDirectory(dir=MEMORY)
        self.sqlite = SqliteStore(Path(self.folder.name) / "t.db", self.clock, self.clock.uptime)
        return self.sqlite

    async def close(self) -> None:
        await self.sqlite.close()
        self.folder.cleanup()


def test_sqlite_and_memory_agree() -> None:
    run_state_machine_as_test(SqliteAgreement, settings=scale(20, steps=30))

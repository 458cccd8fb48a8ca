"""PostgreSQL and the memory store agree, whatever is done to them in whichever order."""

from contextlib import ExitStack

from hypothesis.stateful import run_state_machine_as_test

from agent.engine.loop.store import Store
from agent.engine.stores.postgres import PostgresStore

from ...examples import scale
from ...fuzz.agreement import Agreement
from .server import create_database, pass_time


class PostgresAgreement(Agreement):
    async def open(self) -> Store:
        self.database = ExitStack()
        self.url = self.database.enter_context(create_database())
        self.postgres = PostgresStore(self.url)
        return self.postgres

    async def close(self) -> None:
        await self.postgres.close()
        self.database.close()

    def pass_time(self, seconds: float) -> None:
        super().pass_time(seconds)
        pass_time(self.url, seconds)


def test_postgres_and_memory_agree() -> None:
    run_state_machine_as_test(PostgresAgreement, settings=scale(4, steps=25))

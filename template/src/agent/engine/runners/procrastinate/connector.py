"""Procrastinate's connections: those of the store, and one that listens for new jobs."""

from collections.abc import Iterable

from procrastinate import PsycopgConnector
from procrastinate.connector import Notify

from ...stores.postgres.pool import Database


class Connector(PsycopgConnector):
    """Listens on a connection of its own that no pooler shares with others.

    In transaction mode, PgBouncer accepts a `LISTEN` and then drops the notifications:
    https://www.pgbouncer.org/features.html
    """

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        url = self._database.session_url
        listening = PsycopgConnector(conninfo=url, min_size=0, max_size=1)  # opened for itself
        await listening.open_async()
        try:
            await listening.listen_notify(on_notification=on_notification, channels=channels)
        finally:
            await listening.close_async()

"""Converts threads and events to rows of the SQLite store, and back."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ...log.events import Event
from ...log.thread import Thread
from ..lists import is_changed, write_thread
from . import statements as sql

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def save_thread(thread: Thread, grown: Thread, now: float, due: bool) -> tuple[str, dict[str, Any]]:
    """Return the statement that touches the fewest pages, and its parameters."""
    row = write_thread(grown) | {"now": now, "wake_at": now if due else None}
    if not thread.events:
        return sql.INSERT, row
    said = (thread.state.owner, thread.state.title)
    if is_changed(thread, grown) or said != (row["owner"], row["title"]):
        return sql.CHANGE, row
    return (sql.WAKE if due else sql.COUNT), row


def write_event(thread_id: str, event: Event) -> tuple[Any, ...]:
    assert event.at, "append gives every event its time"
    at = event.at.timestamp()
    return (thread_id, event.seq, event.type, event.key, event.actor, _json(event.data), at)


def read_event(row: Sequence[Any]) -> Event:
    kind, data, actor, key, seq, at = row
    return Event(kind, json.loads(data), actor, key, seq, to_datetime(at))


def to_datetime(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)

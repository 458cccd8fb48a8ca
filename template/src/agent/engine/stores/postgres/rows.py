"""Converts threads and events to rows of the PostgreSQL store, and back."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ...log.events import Event
from ...log.thread import Thread


def read_event(row: Sequence[Any]) -> Event:
    kind, data, actor, key, seq, at = row
    return Event(kind, data, actor, key, seq, to_utc(at))


def write_events(thread: Thread, events: Sequence[Event]) -> dict[str, Any]:
    return {
        "id": thread.id,
        "seqs": [thread.state.version + place for place in range(1, len(events) + 1)],
        "types": [event.type for event in events],
        "keys": [event.key for event in events],
        "actors": [event.actor for event in events],
        "data": [json.dumps(event.data, ensure_ascii=False, allow_nan=False) for event in events],
        "times": [event.at for event in events],
    }


def to_utc(at: datetime) -> datetime:
    return at.astimezone(UTC)

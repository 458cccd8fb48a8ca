"""Checks what must be true of a world once nothing fails any more and people have answered."""

from collections.abc import Iterator

from agent.engine.loop.advance import MAX_DELIVERIES

from .checker import Checker
from .reading import Reading


def check_end(checker: Checker) -> None:
    for thread_id, reading in checker.threads.items():
        if not reading.ended:
            checker.fail(f"{thread_id} does not come to an end")
        keys = {event.key for event in reading.log}
        for seq in _list_news(reading):
            if f"delivered:{seq}" not in keys:
                checker.fail(f"{thread_id}: nobody was notified of event {seq}")
        _check_deliveries(checker, thread_id, reading)
    for thread_id, key in checker.promised:
        keys = {event.key for event in checker.threads[thread_id].log}
        if key not in keys and thread_id not in checker.gone:
            checker.fail(f"{thread_id}: the message {key!r} is lost")


def _list_news(reading: Reading) -> Iterator[int]:
    """Give the events that somebody has to be notified of, but for those before a copy."""
    polls, away = reading.forked or reading.log[0].data["reply_to"] == "poll:", ""
    for event in reading.log:
        is_own = event.seq > reading.forked
        if event.type == "finished" and is_own and not polls:
            yield event.seq
        elif event.type == "step":
            other = event.data.get("instead_of", "")
            if other and other != away and is_own:
                yield event.seq
            away = other


def _check_deliveries(checker: Checker, thread_id: str, reading: Reading) -> None:
    for event in reading.log[reading.forked :]:
        if event.type == "delivered" and "same_as" not in event.data:
            place, error = (thread_id, event.data["ref"]), event.data.get("error", "")
            gave_up = "process died" in error or checker.tried[place] >= MAX_DELIVERIES
            if place not in checker.sent and not (error and gave_up):
                checker.fail(f"{thread_id}: event {place[1]} is delivered and was never sent")

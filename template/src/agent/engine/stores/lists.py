"""The queries of lists: what both databases understand, and where each has words of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..index import Which, hash_delivery
from ..log.thread import Thread

SUMMARY = (
    "threads.id, status, agent, owner, title, version, threads.created, threads.updated, "
    "{running}, coalesce(problem, ''), CASE WHEN problem > '' AND wait IS NULL THEN wake_at END"
)
EVENT = "type, data, actor, key, seq, at"
WIDTH = 11
"""Columns of a summary."""
ID, UPDATED = 0, 7
"""The places of those by which rows are told apart and sorted."""

KNOWN = 10_000
"""Threads whose readers a store keeps in memory, so that an append need not write them again."""

_STATUS = {
    "waiting": "wait IS NOT NULL",
    "running": "status = 'running' AND {running}",
    "stalled": "status = 'running' AND NOT {running}",
    "finished": "status IN ('finished', 'cancelled')",
}
_WAIT = "JOIN events ON events.thread_id = threads.id AND seq = wait"


@dataclass(frozen=True)
class Dialect:
    """The words of one database."""

    value: str
    """How a value is named, as `:{}`."""
    running: str
    """Whether somebody holds the lease of a thread."""
    says: str
    """Whether the first message of a thread holds the value `text`."""
    asks: str
    """Whether the open wait of a thread names the value `asked`, or anyone."""


def write_list(dialect: Dialect, which: Which, *, waits: bool) -> str:
    """Return the query of a list: one part for each name, whose rows may be the same.

    With `waits` each row also has the event that opened the wait.
    """
    columns = SUMMARY + f", {EVENT}" if waits else SUMMARY
    conditions = ["wait IS NOT NULL"] if waits else []
    conditions += [_STATUS[which.status]] if which.status else []
    conditions += [dialect.asks] if which.asked else []
    conditions += [dialect.says] if which.text else []
    conditions += ["threads.id >= {first} AND threads.id < {after}"] if which.prefix else []
    conditions += ["threads.updated < {before}"] if which.before else []
    joined = f"JOIN threads ON threads.id = participants.thread_id {_WAIT if waits else ''}"
    source, by = f"threads {_WAIT if waits else ''}", "threads"
    chosen = [conditions]
    if which.names is not None:
        source, by = f"participants {joined}", "participants"
        chosen = [[f"name = {{{name}}}", *conditions] for name in _list_values(which)]
    queries = [
        f"SELECT * FROM (SELECT {columns} FROM {source} WHERE {' AND '.join(each) or 'true'} "
        f"ORDER BY {by}.updated DESC LIMIT {{limit}}) AS part{number}"
        for number, each in enumerate(chosen)
    ]
    names = ("first", "after", "limit", "text", "asked", "before", *_list_values(which))
    marks = {name: dialect.value.format(name) for name in names}
    return " UNION ALL ".join(queries).format(running=dialect.running, **marks)


def _list_values(which: Which) -> dict[str, str]:
    return {f"name{number}": name for number, name in enumerate(which.names or ("",))}


def make_values(which: Which, limit: int) -> dict[str, Any]:
    """Return the values of `write_list` by name."""
    text = which.text
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return {
        "first": which.prefix,
        "after": f"{which.prefix}\U0010ffff",
        "limit": limit,
        "text": f"%{text}%",
        "asked": which.asked,
        "before": which.before,
        **_list_values(which),
    }


def choose_rows(rows: Sequence[Any], limit: int) -> list[Any]:
    """Return each thread once, the one that changed last first."""
    distinct = {row[ID]: row for row in rows}.values()
    return sorted(distinct, key=lambda row: row[UPDATED], reverse=True)[:limit]


def write_thread(thread: Thread) -> dict[str, Any]:
    """Return what the table of threads says of one, besides the hints of runners."""
    state = thread.state
    return {
        "id": thread.id,
        "version": state.version,
        "status": state.status,
        "agent": state.agent,
        "owner": state.owner,
        "title": state.title,
        "wait": state.wait.seq if state.wait else None,
        "problem": find_cause(thread) or None,
    }


def is_changed(before: Thread, after: Thread) -> bool:
    """Say whether a thread has another place in lists now."""
    waits = [thread.state.wait and thread.state.wait.seq for thread in (before, after)]
    return before.state.status != after.state.status or waits[0] != waits[1]


def list_deliveries(thread: Thread) -> list[str]:
    return sorted(
        {hash_delivery(each.key) for each in thread.events if each.key and each.type == "message"}
    )


def find_cause(thread: Thread) -> str:
    """Return what stopped a thread that waits for people to mend it."""
    wait = thread.state.wait
    return str(wait.data.get("cause", "")) if wait else ""


async def list_people(thread: Thread) -> frozenset[str]:
    """Return who may read a thread where no agent adds anybody."""
    return thread.state.people

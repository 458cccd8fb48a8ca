"""Builds the queries of lists for both databases, and the rows they share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..index import Which, hash_delivery
from ..log.events import Event, cap_event
from ..log.thread import Thread

SUMMARY = (
    "threads.id, status, agent, owner, title, version, threads.created, threads.updated, "
    "{running}, coalesce(problem, ''), CASE WHEN problem > '' AND wait IS NULL AND holder IS NULL "
    "AND wake_at > threads.created THEN wake_at END, coalesce(parent, '')"
)
"""A claimed thread has a `wake_at` before it was created, and keeps it if it is due at once."""
EVENT = "type, data, actor, key, seq, at"
WIDTH = 12
"""Number of columns of a summary."""
ID, UPDATED = 0, 7
"""Columns that identify and sort the rows."""

CAUSES_S = 30 * 86_400.0
"""How long a store remembers that people were notified of a cause."""

KNOWN = 10_000
"""Number of threads whose readers a store caches, to write them only when they change."""


class Readers:
    """Who may read the threads that this process wrote last, by version.

    Another process may have written other readers with a later version.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, frozenset[str]]] = {}

    def are_stored(self, thread: Thread, readers: frozenset[str]) -> bool:
        """Say whether the store has these readers for the version of `thread`."""
        return self._known.get(thread.id) == (thread.state.version, readers)

    def keep(self, thread: Thread, readers: frozenset[str]) -> None:
        """Remember what was stored with the version of `thread`."""
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[thread.id] = (thread.state.version, readers)

    def drop(self, thread_id: str) -> None:
        self._known.pop(thread_id, None)


_STATUS = {
    "waiting": "wait IS NOT NULL",
    "running": "status = 'running' AND {running}",
    "stalled": "status = 'running' AND NOT {running}",
    "finished": "status IN ('finished', 'cancelled')",
}
_WAIT = "JOIN {schema}events ON events.thread_id = threads.id AND seq = wait"


@dataclass(frozen=True)
class Dialect:
    """SQL that differs between the databases."""

    value: str
    """A named parameter, such as `:{}`."""
    schema: str
    """Where the tables are, with a dot."""
    running: str
    """Condition: somebody holds the lease of the thread."""
    says: str
    """Condition: the first message of the thread contains the parameter `text`, or matches the
    `pattern` made of it."""
    asks: str
    """Condition: the audience of the open wait contains the parameter `asked`, or `anyone`."""


def write_list(dialect: Dialect, which: Which, *, waits: bool) -> str:
    """Return the query of a list, with one SELECT for each name that may read.

    A thread that several names may read is returned several times; `choose_rows` removes the
    copies. With `waits`, each row ends with the event that opened the wait.
    """
    columns = SUMMARY + f", {EVENT}" if waits else SUMMARY
    conditions = ["wait IS NOT NULL"] if waits else []
    conditions += [_STATUS[which.status]] if which.status else []
    conditions += [dialect.asks] if which.asked else []
    conditions += [dialect.says] if which.text else []
    conditions += ["threads.id >= {first} AND threads.id < {after}"] if which.prefix else []
    if which.stopped is not None:
        conditions += [f"cause IS {'NOT ' if which.stopped else ''}NULL"]
    conditions += ["threads.updated < {before}"] if which.before else []
    joined = (
        f"JOIN {{schema}}threads ON threads.id = participants.thread_id {_WAIT if waits else ''}"
    )
    source, by = f"{{schema}}threads {_WAIT if waits else ''}", "threads"
    chosen = [conditions]
    if which.names is not None:
        source, by = f"{{schema}}participants {joined}", "participants"
        chosen = [[f"name = {{{name}}}", *conditions] for name in _list_values(which)]
    queries = [
        f"SELECT * FROM (SELECT {columns} FROM {source} WHERE {' AND '.join(each) or 'true'} "
        f"ORDER BY {by}.updated DESC LIMIT {{limit}}) AS part{number}"
        for number, each in enumerate(chosen)
    ]
    names = ("first", "after", "limit", "text", "pattern", "asked", "before", *_list_values(which))
    marks = {name: dialect.value.format(name) for name in names}
    marks |= {"running": dialect.running, "schema": dialect.schema}
    return " UNION ALL ".join(queries).format(**marks)


def _list_values(which: Which) -> dict[str, str]:
    return {f"name{number}": name for number, name in enumerate(which.names or ("",))}


def make_values(which: Which, limit: int) -> dict[str, Any]:
    """Return the parameters of a query that `write_list` built."""
    pattern = which.text
    for sign in "\\%_":
        pattern = pattern.replace(sign, f"\\{sign}")
    return {
        "first": which.prefix,
        "after": f"{which.prefix}\U0010ffff",
        "limit": limit,
        "text": which.text,
        "pattern": f"%{pattern}%",
        "asked": which.asked,
        "before": which.before,
        **_list_values(which),
    }


def choose_rows(rows: Sequence[Any], limit: int) -> list[Any]:
    """Remove the copies, and sort by the last change, newest first."""
    distinct = {row[ID]: row for row in rows}.values()
    return sorted(distinct, key=lambda row: row[UPDATED], reverse=True)[:limit]


def write_thread(thread: Thread) -> dict[str, Any]:
    """Return the columns of a thread in the table `threads`, except those of the runners."""
    state = thread.state
    return {
        "id": thread.id,
        "version": state.version,
        "status": state.status,
        "agent": state.agent,
        "owner": state.owner,
        "title": state.title,
        "parent": state.parent or None,
        "wait": state.wait.seq if state.wait else None,
        "problem": find_problem(thread) or None,
        "cause": find_cause(thread) or None,
    }


def is_changed(before: Thread, after: Thread) -> bool:
    """Say whether the status or the open wait changed, which moves a thread up in lists."""
    waits = [thread.state.wait and thread.state.wait.seq for thread in (before, after)]
    return before.state.status != after.state.status or waits[0] != waits[1]


def list_deliveries(thread: Thread) -> list[str]:
    return sorted(
        {hash_delivery(each.key) for each in thread.events if each.key and each.type == "message"}
    )


def find_cause(thread: Thread) -> str:
    """Return the id of a cause for which many threads may wait; "" for any other state."""
    wait = thread.state.wait
    return str(wait.data.get("cause", "")) if wait else ""


def find_continued(thread: Thread, events: Sequence[Event]) -> tuple[str, str]:
    """Return the cause that one of the new events continues for all threads, and who continues it.

    Both are "" if none does.
    """
    for event in events:
        continues = event.type == "resumed" and event.data.get("verdict") == "continue"
        if continues and "released_by" not in event.data:
            return find_cause(thread), event.actor
    return "", ""


def find_problem(thread: Thread) -> str:
    """Return such a cause in words."""
    wait = thread.state.wait
    return str(wait.data.get("problem", "")) if wait else ""


def number_events(thread: Thread, events: Sequence[Event]) -> list[Event]:
    """Return `events` as they are stored: capped, and with the next numbers of the thread."""
    first = thread.state.version + 1
    return [replace(cap_event(event), seq=seq) for seq, event in enumerate(events, first)]


async def list_people(thread: Thread) -> frozenset[str]:
    """Return who may read a thread if no agent adds readers."""
    return thread.state.people

"""Operator commands: set up the tables, and move threads from one store to another.

An export is JSON Lines, one complete thread a line: an open question can still be answered after
the move, by the same link. An import can be stopped and run again: it skips what is there
already, and adds a thread as a whole or not at all.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from ..files import open_private
from ..log.errors import AgentError, Conflict, ThreadNotFound
from ..log.events import Event, make_event
from ..log.thread import Thread
from ..loop.store import Store
from ..runners.app import Build, no_model
from .threads import iterate_ids

ALL = 2**62
"""More threads than anybody has."""

Source = Annotated[
    typer.FileText,
    typer.Argument(metavar="FILE", help="- is stdin.", encoding="utf-8", errors="replace"),
]
Target = Annotated[Path, typer.Argument(metavar="FILE", help="- is stdout.", dir_okay=False)]


def mount(cli: typer.Typer, build: Build) -> None:
    """Add `migrate`, `reindex`, `export` and `import`."""

    @cli.command()
    def migrate() -> None:
        """Create the tables or bring them up to date.

        Every command does so when it has to; this one is a step for deployments. Any number of
        processes may run it at once.
        """
        asyncio.run(build(no_model).ports.store.threads(limit=1))
        typer.echo("The tables are up to date.", err=True)

    @cli.command()
    def reindex() -> None:
        """Compute again who may read each thread. Run it after you change `readers`.

        Other processes may keep running.
        """
        number = asyncio.run(reindex_threads(build(no_model).ports.store))
        typer.echo(f"Reindexed threads: {number}.", err=True)

    @cli.command()
    def export(file: Target = Path("-")) -> None:
        """Write every thread, one a line. Stop the workers first, so that no thread changes."""
        number = asyncio.run(export_threads(build(no_model).ports.store, file))
        typer.echo(f"Exported threads: {number}.", err=True)

    @cli.command("import")
    def import_(file: Source = "-") -> None:  # type: ignore[assignment] # Typer opens it
        """Add the threads of an export. Those that are here already stay as they are."""
        added, there = asyncio.run(import_threads(build(no_model).ports.store, file))
        typer.echo(f"Imported threads: {added}; already here: {there}.", err=True)


async def reindex_threads(store: Store) -> int:
    """Compute again who may read each thread, and return the number of threads."""
    number = 0
    async for thread_id in iterate_ids(store):
        number += await _reindex(store, thread_id)
    return number


async def _reindex(store: Store, thread_id: str) -> bool:
    """Return False if the thread was deleted meanwhile."""
    while True:
        try:
            await store.reindex(await store.load(thread_id))
        except Conflict:
            continue
        except ThreadNotFound:
            return False
        return True


async def export_threads(store: Store, file: Path) -> int:
    """Write every thread to `file`, completely or not at all, and return how many.

    Only the user of this process may read the file.
    """
    if file == Path("-"):
        return await _write_threads(store, sys.stdout)
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with open_private(unfinished) as stream:
            number = await _write_threads(store, stream)
        unfinished.replace(file)
    except OSError as error:
        raise AgentError(f"cannot write {str(file)!r}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return number


async def _write_threads(store: Store, stream: TextIO) -> int:
    rows = await store.threads(limit=ALL)
    for row in reversed(rows):  # keeps the order: the last imported is the last changed
        stream.write(f"{format_thread(await store.load(row.id))}\n")
    return len(rows)


async def import_threads(store: Store, lines: Iterable[str]) -> tuple[int, int]:
    """Add the threads of an export, and return how many were new and how many were not.

    Raises:
        AgentError: a line cannot be added; those before it were.
    """
    added = there = 0
    for number, text in enumerate(lines, 1):
        try:
            grown = await add_thread(store, parse_thread(text))
        except AgentError as error:
            so_far = f"the {number - 1} before it were imported, and importing them again is safe"
            raise AgentError(f"line {number}: {error}; {so_far}") from error
        added, there = added + grown, there + (not grown)
    return added, there


async def add_thread(store: Store, thread: Thread) -> bool:
    """Append in one go what `store` lacks of a thread; return whether that was anything.

    Raises:
        AgentError: the thread continued differently there, and is left as it is.
    """
    try:
        known = await store.load(thread.id)
        there = [_end_standing(event) for event in known.events]
    except ThreadNotFound:
        known, there = Thread(thread.id), []
    both = min(len(known.events), len(thread.events))
    missing = thread.events[both:]
    try:
        if there[:both] != [*thread.events[:both]]:
            raise Conflict(f"{len(known.events)} events are here already")
        if missing:
            await store.append(known, *missing)
    except Conflict as error:
        raise AgentError(f"thread {thread.id} continued differently here: {error}") from error
    return bool(missing)


def format_thread(thread: Thread) -> str:
    """Return a thread as one line of JSON in ASCII."""
    return json.dumps({"thread": thread.id, "events": [*map(_to_json, thread.events)]})


def _to_json(past: Event) -> dict[str, Any]:
    at = past.at.isoformat() if past.at else None
    named = {"type": past.type, "actor": past.actor, "key": past.key, "at": at}
    return {**named, "data": past.data}


def parse_thread(text: str) -> Thread:
    """Read one line of an export. Raises AgentError."""
    try:
        data = json.loads(text)
        thread = Thread(_check_text(data["thread"]), tuple(_parse_events(data["events"])))
        if not thread.state.version:  # a log that does not fold is not one
            raise ValueError("a thread without an event")
        return thread
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise AgentError("it is incomplete, or not a line of an export") from None


def _parse_events(events: list[dict[str, Any]]) -> Iterator[Event]:
    if not events:
        raise ValueError("a thread without an event")
    for seq, each in enumerate(events, 1):
        at = datetime.fromisoformat(each["at"])
        if at.tzinfo is None:
            raise ValueError("a time without its zone")
        key = each["key"] and _check_text(each["key"])
        made = make_event(
            _check_text(each["type"]), _check_text(each["actor"]), key, **each["data"]
        )
        yield _end_standing(replace(made, seq=seq, at=at))


def _end_standing(event: Event) -> Event:
    """Return an event without a standing approval: an import brings none, whoever wrote it."""
    if event.type != "resumed" or "standing" not in event.data:
        return event
    data = dict(event.data)
    data["standing_elsewhere"] = data.pop("standing")
    return replace(event, data=data)


def _check_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value

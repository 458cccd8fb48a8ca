"""The commands of who runs the agent: its tables, and moving the threads from store to store.

An export is JSON Lines, one thread a line, with everything there is to know of it: a question asked
before is answered after, by the same link. An import may be stopped and done again: what is there
already is not repeated, and a thread gets in whole or not at all.
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

from ..log.errors import AgentError, Conflict, ThreadNotFound
from ..log.events import Event, event
from ..log.thread import Thread
from ..loop.ports import Store
from ..runners.app import Build, no_model

ALL = 2**62
"""More threads than anybody has."""

Source = Annotated[
    typer.FileText,
    typer.Argument(metavar="[FILE]", help="- is stdin.", encoding="utf-8", errors="replace"),
]
Target = Annotated[Path, typer.Argument(metavar="[FILE]", help="- is stdout.", dir_okay=False)]


def mount(cli: typer.Typer, build: Build) -> None:
    """Add `migrate`, `export` and `import`."""

    @cli.command()
    def migrate() -> None:
        """Make the tables or bring them up to date.

        Every command does where it has to; this one is a step for deployments. Any number of
        processes may do it at once.
        """
        asyncio.run(build(no_model).ports.store.threads(limit=1))
        typer.echo("The tables are as this version of the agent knows them.", err=True)

    @cli.command()
    def export(file: Target = Path("-")) -> None:
        """Write every thread, one a line; stop the workers first, so that none goes on here."""
        number = asyncio.run(exported(build(no_model).ports.store, file))
        typer.echo(f"{number} threads exported.", err=True)

    @cli.command("import")
    def import_(file: Source = "-") -> None:  # type: ignore[assignment] # Typer opens it
        """Add every thread of an export; those that are here already stay as they are."""
        added, there = asyncio.run(imported(build(no_model).ports.store, file))
        typer.echo(f"{added} threads imported, {there} were here already.", err=True)


async def exported(store: Store, file: Path) -> int:
    """Write every thread to `file`, which is complete or not written; return how many."""
    if file == Path("-"):
        return await _written(store, sys.stdout)
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as stream:
            number = await _written(store, stream)
        unfinished.replace(file)
    except OSError as error:
        raise AgentError(f"cannot write {str(file)!r}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return number


async def _written(store: Store, stream: TextIO) -> int:
    rows = await store.threads(limit=ALL)
    for row in reversed(rows):  # the last changed comes last, and is so after the import
        stream.write(f"{line_of(await store.load(row.id))}\n")
    return len(rows)


async def imported(store: Store, lines: Iterable[str]) -> tuple[int, int]:
    """Add the threads of an export; return how many were new, and how many not.

    Raises:
        AgentError: of one that cannot be added; those before it are.
    """
    added = there = 0
    for number, text in enumerate(lines, 1):
        try:
            grown = await add(store, thread_of(text))
        except AgentError as error:
            so_far = f"the {number - 1} before it are here, and may be imported again"
            raise AgentError(f"line {number}: {error}; {so_far}") from error
        added, there = added + grown, there + (not grown)
    return added, there


async def add(store: Store, thread: Thread) -> bool:
    """Append at once what `store` lacks of a thread; return whether that was anything.

    Raises:
        AgentError: it has gone a way of its own there, and is left as it is.
    """
    try:
        known = await store.load(thread.id)
    except ThreadNotFound:
        known = Thread(thread.id)
    both = min(len(known.events), len(thread.events))
    missing = thread.events[both:]
    try:
        if known.events[:both] != thread.events[:both]:
            raise Conflict(f"after {len(known.events)} events it is another one here")
        if missing:
            await store.append(known, *missing)
    except Conflict as error:
        raise AgentError(f"thread {thread.id} has gone its own way: {error}") from error
    return bool(missing)


def line_of(thread: Thread) -> str:
    """Return a thread as one line of JSON in ASCII."""
    return json.dumps({"thread": thread.id, "events": [*map(_told, thread.events)]})


def _told(past: Event) -> dict[str, Any]:
    at = past.at.isoformat() if past.at else None
    named = {"type": past.type, "actor": past.actor, "key": past.key, "at": at}
    return {**named, "data": past.data}


def thread_of(text: str) -> Thread:
    """Read one line of an export. Raises AgentError."""
    try:
        told = json.loads(text)
        thread = Thread.of(_text(told["thread"]), _events(told["events"]))
        if not thread.state.version:  # what does not fold is no log
            raise ValueError("a thread without an event")
        return thread
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise AgentError("it is cut off, or no line of an export") from None


def _events(told: list[dict[str, Any]]) -> Iterator[Event]:
    if not told:
        raise ValueError("a thread without an event")
    for seq, each in enumerate(told, 1):
        at = datetime.fromisoformat(each["at"])
        if at.tzinfo is None:
            raise ValueError("a time without its zone")
        key = each["key"] and _text(each["key"])
        made = event(_text(each["type"]), _text(each["actor"]), key, **each["data"])
        yield replace(made, seq=seq, at=at)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value

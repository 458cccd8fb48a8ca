"""How ids, times and commands look in a terminal, and how an age is typed."""

import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from unicodedata import east_asian_width

import typer

UNITS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}

CONTINUES = "| "
"""Begins a line that belongs to the one above it; no line of a call does."""


def shorten_id(thread_id: str) -> str:
    """Return as much of an id as people type; commands take any unique beginning."""
    return thread_id[:8]


def format_command(*words: str) -> str:
    """Return a command of this program as it was started, to be copied."""
    return " ".join(["uv run agent" if "UV" in os.environ else "agent", *words])


def format_time(at: datetime, now: datetime) -> str:
    """Return a time as people say it: near ones by distance, others by the local clock."""
    seconds = (now - at).total_seconds()
    distance, ago = abs(seconds), "{} ago" if seconds >= 0 else "in {}"
    if distance < 10 and seconds >= 0:
        return "just now"
    if distance < 60:
        return ago.format(f"{distance:.0f} s")
    if distance < 3600:
        return ago.format(f"{distance // 60:.0f} min")
    local = at.astimezone()
    today = local.date() == now.astimezone().date()
    return f"{local:%H:%M}" if today else f"{local:%Y-%m-%d %H:%M}"


def read_age(text: str) -> timedelta:
    """Read `36h`, `30d` or `8w`. Raises BadParameter."""
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text.strip()):
        return timedelta(seconds=int(found[1]) * UNITS[found[2]])
    raise typer.BadParameter(f"{text!r} is not a time such as 36h, 30d or 8w")


def mark_lines(start: str, text: str) -> list[str]:
    """Return a text after `start`, its further lines marked as such."""
    first, *others = text.split("\n")
    indent = " " * (len(start) - len(start.lstrip(" ")))
    return [f"{start}{first}", *(f"{indent}{CONTINUES}{line}" for line in others)]


def fold_line(line: str, columns: int) -> Iterator[str]:
    """Break a line that is longer than `columns`, and mark what continues it.

    A terminal breaks long lines as well, but unmarked: spaces in a value would push what follows
    to where it looks like the next line. Each wide character counts as two.
    """
    indent = " " * (len(line) - len(line.lstrip(" ")))
    room, row = max(columns, len(indent) + len(CONTINUES) + 10), list[str]()
    used = 0
    for char in line:
        width = 2 if east_asian_width(char) in "WF" else 1
        if used + width > room:
            yield "".join(row)
            row = [indent, CONTINUES]
            used = len(indent) + len(CONTINUES)
        row.append(char)
        used += width
    yield "".join(row)

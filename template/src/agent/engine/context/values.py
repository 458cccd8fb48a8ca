"""Data as lines of text: compact YAML, a table of records that are alike, one long record a line.

Each value has one reading. Text that could be read as something else is quoted as in JSON, so no
text adds a field, a row or a cell. A list that does not fit is cut between records, with a note.
"""

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from ..characters import clean
from ..log.events import as_json

FEWEST = 3
"""A list of so many items has one line for each; a shorter one is YAML."""

_NAME = re.compile(r"[\w.-]+")
_CELL = re.compile(r"[\w@/.+:()-][\w@/.+:() -]*(?<! )", re.ASCII)
_ODD = re.compile(
    r"^(?![\w@/(])|\\|: |[ :]$|^\d[\d.]*(e[+-]?\d+)?$|^(true|false|null|yes|no|on|off)$", re.I
)
"""What plain text does not have: another start, an escape, a second field, or another type."""
_as_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def render_value(value: Any, room: int) -> list[str]:
    """Return the lines of a value; each list of `FEWEST` items or more fits `room` characters."""
    match value:
        case dict() if value:
            return [line for entry in value.items() for line in _render_entry(*entry, room)]
        case list() | tuple() if len(value) >= FEWEST:
            head, rows = _render_records(value)
            return [*head, *fit_rows(rows, room)]
        case list() | tuple() if value:
            return [line for item in value for line in _indent("- ", render_value(item, room))]
    return [_write(value)]


def fit_rows(rows: list[str], room: int, what: str = "records") -> list[str]:
    """Keep the first and the last rows that fit in `room`, and say how many are not shown."""
    first, last = (_count_fitting(each, room // 2) for each in (rows, rows[::-1]))
    if first + last >= len(rows):
        return rows
    if first + last == 0:
        missing = len(rows[0]) - room
        rest = f" [… {missing} characters cut …]" if missing > 0 else ""
        first, rows = 1, [rows[0][:room] + rest, *rows[1:]]
    note = f"… {len(rows) - first - last} of {len(rows)} {what} not shown"
    return [*rows[:first], note, *rows[len(rows) - last :]]


def split_lines(text: str) -> list[str]:
    return clean(text).split("\n")


def _count_fitting(rows: list[str], room: int) -> int:
    return sum(end <= room for end in accumulate(len(row) + 1 for row in rows))


def _render_records(items: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return the header of a list, if it is a table, and a line for each item."""
    first = items[0]
    if isinstance(first, dict) and first and all(_is_alike(first, item) for item in items):
        rows = (",".join(_write(item[name], _CELL) for name in first) for item in items)
        return [",".join(map(_quote_name, first))], [*rows]
    if any(isinstance(item, dict | list | tuple) for item in items):
        return [], [_as_compact(item) for item in items]
    return [], [f"- {_write(item)}" for item in items]


def _is_alike(first: dict[str, Any], item: Any) -> bool:
    flat = isinstance(item, dict) and not any(
        isinstance(each, dict | list) for each in item.values()
    )
    return flat and item.keys() == first.keys()


def _render_entry(name: str, item: Any, room: int) -> list[str]:
    name = _quote_name(name)
    match item:
        case str() if "\n" in item:
            return [f"{name}: |", *_indent("  ", split_lines(item))]
        case dict() | list() | tuple() if item:
            return [f"{name}:", *_indent("  ", render_value(item, room))]
    return [f"{name}: {_write(item)}"]


def _write(value: Any, plain: re.Pattern[str] | None = None) -> str:
    """Write a value on one line, as JSON unless it is text that has one reading without quotes."""
    odd = not isinstance(value, str) or not value.isprintable() or _ODD.search(value)
    return as_json(value) if odd or (plain and not plain.fullmatch(value)) else value


def _indent(first: str, lines: list[str]) -> list[str]:
    return [(first if place == 0 else "  ") + line for place, line in enumerate(lines)]


def _quote_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else as_json(name)

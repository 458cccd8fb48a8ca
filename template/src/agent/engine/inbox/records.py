"""What a tool returned, as people read it: records as tables, everything else as text.

A cell holds text, shown as it is, or JSON where it is not text; a record may hold tables, too. The
page of the event has all of what is cut here.
"""

from dataclasses import dataclass
from typing import Any

from ..characters import quote
from ..log.events import cut

ROWS = 50
COLUMNS = 12
CELL = 400
"""Characters."""


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    """Names of columns; empty for a single record, whose rows are name and value."""
    rows: "tuple[tuple[Table | str, ...], ...]"
    left_out: int = 0
    """Rows that are not here."""


def make_table(value: Any, inner: bool = False) -> Table | None:
    """Return a record, or a list of records with the same fields, as a table; None for others.

    An `inner` table has none in its cells.
    """
    if isinstance(value, dict) and value:
        fields = tuple(
            (_cut(name), (None if inner else make_table(item, True)) or _write_cell(item))
            for name, item in value.items()
        )
        return Table((), fields[:ROWS], max(0, len(fields) - ROWS))
    if isinstance(value, list) and _are_alike(value):
        names = [*value[0]]
        rows = tuple(tuple(_write_cell(each[name]) for name in names) for each in value[:ROWS])
        return Table(tuple(map(_cut, names)), rows, max(0, len(value) - ROWS))
    return None


def _are_alike(records: list[Any]) -> bool:
    """Say whether these are records with the same fields, few enough for a page."""
    first = records[0] if records else None
    if not isinstance(first, dict) or not 0 < len(first) <= COLUMNS:
        return False
    return all(isinstance(each, dict) and each.keys() == first.keys() for each in records)


def _write_cell(value: Any) -> str:
    return _cut(value if isinstance(value, str) else quote(value))


def _cut(text: str) -> str:
    return cut(text, CELL)

"""A call as people read it on a page: the rows that `people.cards` writes as lines.

Each value is quoted, so it can look neither like another row nor like the name of one.
"""

from dataclasses import dataclass

from ..characters import quote
from ..log.events import CallJson
from ..people.cards import list_changes, write_call, write_name

BRIEF = 200
"""Characters of a call that fits on a line of a list."""
LONG = 400
"""Characters of a value from which on its row scrolls by itself."""


@dataclass(frozen=True)
class Row:
    """One argument; `json.loads` reads exactly the value back."""

    name: str
    value: str
    """Empty where an edit removed the argument."""
    before: str = ""
    """What an edit replaced."""
    changed: bool = False

    @property
    def is_long(self) -> bool:
        return len(self.value) > LONG


def list_rows(call: CallJson, before: CallJson | None = None) -> list[Row]:
    """Return all arguments of a call, in order; if it is an edit, with what was there `before`."""
    changes = [] if before is None else list_changes(before, call)
    gone = [name for name in before or {} if name not in call]
    names = [*(name for name in call if name != "intent"), *gone]
    return [
        Row(
            write_name(name),
            _write_value(call, name),
            _write_value(before or {}, name) if name in changes else "",
            name in changes,
        )
        for name in names
    ]


def format_brief(call: CallJson) -> str:
    """Return a call on one line if all of it fits there, else how long it is."""
    name, *given = write_call(call)
    whole = f"{name}({', '.join(given)})"
    if len(whole) <= BRIEF:
        return whole
    plural = "" if len(given) == 1 else "s"
    characters = sum(map(len, given))
    return f"{name[:BRIEF]} ({len(given)} argument{plural}, {characters:,} characters)"


def _write_value(call: CallJson, name: str) -> str:
    return quote(call[name]) if name in call else ""

"""Lines to paste into a file of the project, and how TOML and Poetry write them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .facts import PYPROJECT, Host

END = "at the end"


@dataclass(frozen=True)
class Lines:
    """Lines for one place of a file of the project."""

    file: str
    place: str
    """Where in the file, in words."""
    lines: tuple[str, ...]
    """Items that belong together, each of one line or of several."""
    why: str = ""
    """What to know of them; where there are no lines, what to do."""
    opening: tuple[str, ...] = ()
    """What stands before them where their place is new."""
    closing: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return them as they can be pasted."""
        indent = "    " if self.closing else ""
        between = "\n\n" if any("\n" in item for item in self.lines) else "\n"
        inner = between.join(f"{indent}{item}" for item in self.lines)
        return "\n".join([*self.opening, inner, *self.closing])


@dataclass(frozen=True)
class Section:
    """Lines for one place, and how each is found again."""

    lines: Lines
    key: Callable[[str], str]
    """What makes one of them the same in another version."""
    is_there: Callable[[str], bool]
    """Whether the project has one of them already."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """What the project has in the place of one, and is too old or lacks an extra."""

    def only(self, keep: Callable[[str], bool]) -> Lines | None:
        """Return the lines that are to be kept; None where there is none."""
        kept = tuple(item for item in self.lines.lines if keep(item))
        old = ", ".join(self.instead[item] for item in kept if item in self.instead)
        why = f"In place of {old}, which is not enough." if old else self.lines.why
        return replace(self.lines, lines=kept, why=why) if kept else None


def in_table(host: Host, items: list[str], *table: str, why: str = "") -> Lines:
    """Return lines for a table of pyproject.toml, with the table's name where it is new."""
    place = f"[{'.'.join(table)}]"
    if host.table(*table):
        return Lines(PYPROJECT, place, (*items,), why)
    return Lines(PYPROJECT, END, (*items,), why, (place,))


def setting(host: Host, name: str, value: object, *table: str) -> Lines:
    """Return the line of a setting, in place of the one that is there."""
    why = f"In place of the `{name}` that is there." if name in host.table(*table) else ""
    return in_table(host, [assigned(name, value)], *table, why=why)


def in_list(host: Host, wanted: list[str], name: str, *table: str) -> Lines:
    """Return lines for a list in a table of pyproject.toml, with what is new around them."""
    items, place = tuple(f'"{one}",' for one in wanted), f"[{'.'.join(table)}]"
    there = host.table(*table)
    if name in there:
        return Lines(PYPROJECT, f"{place}, in `{name}`", items)
    opening = (f"{name} = [",) if there else (place, f"{name} = [")
    return Lines(PYPROJECT, place if there else END, items, "", opening, ("]",))


def in_poetry(requirement: str) -> str:
    """Return a requirement as Poetry's own tables have it."""
    found = re.fullmatch(r"([\w.-]+)(?:\[(.*)\])?(.*)", requirement)
    name, extras, version = found.groups() if found else (requirement, None, "")
    if not extras:
        return assigned(name, version or "*")
    return assigned(name, {"version": version, "extras": extras.split(",")})


def assigned(name: str, value: object) -> str:
    """Return a line of TOML."""
    return f"{name} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(assigned(name, one) for name, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)

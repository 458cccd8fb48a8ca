"""Types, fields and objects of a generated module, as source, and the small ones among them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..characters import is_unseen
from .texts import tidy, write_string

MAX_LINE = 100
MAX_ENUM = 100
MAX_VALUE = 80
MAX_SAID = 400
"""Characters of the description of an argument."""

Schema = Mapping[str, Any]

JSON_TEXT = "mcp.JsonText"
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_BOUNDS = {
    "integer": {
        "minimum": "ge",
        "maximum": "le",
        "exclusiveMinimum": "gt",
        "exclusiveMaximum": "lt",
    },
    "string": {"minLength": "min_length", "maxLength": "max_length"},
    "array": {"minItems": "min_length", "maxItems": "max_length"},
}
_BOUNDS["number"] = _BOUNDS["integer"]
UNCHECKED = (
    "pattern multipleOf uniqueItems contains not if dependentRequired dependentSchemas "
    "patternProperties propertyNames minProperties maxProperties unevaluatedProperties"
).split()


@dataclass(frozen=True)
class Kind:
    """A type, as source."""

    source: str
    bounds: tuple[tuple[str, str], ...] = ()
    """Arguments of `Field`."""

    @property
    def is_free(self) -> bool:
        return self.source == JSON_TEXT


@dataclass(frozen=True)
class FieldSource:
    name: str
    alias: str
    """What the server calls it; "" if that is its name."""
    kind: Kind
    required: bool
    said: str


@dataclass(frozen=True)
class ShapeSource:
    name: str
    fields: tuple[FieldSource, ...]
    said: str


@dataclass(frozen=True)
class AliasSource:
    name: str
    source: str


def write_union(names: Sequence[str], room: int) -> str:
    """Return a union as the value of an assignment, over several lines if it does not fit after
    `room` characters."""
    one = " | ".join(names)
    lines = "\n    | ".join(names)
    return one if len(one) <= MAX_LINE - room else f"(\n    {lines}\n)"


def write_value(value: Any) -> str:
    """Return a value of an enumeration as source; "" if it cannot be one."""
    match value:
        case None | bool():
            return str(value)
        case int() if abs(value) < 2**53:
            return str(value)
        case str() if len(value) <= MAX_VALUE and not any(map(is_unseen, value)):
            return write_string(value)
    return ""


def list_bounds(schema: Schema) -> list[tuple[str, str]] | None:
    """Return bounds of a scalar or a list as arguments of `Field`; None if they are unusable."""
    kind = str(schema.get("type"))
    names, whole = _BOUNDS.get(kind, {}), kind != "number"
    given = {name: schema[name] for name in names if name in schema}
    if not all(_is_bound(value, whole) for value in given.values()):
        return None
    low = max((value for name, value in given.items() if "min" in name.lower()), default=None)
    high = min((value for name, value in given.items() if "max" in name.lower()), default=None)
    if low is not None and high is not None and low > high:
        return None
    return [(names[name], str(int(value) if whole else value)) for name, value in given.items()]


def _is_bound(value: Any, whole: bool) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
    return number and (not whole or value == int(value))


def say(schema: Schema, kind: Kind) -> Iterator[str]:
    said = tidy(schema.get("description"), MAX_SAID)
    yield said + "." if said[-1:].isalnum() else said
    if kind.source.startswith(JSON_TEXT):
        yield "JSON, written as text."
    if f"list[{JSON_TEXT}" in kind.source:
        yield "Each item is JSON, written as text."
    if isinstance(form := schema.get("format"), str):
        yield f"Format: {tidy(form, 40)}."
    if isinstance(pattern := schema.get("pattern"), str):
        yield f"Pattern: {tidy(pattern, 100)}"
    if schema.get("default") is not None:
        yield f"Default: {tidy(json.dumps(schema['default'], ensure_ascii=False), 100)}."

"""The arguments of a call as a form made from the tool's schema, and back.

What was left as it was shown stays exactly what it was, whatever a browser did to the text.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..characters import clean
from ..llms.schema import list_shapes
from ..log.errors import Refused
from ..log.events import CallJson

Schema = dict[str, Any]
Kind = Literal["text", "number", "choice", "json"]

_LEFT_OUT: Any = object()
"""The value of an argument that the call does not have."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Field:
    name: str
    """As the call has it."""
    kind: Kind
    about: str
    """What the schema says of it."""
    choices: tuple[Any, ...]
    nullable: bool
    value: Any
    typed: str | None = None
    """What somebody wrote into it before."""

    @property
    def shown(self) -> str:
        return self.written if self.typed is None else self.typed

    @property
    def written(self) -> str:
        """The value as the form shows it."""
        if self.value is _LEFT_OUT or (self.value is None and self.kind in ("text", "number")):
            return ""
        if self.kind == "text":
            return clean(self.value)
        if self.kind == "json":
            return clean(json.dumps(self.value, ensure_ascii=False, indent=2))
        return json.dumps(self.value)

    @property
    def options(self) -> list[tuple[str, str]]:
        """What a choice sends, and how it reads."""
        known = [
            (json.dumps(one), one if isinstance(one, str) else json.dumps(one))
            for one in self.choices
        ]
        return [("", "not set"), *known] if self.value is _LEFT_OUT else known

    def read(self, given: str) -> Any:
        """Return the value that somebody gave; an emptied field is null, or left out.

        Raises:
            Refused: it cannot be read at all. Whether it fits is for the schema to say.
        """
        if given == self.written:
            return self.value
        if not given.strip() and (self.kind != "text" or (self.nullable and not given)):
            return None if self.nullable else _LEFT_OUT
        match self.kind:
            case "text":
                return given
            case "choice":
                return next((one for one in self.choices if json.dumps(one) == given), given)
        try:
            value = json.loads(given)
        except (ValueError, RecursionError) as error:
            if self.kind == "json":
                raise Refused(f"{self.name}: this is not JSON: {error}") from None
            value = given
        if self.kind == "number" and type(value) not in (int, float):
            raise Refused(f"{self.name}: this is not a number")
        return value


def list_fields(schema: Schema, call: CallJson, typed: dict[str, str]) -> list[Field]:
    """Return a field for each argument, with what was `typed` before: those of the call in its
    order, then those that only the schema has."""
    known: Schema = next(
        (
            shape["properties"]
            for shape in (list_shapes(schema) if schema else ())
            if call["intent"] in shape["properties"]["intent"].get("enum", ())
        ),
        {},
    )
    values = call | {name: _LEFT_OUT for name in known if name not in call}
    return [
        replace(
            _make_field(schema, name, known.get(name, {}), value),
            typed=typed.get(f"argument.{name}"),
        )
        for name, value in values.items()
        if name != "intent"
    ]


def apply_edit(schema: Schema, call: CallJson, form: dict[str, str]) -> CallJson:
    """Return a call with the arguments of a form. Raises Refused."""
    changed = dict(call)
    for field in list_fields(schema, call, {}):
        if (given := form.get(f"argument.{field.name}")) is not None:
            changed[field.name] = field.read(given)
    return {name: value for name, value in changed.items() if value is not _LEFT_OUT}


def _make_field(schema: Schema, name: str, known: Schema, value: Any) -> Field:
    options = [_resolve(schema, option) for option in known.get("anyOf", [known])]
    others = [option for option in options if option.get("type") != "null"]
    nullable = len(others) < len(options)
    only = others[0] if len(others) == 1 else {}
    kind, choices = _find_kind(only)
    choices += (None,) if choices and nullable else ()
    if {option.get("type") for option in others} == {"number", "string"} and _is_decimal(value):
        kind = "text"
    if not _fits(kind, choices, nullable, value):
        kind, choices = "json", ()
    about = known.get("description") or only.get("description", "")
    return Field(name, kind, about, choices, nullable, value)


def _resolve(schema: Schema, option: Schema) -> Schema:
    name = option.get("$ref", "").rpartition("/")[2]
    return schema.get("$defs", {}).get(name, {}) if name else option


def _find_kind(schema: Schema) -> tuple[Kind, tuple[Any, ...]]:
    match schema:
        case {"enum": [*values]}:
            return "choice", tuple(values)
        case {"type": "boolean"}:
            return "choice", (True, False)
        case {"type": "integer" | "number"}:
            return "number", ()
        case {"type": "string"}:
            return "text", ()
    return "json", ()


def _is_decimal(value: Any) -> bool:
    """Say whether a number is written as text, as a `Decimal` is."""
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def _fits(kind: Kind, choices: tuple[Any, ...], nullable: bool, value: Any) -> bool:
    """Say whether a form of this kind can show the value that is there."""
    if value is _LEFT_OUT or (value is None and nullable):
        return True
    match kind:
        case "text":
            return isinstance(value, str)
        case "number":
            return type(value) in (int, float)
        case "choice":
            return json.dumps(value) in map(json.dumps, choices)
    return True

"""Reads a step whose values are spelled in another way than the schema asks.

Each rule applies only where one meaning is possible. Nothing is repaired: no quote, comma or brace
is added, and no value is chosen or guessed. `docs/models.md` lists the rules.
"""

import json
import re
from typing import Any

from .objects import build_unique
from .schema import list_shapes

_TYPOGRAPHIC = re.compile("“([^“”]*)”")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")
EXACT = 2**53
"""A float beyond this may stand for several whole numbers."""


def straighten_quotes(text: str) -> str:
    """Return a reply with straight quotes, if all of its quotes are typographic."""
    if '"' in text or "“" not in text:
        return text
    straight = _TYPOGRAPHIC.sub(r'"\1"', text)
    return text if "“" in straight or "”" in straight else straight


def respell(step: Any, schema: dict[str, Any]) -> Any:
    """Return a step with its values spelled as `schema`, a wrapped one, asks."""
    if not isinstance(step, dict):
        return step
    shapes = (
        shape
        for shape in list_shapes(schema)
        if step.get("intent") in shape["properties"]["intent"].get("enum", ())
    )
    shape = next(shapes, None)
    return _respell(step, shape, schema.get("$defs", {})) if shape else step


def _respell(value: Any, node: Any, definitions: dict[str, Any]) -> Any:
    node = _find_only(node, definitions)
    if node is None or value is None:
        return value
    if "enum" in node:
        return _match_case(value, node["enum"])
    match node.get("type"):
        case "integer" | "number" as kind:
            return _read_number(value, kind)
        case "object":
            return _respell_object(_read_json(value, dict), node, definitions)
        case "array":
            items = _read_json(value, list)
            each = node.get("items")
            if isinstance(items, list) and isinstance(each, dict):
                return [_respell(item, each, definitions) for item in items]
            return items
    return value


def _respell_object(value: Any, node: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    fields = node.get("properties")
    if fields is None:
        inner = node.get("additionalProperties")
        return {name: _respell(item, inner, definitions) for name, item in value.items()}
    if not fields.keys() <= value.keys():  # an unknown field may be a misspelled one
        known = value
    else:
        known = {name: item for name, item in value.items() if name in fields}
    return {name: _respell(item, fields.get(name), definitions) for name, item in known.items()}


def _find_only(node: Any, definitions: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a value has to be, apart from null; None if it may be several things."""
    while isinstance(node, dict):
        if "$ref" in node:
            node = definitions.get(node["$ref"].rpartition("/")[2])
        elif "anyOf" in node:
            options = [option for option in node["anyOf"] if option != {"type": "null"}]
            node = options[0] if len(options) == 1 else None
        else:
            return node
    return None


def _match_case(value: Any, known: list[Any]) -> Any:
    if not isinstance(value, str) or value in known:
        return value
    meant = value.strip().casefold()
    fits = [each for each in known if isinstance(each, str) and each.casefold() == meant]
    return fits[0] if len(fits) == 1 else value


def _read_number(value: Any, kind: str) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = json.loads(value.strip())
    whole = isinstance(value, float) and value.is_integer() and abs(value) < EXACT
    return int(value) if kind == "integer" and whole else value


def _read_json(value: Any, kind: type) -> Any:
    """Return what a text holds as JSON, if it is of this kind."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, object_pairs_hook=build_unique)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, kind) else value

"""Makes values that a JSON schema allows: a few of each kind, the same in every process."""

import json
from collections.abc import Iterator
from itertools import chain, islice, zip_longest
from typing import Any

from .patterns import make_match
from .scalars import make_numbers, make_texts

Schema = dict[str, Any]

MOST, FEW = 12, 4
"""Of the values of one node, and of numbers."""
DEEPEST = 4
"""How often shapes may contain each other in one value."""

_FREE = ("text", 1, {"a": [1.5, None]}, True)


def make_samples(node: Schema, definitions: Schema, depth: int = 0) -> list[Any]:
    """Return values that a node allows, its examples first; none where no value was found."""
    found: list[Any] = []
    for value in chain(node.get("examples", ()), _generate(node, definitions, depth)):
        if not any(value == one and type(value) is type(one) for one in found):
            found.append(value)
    return found[:MOST]


def _generate(node: Schema, definitions: Schema, depth: int) -> Iterator[Any]:
    match node:
        case {"$ref": str(ref)}:
            if depth < DEEPEST:
                target = definitions[ref.rpartition("/")[2]]
                yield from make_samples(target, definitions, depth + 1)
        case {"const": value}:
            yield value
        case {"enum": list(values)}:
            yield from values[:3]
        case {"anyOf": list(options)} | {"oneOf": list(options)} | {"allOf": list(options)}:
            yield from _interleave([make_samples(one, definitions, depth) for one in options])
        case {"type": "object"}:
            yield from _make_objects(node, definitions, depth)
        case {"type": "array"}:
            yield from _make_lists(node, definitions, depth)
        case {"type": "string", "format": "decimal"}:
            numbers = make_numbers({**node, "type": "number"})
            yield from map(str, islice(numbers, FEW))
        case {"contentMediaType": "application/json"}:
            inside = make_samples(node.get("contentSchema", {}), definitions, depth)
            yield from map(json.dumps, inside)
        case {"type": "string"}:
            yield from make_texts(node)
        case {"type": "integer" | "number"}:
            yield from islice(make_numbers(node), FEW)
        case {"type": "boolean"}:
            yield from (True, False)
        case {"type": "null"}:
            yield None
        case _:
            yield from _FREE


def _make_lists(node: Schema, definitions: Schema, depth: int) -> Iterator[list[Any]]:
    if "prefixItems" in node:
        places = enumerate(node["prefixItems"])
        columns = {place: make_samples(one, definitions, depth) for place, one in places}
        yield from (list(row.values()) for row in _pad(columns))
        return
    items = make_samples(node.get("items") or {}, definitions, depth)
    least, most = node.get("minItems", 0), node.get("maxItems", MOST)
    if least == 0:
        yield []
    if items:
        many = items * (1 if node.get("uniqueItems") else least // len(items) + 1)
        yield many[: max(least, min(2, most))]
        yield many[:most][::-1]


def _make_objects(node: Schema, definitions: Schema, depth: int) -> Iterator[Schema]:
    properties = node.get("properties", {})
    columns = {name: make_samples(inner, definitions, depth) for name, inner in properties.items()}
    required = {name: columns[name] for name in node.get("required", ()) if name in columns}
    full = {name: values for name, values in columns.items() if values or name in required}
    rows = chain(_pad(full), islice(_pad(required), 1))
    yield from rows if properties else ()
    inner = node.get("additionalProperties") or next(
        iter(node.get("patternProperties", {}).values()), False
    )
    if inner is not False:
        values = make_samples(inner if isinstance(inner, dict) else {}, definitions, depth)
        for keys in _make_keys(node, definitions, depth):
            for place in range(len(values)):
                turned = values[place:] + values[:place]
                yield {key: turned[at % len(turned)] for at, key in enumerate(keys)}


def _make_keys(node: Schema, definitions: Schema, depth: int) -> Iterator[list[str]]:
    if "patternProperties" in node:
        yield [key for key in map(make_match, node["patternProperties"]) if key is not None]
    elif "propertyNames" in node:
        names = {"type": "string", **node["propertyNames"]}
        names = {"$ref": names["$ref"]} if "$ref" in names else names
        yield [str(key) for key in make_samples(names, definitions, depth)]
    else:
        yield from (["a", "b"], ["1", "2"], ["true", "false"])


def _pad(columns: dict[Any, list[Any]]) -> Iterator[dict[Any, Any]]:
    """Return rows with a value of each column, until each value was in one."""
    if all(columns.values()):
        for row in range(max(map(len, columns.values()), default=1)):
            yield {name: values[row % len(values)] for name, values in columns.items()}


def _interleave(lists: list[list[Any]]) -> Iterator[Any]:
    nothing = object()
    for row in zip_longest(*lists, fillvalue=nothing):
        yield from (value for value in row if value is not nothing)

"""Makes values that a JSON schema allows: a few of each kind, the same in every process."""

import json
from collections.abc import Iterator
from itertools import chain, zip_longest
from math import ceil, inf, isfinite
from typing import Any

from .patterns import make_match

Schema = dict[str, Any]

MOST = 12
"""Of the values of one node."""
DEEPEST = 4
"""How often shapes may contain each other in one value."""

_TEXTS = ("text", "Some Words", "1", " b ")
_FORMATS: dict[str, tuple[str, ...]] = {
    "base64url": ("YWJj",),
    "date": ("2026-03-01",),
    "date-time": ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00.5+02:00", "2026-03-01T09:00:00"),
    "duration": ("PT1H30M", "P1D"),
    "email": ("ana@example.org",),
    "file-path": ("/",),
    "ipv4": ("192.0.2.1",),
    "ipv4network": ("192.0.2.0/24",),
    "ipv6": ("2001:db8::1",),
    "ipv6network": ("2001:db8::/32",),
    "time": ("09:00:00", "09:00:00Z"),
    "uri": ("https://example.org/a", "https://example.org"),
    "uuid": ("6f1e1e6e-0000-4000-8000-000000000001", "6f1e1e6e-0000-4000-8000-000000000002"),
}
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
            yield from map(str, _make_numbers({**node, "type": "number"}))
        case {"contentMediaType": "application/json"}:
            inside = make_samples(node.get("contentSchema", {}), definitions, depth)
            yield from map(json.dumps, inside)
        case {"type": "string"}:
            yield from _make_texts(node)
        case {"type": "integer" | "number"}:
            yield from _make_numbers(node)
        case {"type": "boolean"}:
            yield from (True, False)
        case {"type": "null"}:
            yield None
        case _:
            yield from _FREE


def _make_texts(node: Schema) -> Iterator[str]:
    least, most = node.get("minLength", 0), node.get("maxLength", 1_000)
    if "pattern" in node:
        text = make_match(node["pattern"])
        yield from [text] if text is not None and least <= len(text) <= most else []
    for text in _FORMATS.get(node.get("format", ""), _TEXTS):
        yield (text * (least // len(text) + 1) if len(text) < least else text)[:most]


def _make_numbers(node: Schema) -> Iterator[float]:
    whole, step = node["type"] == "integer", node.get("multipleOf")
    least, above = node.get("minimum", -inf), node.get("exclusiveMinimum", -inf)
    most, below = node.get("maximum", inf), node.get("exclusiveMaximum", inf)
    low, high = max(least, above), min(most, below)
    bounds = [bound for bound in (low, high) if isfinite(bound)]
    some: list[float] = [1, 0, 7, -3, *([] if whole else [2.5, 0.25])]
    some += [bound + more for bound in bounds for more in (0, 1, -1)]
    some += [sum(bounds) / 2] if len(bounds) == 2 else []
    for number in some:
        if step or whole:
            number = ceil(number / (step or 1)) * (step or 1)
        if least <= number <= most and above < number < below:
            yield number


def _make_lists(node: Schema, definitions: Schema, depth: int) -> Iterator[list[Any]]:
    if "prefixItems" in node:
        columns = [make_samples(one, definitions, depth) for one in node["prefixItems"]]
        yield from map(list, _pad(columns))
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
    for chosen in (full, required):
        for row in _pad([*chosen.values()]) if properties else ():
            yield dict(zip(chosen, row, strict=True))
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


def _pad(columns: list[list[Any]]) -> Iterator[list[Any]]:
    """Return rows with a value of each column, until each value was in one."""
    if all(columns):
        for row in range(max(map(len, columns), default=1)):
            yield [values[row % len(values)] for values in columns]


def _interleave(lists: list[list[Any]]) -> Iterator[Any]:
    nothing = object()
    for row in zip_longest(*lists, fillvalue=nothing):
        yield from (value for value in row if value is not nothing)

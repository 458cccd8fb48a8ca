"""Says in words what the strict modes of providers refuse to enforce.

Pydantic enforces every rule when it reads the reply. The words spare the model that refusal.
"""

import json
from collections.abc import Iterator
from typing import Any

_FORMATS = {
    "binary": "",
    "date": "A date such as 2026-03-01.",
    "date-time": "An ISO 8601 date and time, such as 2026-03-01T09:00:00Z.",
    "decimal": 'A decimal number written as text, such as "12.50".',
    "duration": "An ISO 8601 duration such as PT1H30M.",
    "email": "An email address.",
    "path": "A path.",
    "regex": "A regular expression.",
    "time": "An ISO 8601 time such as 09:00:00.",
    "uri": "A URL such as https://example.org/a.",
    "uuid": "A UUID.",
}


def describe_rules(schema: dict[str, Any]) -> str:
    """Return sentences for the rules of one node of a JSON schema, or an empty text."""
    return " ".join(filter(None, _list_rules(schema)))


def _list_rules(schema: dict[str, Any]) -> Iterator[str]:
    if name := schema.get("format"):
        yield _FORMATS.get(name, f"Format: {name}.")
    yield from _list_bounds(schema)
    for kind, (least, most) in {
        "character": ("minLength", "maxLength"),
        "item": ("minItems", "maxItems"),
        "key": ("minProperties", "maxProperties"),
    }.items():
        if "prefixItems" not in schema and schema.get("format") != "uri":
            yield from _count(schema.get(least, 0), schema.get(most), kind)
    if schema.get("uniqueItems"):
        yield "No item twice."
    if "pattern" in schema:
        yield f"Matches the regular expression `{schema['pattern']}`."
    if "prefixItems" in schema:
        kinds = ", ".join(map(_name_kind, schema["prefixItems"]))
        yield f"Exactly {len(schema['prefixItems'])} items, in this order: {kinds}."
    keys = schema.get("propertyNames", {})
    if "enum" in keys:
        yield f"Keys: {', '.join(map(str, keys['enum']))}."
    if "$ref" in keys:
        yield f"Each key is a {_name_kind(keys)}."
    for pattern in schema.get("patternProperties", ()):
        yield f"Each key matches the regular expression `{pattern}`."
    if schema.get("default") is not None and "const" not in schema:
        yield f"Default: {json.dumps(schema['default'], ensure_ascii=False)}."


def _list_bounds(schema: dict[str, Any]) -> Iterator[str]:
    match schema:
        case {"minimum": least, "maximum": most}:
            yield f"From {_write(least)} to {_write(most)}."
        case {"minimum": least}:
            yield f"At least {_write(least)}."
        case {"maximum": most}:
            yield f"At most {_write(most)}."
    if "exclusiveMinimum" in schema:
        yield f"More than {_write(schema['exclusiveMinimum'])}."
    if "exclusiveMaximum" in schema:
        yield f"Less than {_write(schema['exclusiveMaximum'])}."
    if "multipleOf" in schema:
        yield f"A multiple of {_write(schema['multipleOf'])}."


def _count(least: int, most: int | None, kind: str) -> Iterator[str]:
    if most is None:
        if least:
            yield f"At least {least} {kind}{'s' * (least != 1)}."
    elif least == most:
        yield f"Exactly {most} {kind}{'s' * (most != 1)}."
    elif least:
        yield f"{least} to {most} {kind}s."
    else:
        yield f"At most {most} {kind}{'s' * (most != 1)}."


def _write(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _name_kind(schema: dict[str, Any]) -> str:
    """Return a word for a kind of value, such as `integer` or the name of a shape."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    options = schema.get("anyOf") or schema.get("oneOf")
    return " or ".join(map(_name_kind, options)) if options else str(schema.get("type", "anything"))

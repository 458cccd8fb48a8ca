"""Builds one portable JSON schema that the strict mode of every provider accepts.

Nothing here loosens what is accepted: the keywords that are left out are said in descriptions, and
Pydantic still enforces them when it reads the reply.
"""

from collections.abc import Iterator
from typing import Any

from .words import describe_rules

_KEPT = frozenset(
    "$defs $ref additionalProperties anyOf description enum items properties required type".split()
)
"""The keywords that all strict modes accept; some mode refuses any other."""


def wrap_schema(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the portable schema of `{"next_step": …}` for the schema of a step."""
    step = make_portable(definition)
    definitions = step.pop("$defs", {})
    return {
        "type": "object",
        "properties": {"next_step": step},
        "required": ["next_step"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def make_portable(schema: Any) -> Any:
    """Rewrite a JSON schema: `anyOf` for `oneOf`, `enum` for `const`, `intent` first, all fields
    required, no others allowed, nothing beside a `$ref`, and all other rules in words."""
    if not isinstance(schema, dict):
        return schema
    out = {
        key: _make_inner_portable(key, item)
        for key, item in _respell(schema).items()
        if key in _KEPT
    }
    if "properties" in out:
        fields = out["properties"]
        out["properties"] = {name: fields[name] for name in sorted(fields, key="intent".__ne__)}
        out |= {"required": list(out["properties"]), "additionalProperties": False}
    if words := describe_rules(schema):
        said = str(out.get("description", "")).rstrip()
        said += "." if said[-1:].isalnum() else ""
        out["description"] = f"{said} {words}".strip()
    if "$ref" in out and "description" in out:
        out["anyOf"] = [{"$ref": out.pop("$ref")}]
    return out


def list_shapes(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the object schema of each step that a wrapped schema allows, portable or not."""
    definitions = schema.get("$defs", {})

    def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if "$ref" in node:
            yield from walk(definitions[node["$ref"].rpartition("/")[2]])
        elif options := node.get("anyOf") or node.get("oneOf"):
            for option in options:
                yield from walk(option)
        elif "intent" in node.get("properties", {}):
            yield node

    return list(walk(schema["properties"]["next_step"]))


def list_intents(schema: dict[str, Any]) -> tuple[str, ...]:
    """Return every intent that a wrapped schema allows."""
    return tuple(
        name
        for shape in list_shapes(schema)
        for name in shape["properties"]["intent"].get("enum", ())
    )


def _respell(schema: dict[str, Any]) -> dict[str, Any]:
    out = dict(schema)
    if "oneOf" in out:
        out["anyOf"] = out.pop("oneOf")
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if "prefixItems" in out:
        out["items"] = {"anyOf": out.pop("prefixItems")}
    if "patternProperties" in out:
        (out["additionalProperties"],) = out["patternProperties"].values()
    return out


def _make_inner_portable(key: str, item: Any) -> Any:
    match key:
        case "properties" | "$defs":  # its keys are names, and one of them may be "title"
            return {name: make_portable(inner) for name, inner in item.items()}
        case "anyOf":
            return [make_portable(option) for option in item]
    return make_portable(item)

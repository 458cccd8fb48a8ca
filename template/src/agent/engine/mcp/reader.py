"""Reads the JSON schema of a tool: what it is in types that every provider's strict mode takes.

What cannot be said in such a type is narrowed: a free value is `JsonText`, and a rule that nothing
here checks is left to the server. Both are noted, for whoever reads the file.
"""

from dataclasses import dataclass, field
from typing import Any

from .kinds import (
    JSON_TEXT,
    MAX_ENUM,
    MAX_SAID,
    SCALARS,
    UNCHECKED,
    AliasSource,
    FieldSource,
    Kind,
    Schema,
    ShapeSource,
    list_bounds,
    say,
    write_union,
    write_value,
)
from .names import is_wire_name, make_class, make_field, make_unique
from .shapes import INTENT
from .texts import tidy

MAX_DEPTH = 4
MAX_FIELDS = 60
MAX_PARTS = 30


class Unwritable(ValueError):
    """The arguments of a tool cannot be written as a shape; the text says why."""


@dataclass
class Reader:
    """Reads the schema of one tool."""

    root: Schema
    name: str
    """Of its class; those of the objects in it begin with it."""
    taken: set[str] = field(default_factory=set)
    """Names of the module, to which those of this tool are added."""
    parts: list[ShapeSource | AliasSource] = field(default_factory=list)
    """The objects and the long types within its arguments, each after those that it contains."""
    left: list[str] = field(default_factory=list)
    """What is narrowed, or left to the server."""

    def read_root(self) -> tuple[FieldSource, ...]:
        """Return the arguments of the tool. Raises Unwritable."""
        schema = self._resolve(self.root)
        if schema is None or schema.get("type", "object") != "object":
            raise Unwritable("its arguments are not an object")
        for rule in ("anyOf", "oneOf", "allOf", *UNCHECKED):
            if rule in schema:
                self.left.append(f"the server checks `{rule}` of all arguments")
        return self.read_fields(schema, 0)

    def read_fields(self, schema: Schema, depth: int, path: str = "") -> tuple[FieldSource, ...]:
        """Return the fields of an object.

        Raises:
            Unwritable: a required one cannot be written.
        """
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = schema.get("required")
        needed = set(filter(_is_text, required)) if isinstance(required, list) else set()
        if missing := sorted(needed - properties.keys()):
            raise Unwritable(f"it requires {tidy(missing[0], 64)!r} and does not describe it")
        if len(properties) > MAX_FIELDS:
            raise Unwritable(f"an object has more than {MAX_FIELDS} fields")
        taken, found = {"intent"} if depth == 0 else set[str](), list[FieldSource]()
        for wire, inner in properties.items():
            where = f"{path}{tidy(wire, 64)}"
            if not is_wire_name(wire):
                if wire in needed:
                    raise Unwritable(f"a required argument has an unusable name: {where!r}")
                self.left.append(f"{where}: left out, because of its name")
                continue
            own = INTENT if depth == 0 and wire == "intent" else ""
            name = make_field(own or wire, taken)
            taken.add(name)
            alias = "" if wire in (name, "intent" if own else "") else wire
            kind = self._read(inner, make_class(name), depth + 1, where)
            found.append(self._make_field(name, alias, kind, wire in needed, inner))
        if schema.get("additionalProperties") not in (None, False):
            self.left.append(f"{path or 'arguments'}: only the fields that have a name")
        return tuple(found)

    def _make_field(
        self, name: str, alias: str, kind: Kind, required: bool, schema: Any
    ) -> FieldSource:
        if not required and kind.source != "None" and not kind.source.endswith("| None"):
            kind = Kind(f"{kind.source} | None", kind.bounds)
        said = " ".join(filter(None, say(self._resolve(schema) or {}, kind)))
        return FieldSource(name, alias, kind, required, said)

    def _read(self, schema: Any, name: str, depth: int, where: str) -> Kind:
        found = self._resolve(schema)
        if found is None or depth > MAX_DEPTH:
            return self._free(where, "any JSON value")
        for rule in UNCHECKED:
            if rule in found:
                self.left.append(f"{where}: the server checks `{rule}`")
        if "const" in found:
            return self._read_values([found["const"]], name, where)
        if isinstance(values := found.get("enum"), list):
            return self._read_values(values, name, where)
        for union in ("anyOf", "oneOf"):
            if isinstance(options := found.get(union), list) and options:
                return self._unite(options, name, depth, where)
        if isinstance(kinds := found.get("type"), list):
            return self._unite([{**found, "type": one} for one in kinds], name, depth, where)
        return self._read_type(found, name, depth, where)

    def _read_type(self, schema: Schema, name: str, depth: int, where: str) -> Kind:
        match schema.get("type"):
            case str(kind) if kind in SCALARS:
                return Kind(SCALARS[kind], self._read_bounds(schema, where))
            case "array":
                inner = self._read(schema.get("items"), f"{name}Item", depth, f"{where}[]")
                source = JSON_TEXT if inner.is_free else inner.source
                return Kind(f"list[{source}]", self._read_bounds(schema, where))
            case "object" if isinstance(schema.get("properties"), dict) and schema["properties"]:
                return self._read_object(schema, name, depth, where)
            case "object":
                return self._free(where, "any JSON object")
        return self._free(where, "any JSON value")

    def _read_object(self, schema: Schema, name: str, depth: int, where: str) -> Kind:
        before = len(self.parts)
        try:
            if before >= MAX_PARTS:
                raise Unwritable(f"more than {MAX_PARTS} objects")
            fields = self.read_fields(schema, depth, f"{where}.")
        except Unwritable as error:
            del self.parts[before:]
            return self._free(where, f"any JSON object ({error})")
        shape = self._name(name)
        self.parts.append(ShapeSource(shape, fields, tidy(schema.get("description"), MAX_SAID)))
        return Kind(shape)

    def _read_values(self, values: list[Any], name: str, where: str) -> Kind:
        literals = list(dict.fromkeys(filter(None, map(write_value, values))))
        if len(literals) != len(values) or not 0 < len(values) <= MAX_ENUM:
            return self._free(where, "any JSON value; the server knows which are allowed")
        none, others = "None" in literals, [one for one in literals if one != "None"]
        source = f"Literal[{', '.join(others)}]" if others else "None"
        if len(source) > 50:
            text = ",\n    ".join(others)
            source = self._name(name)
            self.parts.append(AliasSource(source, f"Literal[\n    {text},\n]"))
        return Kind(f"{source} | None" if none and others else source)

    def _unite(self, options: list[Any], name: str, depth: int, where: str) -> Kind:
        some = len(options) > 1
        kinds = [
            self._read(option, f"{name}{number}" if some else name, depth, where)
            for number, option in enumerate(options, 1)
        ]
        sources = list(dict.fromkeys(kind.source for kind in kinds))
        if JSON_TEXT in sources and sources != [JSON_TEXT, "None"]:
            return self._free(where, "one of several JSON values")
        sources.sort(key="None".__eq__)
        scalars = [kind for kind in kinds if kind.source != "None"]
        bounds = scalars[0].bounds if len(scalars) == 1 else ()
        if len(scalars) > 1 and any(kind.bounds for kind in scalars):
            self.left.append(f"{where}: the server checks the bounds")
        named = [one for one in sources if one != "None"]
        if len(" | ".join(named)) > 50:
            alias = self._name(name)
            self.parts.append(AliasSource(alias, write_union(named, len(f"{alias} = "))))
            sources = [alias, *(["None"] if "None" in sources else [])]
        return Kind(" | ".join(sources), bounds)

    def _read_bounds(self, schema: Schema, where: str) -> tuple[tuple[str, str], ...]:
        bounds = list_bounds(schema)
        if bounds is None:
            self.left.append(f"{where}: the server checks the bounds")
        return tuple(bounds or ())

    def _free(self, where: str, what: str) -> Kind:
        self.left.append(f"{where}: {what}, as text")
        return Kind(JSON_TEXT)

    def _name(self, name: str) -> str:
        whole = f"{self.name}{name}"
        short = whole if len(whole) <= 36 else f"{self.name[:18]}{name[-18:]}"
        made = make_unique(short, self.taken)
        self.taken.add(made)
        return made

    def _resolve(self, schema: Any, depth: int = 0) -> Schema | None:
        """Return a schema without `$ref` and `allOf` around it; None if it says nothing usable."""
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return None
        rest = {name: value for name, value in schema.items() if name not in ("$ref", "allOf")}
        if isinstance(ref := schema.get("$ref"), str):
            target: Any = self.root
            if not ref.startswith("#/"):
                return None
            for part in ref[2:].split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key) if isinstance(target, dict) else None
            found = self._resolve(target, depth + 1)
            return None if found is None else {**found, **rest}
        match schema.get("allOf"):
            case [only]:
                found = self._resolve(only, depth + 1)
                return None if found is None else {**found, **rest}
            case None:
                return schema
        return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)

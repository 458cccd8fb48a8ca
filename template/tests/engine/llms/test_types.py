"""The table of docs/models.md says what happens to each type of field, at each provider."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    HttpUrl,
    Json,
    PlainSerializer,
    SecretStr,
    StringConstraints,
)

from agent.engine.llms.check import check_union
from agent.engine.llms.output import JsonSteps
from agent.engine.llms.words import describe_rules
from agent.engine.log.errors import Misconfigured
from agent.engine.loop.steps import Step

from .test_check import Bill, Colour, Folder, Point, shape

PAGE = Path(__file__).parents[3] / "docs/models.md"
PROVIDERS = ("openai", "anthropic", "gemini", "compatible servers")


@dataclass(frozen=True)
class Size:
    width: int


def grow(text: str) -> str:
    return text + "!"


TYPES: dict[str, list[type[Step]]] = {
    "`str`, `int`, `float`, `bool`": [shape(kind) for kind in (str, int, float, bool)],
    "`Literal[…]`, `Enum`": [shape(Literal["a", "b"]), shape(Colour)],
    "`X \\| None`, other unions": [shape(int | None), shape(int | list[str])],
    "`list[X]`, `tuple[X, ...]`": [shape(list[int]), shape(tuple[str, ...])],
    "a dataclass or another model": [shape(Size), shape(list[Size])],
    "`Field(alias=…)`": [shape(str, alias="from")],
    "`AliasChoices` that includes the field's name": [
        shape(str, validation_alias=AliasChoices("note", "memo"))
    ],
    "a validator that accepts its own output": [shape(Annotated[str, AfterValidator(str.strip)])],
    "`Field(pattern=…)`": [shape(str, pattern="^a+$")],
    "bounds: `gt`, `ge`, `lt`, `le`, `multiple_of`": [
        shape(int, **{name: 6}) for name in ("gt", "ge", "lt", "le", "multiple_of")
    ],
    "lengths: `min_length`, `max_length`": [
        shape(str, min_length=2), shape(str, max_length=9), shape(list[int], min_length=1),
    ],
    "a default other than `None`": [shape(str, default="none")],
    "`set[X]`, `frozenset[X]`": [shape(set[str]), shape(frozenset[int])],
    "`tuple[X, Y]`, `NamedTuple`": [shape(tuple[int, str]), shape(Point)],
    "`date`, `datetime`, `time`, `timedelta`": [
        shape(kind) for kind in (date, datetime, time, timedelta)
    ],
    "`Decimal`": [shape(Decimal)],
    "`UUID`, `Path`, `HttpUrl`": [shape(UUID), shape(Path), shape(HttpUrl)],
    "`dict[str, X]`, `dict[int, X]`": [shape(dict[str, int]), shape(dict[int, str])],
    "`Any`, `dict`, `list` without types": [shape(Any), shape(dict), shape(list)],
    "a model that contains itself": [shape(Folder)],
    "`SecretStr`": [shape(SecretStr), shape(list[SecretStr])],
    "`computed_field`": [shape(Bill)],
    "`exclude=True`": [shape(str, exclude=True)],
    "`validation_alias` or `serialization_alias` alone": [
        shape(str, validation_alias="text"), shape(str, serialization_alias="text"),
    ],
    "a validator that changes its own output": [shape(Annotated[str, AfterValidator(grow)])],
    "a serializer that writes another type": [
        shape(Annotated[list[str], PlainSerializer(",".join)])
    ],
    "`Json`, `Iterable[X]`, `Callable`": [
        shape(Json[list[int]]), shape(Iterable[int]), shape(type),
    ],
}  # fmt: skip
"""What a row of the table says, and shapes with such a field."""


def judge(pay: type[Step]) -> list[str]:
    """Return what happens to a shape, at each provider."""
    try:
        steps = JsonSteps(pay)
        check_union(steps)
    except Misconfigured:
        return ["refused"] * len(PROVIDERS)
    told = any(map(describe_rules, walk(steps.definition)))
    enforced = "rule in words" if told else "works"
    nodes = [*walk(steps.schema)]
    is_open = any(map(allows_any_key, nodes)) or any(map(has_no_type, nodes))
    recursive = contains_itself(steps.schema)
    refused = (is_open, is_open or recursive, any(map(has_no_type, nodes)) or recursive, False)
    return ["schema in words" if one else enforced for one in refused]


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Return each node of a JSON schema."""
    yield node
    for inner in [*node.get("properties", {}).values(), *node.get("$defs", {}).values()]:
        yield from walk(inner)
    for inner in [*node.get("anyOf", ()), *node.get("oneOf", ())]:
        yield from walk(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from walk(node[name])


def allows_any_key(node: dict[str, Any]) -> bool:
    """OpenAI and Anthropic accept objects of fixed fields only."""
    return node.get("type") == "object" and node.get("additionalProperties") is not False


def has_no_type(node: dict[str, Any]) -> bool:
    return (
        node.keys().isdisjoint({"type", "enum", "anyOf", "$ref"})
        or node.get("additionalProperties") is True
    )


def contains_itself(schema: dict[str, Any]) -> bool:
    """Anthropic refuses recursion; Gemini does where the field is required, as all fields are."""
    return any(
        inner.get("$ref") == f"#/$defs/{name}"
        for name, definition in schema["$defs"].items()
        for inner in walk(definition)
    )


def test_the_table_says_what_the_code_does() -> None:
    rows = [["type of the field", *PROVIDERS], ["---"] * (1 + len(PROVIDERS))]
    for name, shapes in TYPES.items():
        (cells,) = {tuple(judge(pay)) for pay in shapes}
        rows.append([name, *cells])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)

    assert table in PAGE.read_text("utf-8"), table


@pytest.mark.parametrize(
    ("pay", "words"),
    [
        (shape(str, pattern="^a$"), "Matches the regular expression `^a$`."),
        (shape(int, ge=1, le=10), "From 1 to 10."),
        (shape(int, ge=1), "At least 1."),
        (shape(int, le=10), "At most 10."),
        (shape(float, gt=0, lt=0.5), "More than 0. Less than 0.5."),
        (shape(int, multiple_of=5), "A multiple of 5."),
        (shape(str, min_length=1), "At least 1 character."),
        (shape(str, max_length=80), "At most 80 characters."),
        (shape(str, min_length=2, max_length=80), "2 to 80 characters."),
        (shape(list[int], min_length=3, max_length=3), "Exactly 3 items."),
        (shape(dict[str, int], max_length=1), "At most 1 key."),
        (shape(dict[Colour, int]), "Each key is a Colour."),
        (shape(dict[Literal["a", "b"], int]), "Keys: a, b."),
        (shape(tuple[int, Literal["a"]]), 'Exactly 2 items, in this order: integer, "a".'),
        (
            shape(tuple[int | None, Colour]),
            "Exactly 2 items, in this order: integer or null, Colour.",
        ),
        (shape(set[int]), "No item twice."),
        (shape(date), "A date such as 2026-03-01."),
        (shape(Decimal, gt=0), 'A decimal number written as text, such as "12.50". More than 0.'),
        (shape(str, default="é"), 'Default: "é".'),
        (shape(int | None, default=None), ""),
        (shape(str, description="Why", max_length=9), "Why. At most 9 characters."),
        (shape(str, description="Why?", default="x"), 'Why? Default: "x".'),
    ],
)
def test_a_rule_that_strict_modes_refuse_is_said_in_the_description(
    pay: type[Step], words: str
) -> None:
    note = JsonSteps(pay).schema["properties"]["next_step"]["properties"]["note"]

    assert note.get("description", "") == words
    assert note.keys() <= {"description", "type", "items", "anyOf", "additionalProperties"}


def test_keys_that_follow_a_pattern_keep_the_type_of_their_values() -> None:
    key = Annotated[str, StringConstraints(pattern="^a")]
    pay = shape(dict[key, int])
    note = JsonSteps(pay).schema["properties"]["next_step"]["properties"]["note"]

    assert note["additionalProperties"] == {"type": "integer"}
    assert note["description"] == "Each key matches the regular expression `^a`."

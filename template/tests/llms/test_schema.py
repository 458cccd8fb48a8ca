import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.llms.output import JsonSteps
from agent.llms.schema import intents, portable, shapes

from .steps import STEPS, Serve

GOLDEN = Path(__file__).parent / "golden" / "schema.json"


def keywords(schema: Any) -> Iterator[str]:
    """Yield every keyword used in a schema; names of fields and models are none."""
    if isinstance(schema, list):
        for item in schema:
            yield from keywords(item)
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            named = key in ("properties", "$defs")
            for inner in value.values() if named else [value]:
                yield from keywords(inner)


def test_the_schema_is_what_it_was() -> None:
    assert json.dumps(STEPS.schema, indent=2) + "\n" == GOLDEN.read_text("utf-8")


def test_only_keywords_that_every_strict_mode_takes_are_sent() -> None:
    assert set(keywords(STEPS.schema)) <= {
        *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum"),
        *("$ref", "$defs", "description"),
    }


def test_every_object_requires_all_its_fields_and_no_others_intent_first() -> None:
    for shape in STEPS.schema["$defs"].values():
        assert shape["required"] == list(shape["properties"])
        assert shape["additionalProperties"] is False
    assert [next(iter(shape["properties"])) for shape in shapes(STEPS.schema)] == ["intent"] * 3


def test_fields_may_be_called_like_keywords() -> None:
    assert list(STEPS.schema["$defs"]["Search"]["properties"]) == ["intent", "title"]
    assert list(STEPS.schema["$defs"]["Ingredient"]["properties"]) == ["title", "default"]


def test_a_reference_stands_alone_but_keeps_its_description() -> None:
    main = STEPS.schema["$defs"]["Cook"]["properties"]["main"]

    assert main == {"description": "What it is made of.", "anyOf": [{"$ref": "#/$defs/Ingredient"}]}


def test_an_optional_field_is_required_and_nullable() -> None:
    spice = STEPS.schema["$defs"]["Cook"]["properties"]["spice"]

    assert spice == {"anyOf": [{"type": "number"}, {"type": "null"}]}


def test_a_tuple_becomes_a_list_of_either() -> None:
    pair = {"type": "array", "prefixItems": [{"type": "string"}, {"const": 1}], "minItems": 2}

    assert portable(pair) == {
        "type": "array",
        "items": {"anyOf": [{"type": "string"}, {"enum": [1]}]},
    }


def test_the_root_is_an_object_also_for_a_single_step() -> None:
    one = JsonSteps(Serve)

    assert one.schema["type"] == "object"
    assert intents(one.schema) == ("serve",)
    assert one.read('{"next_step": {"intent": "serve", "message": "a"}}')["message"] == "a"


def test_its_intents_are_those_of_the_steps() -> None:
    assert intents(STEPS.schema) == ("search", "cook", "serve")

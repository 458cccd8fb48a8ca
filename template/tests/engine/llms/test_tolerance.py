"""Values that are spelled otherwise are read where one meaning is possible, and left alone else."""

from typing import Any, Literal

import pytest

from agent.engine.llms.output import JsonSteps
from agent.engine.llms.tolerance import respell, straighten_quotes
from agent.engine.loop.steps import Step


class Odd(Step):
    intent: Literal["odd"]
    word: Literal["yes", "Yes", "no"] = "no"
    either: int | str = 0
    table: dict[str, int]
    rows: list[list[float]]


STEPS = JsonSteps(Odd)


def respelled(**given: Any) -> Any:
    step = {"intent": "odd", "word": "no", "either": 0, "table": {}, "rows": []}
    return respell(step | given, STEPS.schema)


def test_where_several_things_could_be_meant_nothing_changes() -> None:
    for given in ({"word": "YES"}, {"either": "5"}, {"either": 5.0}):
        (name,) = given
        kept = respelled(**given)[name]
        assert (kept, type(kept)) == (given[name], type(given[name]))


def test_parts_are_read_as_well() -> None:
    read = respelled(word=" NO ", rows='[["1.5", 2], []]')
    assert read["word"] == "no"
    assert read["rows"] == [[1.5, 2], []]


@pytest.mark.parametrize("text", ["[1", "{}", '{"a": 1, "a": 2}', "1", "[" * 100_000])
def test_a_text_that_is_not_the_json_that_is_asked_for_stays(text: str) -> None:
    assert respelled(rows=text)["rows"] == text


@pytest.mark.parametrize(
    "value", [None, "", 5, [], {}, {"intent": "other"}, {"intent": 5}, {"intent": []}]
)
def test_what_is_no_step_of_the_schema_stays(value: Any) -> None:
    assert respell(value, STEPS.schema) == value


@pytest.mark.parametrize(
    ("text", "straight"),
    [
        ("{“a”: “b”}", '{"a": "b"}'),
        ('{"a": “b”}', '{"a": “b”}'),
        ("{“a”: “b}", "{“a”: “b}"),
        ("{“a”: “say “b””}", "{“a”: “say “b””}"),
        ("no quotes", "no quotes"),
    ],
)
def test_typographic_quotes_are_straightened_where_no_others_stand(
    text: str, straight: str
) -> None:
    assert straighten_quotes(text) == straight

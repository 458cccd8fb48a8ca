"""A call as a form, and back: what was not touched stays what it was."""

from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from agent.engine.http.edits import Field, apply_edit, list_fields
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import Refused
from agent.engine.log.events import CallJson
from agent.engine.loop.steps import Step


class Place(BaseModel):
    city: str


class Order(Step):
    """A step with an argument of each kind."""

    intent: Literal["order"]
    what: str
    """What to order."""
    number: int
    price: float | None
    note: str | None
    size: Literal["small", "größer"]
    colour: Literal["red"] | None
    gift: bool
    place: Place
    tags: list[str]
    other: str | int


class Done(Step):
    intent: Literal["done"]


STEPS = JsonSteps(Order | Done)
CALL: CallJson = {
    "intent": "order",
    "what": "tea\r\n\x1b[31m\u202e",
    "number": 3,
    "price": 2.50,
    "note": None,
    "size": "größer",
    "colour": None,
    "gift": True,
    "place": {"city": "Köln"},
    "tags": ["a"],
    "other": 1,
}


def shown(call: CallJson = CALL, typed: dict[str, str] | None = None) -> dict[str, Field]:
    return {field.name: field for field in list_fields(STEPS.schema, call, typed or {})}


def as_sent(call: CallJson = CALL) -> dict[str, str]:
    """Return what a browser sends of a form in which nothing was touched."""
    return {f"argument.{name}": field.shown for name, field in shown(call).items()}


def test_each_argument_has_a_field_of_its_kind() -> None:
    form = shown()
    assert {name: field.kind for name, field in form.items()} == {
        "what": "text",
        "number": "number",
        "price": "number",
        "note": "text",
        "size": "choice",
        "colour": "choice",
        "gift": "choice",
        "place": "json",
        "tags": "json",
        "other": "json",
    }
    assert [name for name, field in form.items() if field.nullable] == ["price", "note", "colour"]
    assert form["what"].about == "What to order."
    assert [read for _, read in form["size"].options] == ["small", "größer"]
    assert [read for _, read in form["colour"].options] == ["red", "null"]
    assert [read for _, read in form["gift"].options] == ["true", "false"]


@pytest.mark.parametrize("call", [CALL, CALL | {"what": "x" * 99_000, "tags": ["\x1b" * 50_000]}])
def test_what_was_not_touched_stays_exactly_what_it_was(call: CallJson) -> None:
    assert apply_edit(STEPS.schema, call, as_sent(call)) == call
    assert apply_edit(STEPS.schema, call, {}) == call


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("what", "coffee", "coffee"),
        ("what", "", ""),
        ("number", " 7 ", 7),
        ("price", "3.5", 3.5),
        ("price", "", None),
        ("size", '"small"', "small"),
        ("colour", '"red"', "red"),
        ("colour", '"green"', '"green"'),  # the schema refuses it
        ("gift", "false", False),
        ("place", '{"city": "Bonn"}', {"city": "Bonn"}),
        ("tags", "[]", []),
        ("other", '"text"', "text"),
    ],
)
def test_what_was_typed_takes_its_place(name: str, typed: str, value: Any) -> None:
    changed = apply_edit(STEPS.schema, CALL, as_sent() | {f"argument.{name}": typed})
    assert changed == CALL | {name: value}
    assert type(changed[name]) is type(value)


def test_a_field_that_is_emptied_is_null_or_left_out() -> None:
    there = CALL | {"note": "x"}
    assert apply_edit(STEPS.schema, there, as_sent(there) | {"argument.note": ""})["note"] is None
    empty = CALL | {"note": ""}
    assert apply_edit(STEPS.schema, empty, as_sent(empty))["note"] == ""
    assert "tags" not in apply_edit(STEPS.schema, CALL, as_sent() | {"argument.tags": " "})
    assert "number" not in apply_edit(STEPS.schema, CALL, as_sent() | {"argument.number": ""})


def test_what_the_call_leaves_out_can_be_added() -> None:
    short = {name: value for name, value in CALL.items() if name not in ("gift", "note", "tags")}
    assert [*shown(short)][-3:] == ["note", "gift", "tags"]
    assert shown(short)["gift"].options[0] == ("", "not set")
    assert apply_edit(STEPS.schema, short, as_sent(short)) == short
    given = {"argument.gift": "true", "argument.note": "x", "argument.tags": "[]"}
    added = {"gift": True, "note": "x", "tags": []}
    assert apply_edit(STEPS.schema, short, as_sent(short) | given) == short | added


def test_a_number_that_is_written_as_text_is_typed_without_quotes() -> None:
    class Pay(Step):
        intent: Literal["pay"]
        amount: Decimal

    steps = JsonSteps(Pay | Done)
    call = {"intent": "pay", "amount": "349.00"}
    (field,) = list_fields(steps.schema, call, {})
    assert (field.kind, field.shown) == ("text", "349.00")
    assert apply_edit(steps.schema, call, {"argument.amount": "350"})["amount"] == "350"


@pytest.mark.parametrize(
    ("name", "typed", "why"),
    [
        ("number", "many", "number: this is not a number"),
        ("number", "true", "number: this is not a number"),
        ("number", "9" * 5000, "number: this is not a number"),
        ("place", "{city: Bonn}", "place: this is not JSON: Expecting"),
        ("tags", "[" * 100_000, "tags: this is not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(name: str, typed: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        apply_edit(STEPS.schema, CALL, as_sent() | {f"argument.{name}": typed})


def test_a_form_that_comes_back_shows_what_was_typed() -> None:
    form = shown(typed={"argument.number": "many", "argument.note": "x"})
    assert (form["number"].shown, form["note"].shown) == ("many", "x")
    assert form["what"].shown == shown()["what"].shown


@pytest.mark.parametrize(
    "call",
    [
        {"intent": "gone", "a": 1, "b": None},
        {"intent": "order", "what": 1, "number": "x", "size": "huge", "gift": None, "new": [1]},
    ],
)
def test_a_call_of_yesterday_s_schema_is_shown_as_json(call: CallJson) -> None:
    assert {shown(call)[name].kind for name in call if name != "intent"} == {"json"}
    assert apply_edit(STEPS.schema, call, as_sent(call)) == call

"""A union that could never work is refused at start, and one that works never is."""

import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    RootModel,
    SecretStr,
    computed_field,
    create_model,
    model_validator,
)
from typing_extensions import TypeAliasType

from agent.engine.llms.check import check_union
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import InvalidStep, Misconfigured
from agent.engine.loop.steps import Step

from .contract import COOK, SERVE, STEPS, Cook, Search, Serve, say


class Bill(BaseModel):
    net: int

    @computed_field  # type: ignore[prop-decorator]  # as Pydantic documents it
    @property
    def gross(self) -> int:
        return self.net * 2


class Card(BaseModel):
    number: SecretStr


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: float


class Tags(RootModel[set[str]]):
    pass


class Folder(BaseModel):
    name: str
    folders: list["Folder"]


def shape(annotation: Any, **options: Any) -> type[Step]:
    """Make the shape `Pay` with the fields `amount` and `note`; the latter is as given."""
    fields: dict[str, Any] = {
        "intent": (Literal["pay"], ...),
        "amount": (int, ...),
        "note": (annotation, Field(**options)),
    }
    return create_model("Pay", __base__=Step, **fields)


def refuse(text: str) -> str:
    raise RuntimeError(f"I never write {text}")


REFUSED: dict[str, tuple[type[Step], str, str, str]] = {
    "computed_field": (shape(Bill), "Pay.note.gross", "cannot be read", "plain @property"),
    "a computed field in a list": (shape(list[Bill]), "Pay.note.gross", "computed", "@property"),
    "exclude=True": (shape(str, exclude=True), "Pay.note", "loses", "Remove exclude=True"),
    "exclude=True, with a default": (
        shape(str, default="none", exclude=True), "Pay.note", "loses", "Remove exclude=True",
    ),
    "validation_alias": (
        shape(str, validation_alias="text"),
        "Pay.note", "read as 'text' and written as 'note'", "Use alias=",
    ),
    "serialization_alias": (
        shape(str, serialization_alias="text"),
        "Pay.note", "read as 'note' and written as 'text'", "Use alias=",
    ),
    "AliasChoices": (
        shape(str, validation_alias=AliasChoices("text", "memo")),
        "Pay.note", "read as 'text' or 'memo' and written as 'note'", "Use alias=",
    ),
    "a validator that changes its own output": (
        shape(Annotated[str, AfterValidator(lambda text: text + "!")]),
        "Pay.note", "'text!' becomes 'text!!'", "keep what they made",
    ),
    "a serializer that writes another type": (
        shape(Annotated[list[str], PlainSerializer(",".join)]),
        "Pay.note", "does not accept: Input should be a valid array", "another type",
    ),
    "a serializer that fails": (
        shape(Annotated[str, PlainSerializer(refuse)]),
        "Pay.note", "cannot be written as JSON", "another type",
    ),
    "SecretStr": (shape(SecretStr), "Pay.note", "asterisks", "Use str"),
    "a secret in a shape": (shape(list[Card]), "Pay.note.number", "asterisks", "Use str"),
    "an optional secret": (shape(SecretStr | None), "Pay.note", "asterisks", "Use str"),
    "Json": (shape(Json[list[int]]), "Pay.note", "does not accept", "another type"),
    "Iterable": (shape(Iterable[int]), "Pay.note", "becomes", "another type"),
}  # fmt: skip
"""The shape, and the field, reason and remedy that the refusal names."""


@pytest.mark.parametrize("name", REFUSED)
def test_a_shape_that_can_never_work_is_refused_with_reason_and_remedy(name: str) -> None:
    pay, field, reason, remedy = REFUSED[name]
    for union in (pay, Serve | pay):
        with pytest.raises(Misconfigured) as raised:
            check_union(JsonSteps(union))
        (line,) = (line for line in str(raised.value).splitlines() if line.startswith("- "))
        place, _, why = line.removeprefix("- ").partition(": ")
        assert place == field
        assert reason in why
        assert remedy in why


def test_every_shape_that_can_never_work_is_named_at_once() -> None:
    class Refund(Step):
        intent: Literal["refund"]
        one: SecretStr
        other: list[SecretStr]

    with pytest.raises(Misconfigured) as raised:
        check_union(JsonSteps(Serve | Refund | shape(Bill)))
    places = [line[2:].partition(":")[0] for line in str(raised.value).splitlines()[1:]]
    assert places == ["Refund.one", "Refund.other", "Pay.note.gross"]


def test_a_value_that_only_an_example_has_is_tried() -> None:
    def double(text: str) -> str:
        if text.strip("x"):
            raise ValueError("only x")
        return text * 2

    with pytest.raises(Misconfigured, match=r"Pay\.note: 'xx' becomes 'xxxx'"):
        check_union(JsonSteps(shape(Annotated[str, AfterValidator(double)], examples=["x"])))


WORKS: dict[str, type[Step]] = {
    "bool": shape(bool),
    "float": shape(float, gt=0, lt=1),
    "an integer in a range": shape(int, ge=10, le=20, multiple_of=5),
    "a long text": shape(str, min_length=30, max_length=32),
    "a pattern": shape(str, pattern=r"^v\d+\.\d+(-[a-z]{2,3})?$"),
    "a pattern of another language": shape(str, pattern=r"^[^\W\d_]+ [é-ü]+$"),
    "date": shape(date | datetime),
    "timedelta": shape(timedelta),
    "UUID": shape(UUID),
    "HttpUrl": shape(HttpUrl),
    "Path": shape(Path),
    "bytes": shape(bytes),
    "Decimal": shape(Decimal, gt=0, max_digits=6, decimal_places=2),
    "Enum": shape(Colour),
    "Literal": shape(Literal["a", 1, None]),
    "alias": shape(str, alias="from"),
    "AliasChoices with the name itself": shape(str, validation_alias=AliasChoices("note", "memo")),
    "a validator that trims": shape(Annotated[str, AfterValidator(str.strip)]),
    "a default": shape(str, default="none"),
    "optional": shape(int | None, default=None),
    "a union": shape(int | str | list[bool]),
    "tuple": shape(tuple[int, str]),
    "NamedTuple": shape(Point),
    "set": shape(set[str]),
    "frozenset": shape(frozenset[Colour], min_length=2),
    "a named set": shape(Tags),
    "dict": shape(dict[str, list[int]]),
    "dict with numbers as keys": shape(dict[int, str]),
    "dict with choices as keys": shape(dict[Colour, int]),
    "Any": shape(Any),
    "a shape in a shape": shape(Folder),
    "a named type": shape(TypeAliasType("Number", int | float)),
}


@pytest.mark.parametrize("name", WORKS)
def test_a_shape_that_works_is_accepted_without_a_warning(name: str) -> None:
    assert check_union(JsonSteps(WORKS[name])) == []


@pytest.mark.parametrize("union", [Search | Cook | Serve, Search, Cook, Serve])
def test_the_shapes_of_the_other_tests_are_accepted(union: Any) -> None:
    assert check_union(JsonSteps(union)) == []


def reject(text: str) -> str:
    raise ValueError(text)


def test_a_field_without_a_known_valid_value_is_a_warning() -> None:
    pay = shape(Annotated[str, AfterValidator(reject)])

    (warning,) = check_union(JsonSteps(Serve | pay))

    assert warning.startswith("Pay.note: no valid value was found")
    assert "Field(examples=[" in warning


def test_a_default_that_its_own_field_refuses_is_refused() -> None:
    """Nothing else would work there, so the model leaves it out, and the default is written."""
    with pytest.raises(Misconfigured, match=r'Pay\.note: it is written as "no", .* not accept'):
        check_union(JsonSteps(shape(Annotated[str, AfterValidator(reject)], default="no")))


def test_a_default_that_only_shows_when_left_out_is_refused() -> None:
    """Pydantic does not validate defaults, and the engine reads every call again."""
    with pytest.raises(Misconfigured, match=r'Pay\.note: it is written as "", .* not accept'):
        check_union(JsonSteps(shape(str, default="", min_length=3)))


def test_a_rule_about_two_fields_is_met_or_warned_about() -> None:
    class Between(Step):
        intent: Literal["between"]
        first: int
        last: int = Field(ge=5)

        @model_validator(mode="after")
        def check(self) -> "Between":
            if self.first >= self.last:
                raise ValueError("first is before last")
            return self

    class Never(Between):
        @model_validator(mode="after")
        def refuse(self) -> "Never":
            raise ValueError("never")

    assert check_union(JsonSteps(Between)) == []
    assert check_union(JsonSteps(Never)) == [
        "Never: no valid call was found to check it with. Add valid values: Field(examples=[…])"
    ]


class Nameless(Step):
    note: str


class Twin(Step):
    intent: Literal["serve"]


@pytest.mark.parametrize("union", [Nameless, Serve | Nameless, Serve | Twin, int])
def test_a_shape_without_an_intent_of_its_own_is_refused(union: Any) -> None:
    with pytest.raises(Misconfigured, match=r"intent: Literal\["):
        check_union(JsonSteps(union))


def test_a_type_that_is_not_json_is_refused_by_its_field() -> None:
    with pytest.raises(Misconfigured, match=r"Pay\.note: its type cannot be written as JSON"):
        JsonSteps(Serve | shape(type))


NAMED = TypeAliasType("NAMED", Search | Serve)
"""What `type NAMED = Search | Serve` is from Python 3.12 on."""


@pytest.mark.parametrize(
    "union",
    [NAMED, NAMED | Cook, TypeAliasType("Again", NAMED)],
    ids=["the union", "with another shape", "named twice"],
)
def test_a_named_union_is_the_union_it_names(union: Any) -> None:
    steps = JsonSteps(union)

    assert check_union(steps) == []
    assert steps.read(say(SERVE)) == SERVE
    with pytest.raises(InvalidStep, match=r"^serve\.message: Input should be a valid string$"):
        steps.read(say({**SERVE, "message": 1}))


def test_two_spellings_of_one_key_are_refused() -> None:
    class Inner(BaseModel):
        model_config = ConfigDict(frozen=True)
        names: dict[int, str]

    steps = JsonSteps(shape(dict[str, list[Inner]]))
    one, two = {"1": "a", "2": "b"}, {"1": "a", "01": "b"}
    call = {"intent": "pay", "amount": 1}

    assert steps.read(say({**call, "note": {"x": [{"names": one}]}}))["amount"] == 1
    with pytest.raises(InvalidStep, match="two keys that mean the same"):
        steps.read(say({**call, "note": {"x": [{"names": two}]}}))


MONEY = JsonSteps(shape(Decimal))


@pytest.mark.parametrize(
    ("number", "read"),
    [('"12345678901234567890.12"', "12345678901234567890.12"), ("12.50", "12.5"), ("3", "3")],
)
def test_a_decimal_keeps_its_digits(number: str, read: str) -> None:
    reply = say({"intent": "pay", "amount": 1, "note": 0}).replace("0", number)

    assert MONEY.read(reply)["note"] == read


def test_a_decimal_is_described_as_text() -> None:
    note = MONEY.schema["properties"]["next_step"]["properties"]["note"]

    assert note["type"] == "string"
    assert 'such as "12.50"' in note["description"]


@pytest.mark.parametrize("number", ["12345678901234567890.12", "0.1234567890123456789", "1e-999"])
def test_a_number_that_would_lose_digits_is_refused_with_words(number: str) -> None:
    reply = say({"intent": "pay", "amount": 1, "note": 0}).replace("0", number)

    with pytest.raises(InvalidStep, match="too many digits; write it as text"):
        MONEY.read(reply)


def test_a_number_is_rounded_where_nothing_is_a_decimal() -> None:
    text = say(COOK).replace("0.5", "0.1234567890123456789")

    assert STEPS.read(text)["spice"] == 0.12345678901234568


def test_the_check_is_quick() -> None:
    """It is done at every start. A hundred times the usual, for machines that are busy."""
    fields: Any = [{"intent": (Literal.__getitem__(f"s{number}"), ...)} for number in range(10)]
    shapes = [create_model("Cooking", __base__=Cook, **one) for one in fields]
    union: Any = Union.__getitem__(tuple(shapes))
    steps = JsonSteps(union)
    before = time.process_time()

    check_union(steps)

    assert time.process_time() - before < 1

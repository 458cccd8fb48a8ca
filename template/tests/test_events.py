"""What may be in an event: whatever it was, it becomes JSON that every store keeps alike."""

import json
import math
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import DECISIONS, FACTS, MAX_DEPTH, MAX_TEXT, cut, digest, event, safe

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers(), inner)
    ),
    max_leaves=12,
)


class Colour(Enum):
    RED = "red"


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


def test_no_event_is_both_a_fact_and_a_decision() -> None:
    assert not FACTS & DECISIONS


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("plain", "plain"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\U0001f600 é", "\U0001f600 é"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ((1, (2,)), [1, [2]]),
        ({1: "one", None: 0, "a\0": True}, {"1": "one", "None": 0, "a\ufffd": True}),
        (Colour.RED, "Colour.RED"),
        (b"\xff", "b'\\xff'"),
        ({}, {}),
        (10**30, 10**30),
    ],
)
def test_data_becomes_json(value: Any, kept: Any) -> None:
    assert safe(value) == kept


@given(anything)
def test_what_is_safe_is_json_and_stays_as_it_is(value: Any) -> None:
    kept = safe(value)
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert safe(kept) == kept
    kept_in_event = event("message", text=value).data
    json.dumps(kept_in_event, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    "value",
    [
        "x" * (MAX_TEXT + 1),
        ["x" * (3 * MAX_TEXT)],
        {"x" * (2 * MAX_TEXT): 1},
        nested(MAX_DEPTH + 5),
        nested(100_000),
        10**5_000,
    ],
    ids=["text", "text inside", "name", "deep", "very deep", "a number of 5000 digits"],
)
def test_what_is_too_big_is_cut_once_and_then_stays_as_it_is(value: Any) -> None:
    kept = safe(value)
    assert len(json.dumps(kept)) < MAX_TEXT + 1000
    assert safe(kept) == kept


def test_an_event_has_a_bound_whatever_it_is_given() -> None:
    many = event("tool_finished", output=["x" * 1000] * 10_000)
    assert len(json.dumps(many.data)) <= 2 * MAX_TEXT + 1000
    assert "characters cut" in json.dumps(many.data, ensure_ascii=False)


def test_who_did_it_and_the_key_are_made_safe_as_well() -> None:
    odd = event("message", "slack:\ud800", "in:\0\udcff", text="")
    assert odd.actor == "slack:\ufffd"
    assert odd.key == "in:\ufffd\ufffd"
    assert event("message", text="").key is None


@pytest.mark.parametrize("size", [101, 1000, 1_000_000])
def test_a_cut_keeps_both_ends_and_says_how_much_is_missing(size: int) -> None:
    text = "a" * (size - size // 2) + "b" * (size // 2)
    kept = cut(text, 100)
    assert len(kept) <= 100
    start, note, end = kept.split("\n")
    assert text.startswith(start)
    assert text.endswith(end)
    assert note == f"[… {size - len(start) - len(end)} characters cut …]"
    assert cut(text, size) == text


@pytest.mark.parametrize(
    "other",
    [
        {"intent": "charge", "amount": 2},
        {"intent": "charge", "amount": "1"},
        {"intent": "charge", "amount": 1, "to": None},
        {"intent": "put", "amount": 1},
    ],
)
def test_a_digest_is_that_of_one_call_only(other: dict[str, Any]) -> None:
    call = {"intent": "charge", "amount": 1}
    assert digest(call) == digest({"amount": 1, "intent": "charge"})
    assert digest(call) != digest(other)

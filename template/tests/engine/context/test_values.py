"""Data as lines: each value has one reading, and records that are alike are a table."""

import json
from typing import Any

import pytest

from agent.engine.context.values import render_value
from agent.engine.log.events import make_safe

from ..examples import given, st

ROOM = 8_000


def lines(value: Any) -> str:
    return "\n".join(render_value(value, ROOM))


SHAPES: dict[str, tuple[Any, str]] = {
    "fields": ({"a": 1, "b": None, "c": True}, "a: 1\nb: null\nc: true"),
    "fields in fields": ({"a": {"b": {"c": 1}}}, "a:\n  b:\n    c: 1"),
    "odd names": ({"odd name": 1, "x-y.z": 2}, '"odd name": 1\nx-y.z: 2'),
    "nothing": ({}, "{}"),
    "no items": ([], "[]"),
    "empty fields": ({"empty": [], "none": {}}, "empty: []\nnone: {}"),
    "several lines": ({"text": "one\ntwo"}, "text: |\n  one\n  two"),
    "a short list": (["a", {"c": 1, "d": [2]}], "- a\n- c: 1\n  d:\n    - 2"),
    "a list of texts": (["a", "b c", "d: e", 1], '- a\n- b c\n- "d: e"\n- 1'),
    "a list of anything": (["a", ["b"], {"c": 1, "d": 2}], '"a"\n["b"]\n{"c":1,"d":2}'),
    "records that differ": ([{"a": 1}, {"b": 2}, {"a": 3}], '{"a":1}\n{"b":2}\n{"a":3}'),
    "a record with more": (
        [{"a": 1}, {"a": 2, "b": 3}, {"a": 4}],
        '{"a":1}\n{"a":2,"b":3}\n{"a":4}',
    ),
    "records with parts": ([{"a": [1]}] * 3, '{"a":[1]}\n{"a":[1]}\n{"a":[1]}'),
    "records that are alike": (
        {"tags": [{"n": f"v{n}", "ok": n == 1, "at": None} for n in (1, 2, 3)]},
        "tags:\n  n,ok,at\n  v1,true,null\n  v2,false,null\n  v3,false,null",
    ),
    "another order of fields": (
        [{"a": 1, "b": 2}, {"b": 4, "a": 3}, {"a": 5, "b": 6}],
        "a,b\n1,2\n3,4\n5,6",
    ),
    "two records": ([{"a": 1}, {"a": 2}], "- a: 1\n- a: 2"),
}


@pytest.mark.parametrize("case", SHAPES.values(), ids=SHAPES)
def test_each_shape_has_its_form(case: tuple[Any, str]) -> None:
    value, expected = case
    assert lines(value) == expected


@pytest.mark.parametrize(
    "text",
    [
        *["true", "No", "null", "12", "1.5", "1e5", "1.2.3", "", " a", "a ", "a: b", "a:", "- a"],
        *["[a]", "{}", '"a"', "'a'", "|", "… 3 of 4 records not shown", "a\\b", "a\tb", "#a"],
        "a\u2028b",
    ],
)
def test_text_that_could_be_something_else_is_quoted(text: str) -> None:
    assert lines({"a": text}) == f"a: {json.dumps(text, ensure_ascii=False)}"


@pytest.mark.parametrize(
    "text",
    [
        *["ana", "@alex", "v1.2.3", "I'm not sure.", "2026-03-15T10:00:00Z", "cli:ana", "0x1f"],
        *["Grüße, 日本!", 'he said "no"', "a #b", "(none)", "/etc/hosts", "12 EUR"],
        "https://a.b/c?d=e",
    ],
)
def test_plain_text_is_not_quoted(text: str) -> None:
    assert lines({"a": text}) == f"a: {text}"


@pytest.mark.parametrize(
    "text",
    [
        "a,b",
        "a\nb",
        "a\rb",
        "a\u2028b",
        "</t>",
        "a,true",
        ",",
        '"',
        "12",
        "true",
        "",
        "日本",
        "a|b",
    ],
)
def test_no_cell_breaks_its_row(text: str) -> None:
    records = [{"one": text, "two": 1}, {"one": "b", "two": text}, {"one": "c", "two": 3}]
    assert lines(records).split("\n") == [
        "one,two",
        f"{json.dumps(text, ensure_ascii=False)},1",
        f"b,{json.dumps(text, ensure_ascii=False)}",
        "c,3",
    ]


FORGING = ["a: b", "\n- c", "a,b", "true", "1", "|", '"', "\\", "… 1 of 2 records not shown", "{}"]
text = st.lists(st.sampled_from(FORGING) | st.text()).map("".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
records = st.lists(st.fixed_dictionaries({"a": scalars, "b": scalars}), min_size=3, max_size=5)
data = st.recursive(
    scalars | records,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=8,
).map(make_safe)


@given(data, data)
def test_two_values_never_read_alike(one: Any, other: Any) -> None:
    if repr(one) != repr(other) and one != other:
        assert lines({"a": one}) != lines({"a": other})


@given(records)
def test_a_table_has_a_row_for_each_record(made: list[dict[str, Any]]) -> None:
    rendered = render_value(make_safe(made), 10**9)
    assert len(rendered) == 1 + len(made)
    assert rendered[0] in ("a,b", "b,a")

"""Records as tables."""

from typing import Any

import pytest

from agent.engine.inbox.records import CELL, COLUMNS, ROWS, Table, make_table


@pytest.mark.parametrize(
    ("value", "table"),
    [
        ({"a": 1, "b": "x"}, Table((), (("a", "1"), ("b", "x")))),
        (
            [{"a": 1, "b": None}, {"b": "y", "a": [2]}],
            Table(("a", "b"), (("1", "null"), ("[2]", "y"))),
        ),
        (
            {"orders": [{"id": 1, "of": {"x": 1}}], "to": {"a": "b"}},
            Table(
                (),
                (
                    ("orders", Table(("id", "of"), (("1", '{"x": 1}'),))),
                    ("to", Table((), (("a", "b"),))),
                ),
            ),
        ),
        ({}, None),
        ([], None),
        ([{}], None),
        ([{"a": 1}, {"b": 1}], None),
        ([{"a": 1}, 2], None),
        ([1, 2], None),
        ("text", None),
        (None, None),
        ([dict.fromkeys(map(str, range(COLUMNS + 1)))], None),
    ],
)
def test_records_are_tables_and_nothing_else_is(value: Any, table: Table | None) -> None:
    assert make_table(value) == table


def test_a_long_table_says_how_much_is_missing() -> None:
    table = make_table([{"a": "x" * 9_000}] * (ROWS + 3))
    assert table
    assert (len(table.rows), table.left_out) == (ROWS, 3)
    assert len(str(table.rows[0][0])) <= CELL
    fields = make_table({str(number): number for number in range(ROWS + 2)})
    assert fields
    assert (len(fields.rows), fields.left_out) == (ROWS, 2)

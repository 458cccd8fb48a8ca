"""A call on a page: all of it, so that the page can be read back."""

import asyncio

import pytest

from agent.engine.http.calls import BRIEF, format_brief, list_rows
from agent.engine.log.events import CallJson

from ..examples import given, settings
from .reading import CALLS, read_pages

PAGE = "/waits/t/2"


@settings(max_examples=30)
@given(CALLS)
def test_the_call_can_be_read_back_from_its_page(call: CallJson) -> None:
    kept, shown = asyncio.run(read_pages(call, [PAGE], [PAGE]))
    assert shown == [[kept], [kept, kept]]
    assert all([*each] == [*kept] for calls in shown for each in calls)


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ({"intent": "pay", "amount": 5, "to": "ana"}, 'pay(amount: 5, to: "ana")'),
        ({"intent": "pay", "memo": "a\namount: 5"}, r'pay(memo: "a\namount: 5")'),
        ({"intent": "pay", "memo": "x" * BRIEF}, "pay (1 argument, 208 characters)"),
        ({"intent": "look"}, "look()"),
    ],
)
def test_a_list_shows_all_of_a_call_or_how_long_it_is(call: CallJson, shown: str) -> None:
    assert format_brief(call) == shown


def test_an_edit_shows_what_was_there_before() -> None:
    before = {"intent": "pay", "amount": 5, "to": "ana", "note": "x"}
    rows = list_rows({"intent": "pay", "amount": 7, "to": "ana"}, before)
    assert [(row.name, row.value, row.before, row.changed) for row in rows] == [
        ("amount", "7", "5", True),
        ("to", '"ana"', "", False),
        ("note", "", '"x"', True),
    ]

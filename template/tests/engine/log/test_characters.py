"""What nobody sees is shown, and nothing else is touched."""

import json
import unicodedata
from typing import Any

import pytest

from agent.engine.characters import clean, is_unseen, quote

from ..examples import given, settings, st

UNSEEN = [
    *"\x00\x07\x1b\x7f\x85\x9b",  # control characters
    *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e",  # no width
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",  # directions
    *"\u115f\u1160\u3164\uffa0\u2800",  # letters and a symbol that look like a space
    *"\ufe00\ufe0e\ufe0f\U000e0100\U000e01ef",  # variation selectors
    *"\U000e0001\U000e0041\U000e007f",  # tags
    *"\u2028\u2029",  # ends of a line or paragraph
    *"\ufff9\U0001d173\ue000\U0010fffd\uffff",  # annotations, private use, no character
]


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"U+{ord(char):04X}")
def test_what_nobody_sees_is_spelled_out(char: str) -> None:
    assert is_unseen(char)
    code = char.encode("unicode_escape").decode()
    assert clean(f"ab{char}cd{char}") == f"ab{code}cd{code}"
    assert char not in quote({char: [char]})


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "naïve größer 日本語 עברית العربية हिन्दी",
        "two\nlines",
        "❤\ufe0f and 👩\u200d💻 and 👍🏽 and 🏳\ufe0f\u200d🌈",
        "می\u200cخواهم",  # noqa: RUF001 - Persian, where this joiner is spelling
        "क्\u200dष",  # a conjunct of Devanagari
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_tabs_and_spaces_of_any_width_become_spaces() -> None:
    assert clean("a\tb\u00a0c\u3000d\r\ne") == "a    b c d\ne"


@settings(max_examples=300)
@given(st.text())
def test_a_cleaned_text_has_no_unseen_character_but_those_that_belong(text: str) -> None:
    for place, char in enumerate(shown := clean(text)):
        if char != "\n" and is_unseen(char):
            assert char in "\ufe0f\u200d\u200c"
            assert unicodedata.category(shown[place - 1]) in ("So", "Sm", "Sk", "Lo", "Mn", "Mc")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=300)
@given(VALUES)
def test_a_quoted_value_is_one_line_of_seen_characters_and_read_back_exactly(value: Any) -> None:
    text = quote(value)
    assert not any(map(is_unseen, text))
    assert json.loads(text) == value

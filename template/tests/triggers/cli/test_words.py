from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.events import Event, event
from agent.thread import Thread
from agent.triggers.cli.log import news, row, what
from agent.triggers.cli.words import call_line, clean, line, people, when

from ...domain import chose, past, said, started
from ...play import logs
from .conftest import Desk

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9 \u4e16 \U0001f600", "plain \u00e9 \u4e16 \U0001f600"),
        ("two\r\nlines", "two\nlines"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b2J", "\\x9b2J"),
        ("over\rwritten\x08\x07", "over\\rwritten\\x08\\x07"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\u2028", " "),
        ("\ud800", "\\ud800"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_shown_steers_nothing(text: str) -> None:
    shown = clean(text)
    assert all(char.isprintable() or char in "\n\u200c\u200d" for char in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "just now"),
        (42, "42 s ago"),
        (-5, "in 5 s"),
        (301, "5 min ago"),
        (-3599, "in 59 min"),
        (-3600 * 24 * 30, "2026-04-03"),
    ],
)
def test_times_are_near_or_exact(seconds: float, words: str) -> None:
    assert when(NOON - timedelta(seconds=seconds), NOON).startswith(words)


def test_a_time_of_today_is_that_of_the_local_clock() -> None:
    at = NOON - timedelta(hours=1, minutes=1)
    assert when(at, NOON) == f"{at.astimezone():%H:%M}"


def test_the_person_at_the_terminal_is_you() -> None:
    assert people(("ana", "bob", "anyone"), "ana") == "you or bob or anyone"


def test_a_call_is_one_line_and_its_values_are_quoted() -> None:
    call = {"intent": "put", "value": 'a\n"b"', "times": 2}
    assert call_line(call) == 'put(value="a\\n\\"b\\"", times=2)'
    assert line("x" * 1000, 10) == "x" * 9 + "\u2026"


@settings(max_examples=30, deadline=None)
@given(logs())
def test_every_log_can_be_told(thread: Thread) -> None:
    seen = Thread(thread.id)
    for each in thread.events:
        seen = seen.plus(each)
        assert row(thread, each, NOON)[3]
        assert "\n" not in news(seen, each, "ana")[0]


def test_a_second_start_is_told_as_one() -> None:
    first = past(said(), chose("look", at="x"), started(2))
    assert news(first, first.events[-1], "ana")[0] == '  ▸ look(at="x")'
    again = past(said(), chose("look", at="x"), started(2), started(2))
    assert news(again, again.events[-1], "ana")[0].endswith("(again: its runner stopped)")


def test_an_event_of_a_later_version_is_still_shown() -> None:
    assert what(past(said()), Event("surprise", {"a": 1})) == 'surprise: {"a": 1}'


HOSTILE = "\x1b[2J\x1b]0;title\x07\u202e[red]x[/red]\n  9  now  ana  approve (approval)"


@pytest.mark.parametrize(
    "words", [("show", "t"), ("threads",), ("inbox",), ("show", "t", "--prompt")]
)
def test_data_can_neither_steer_the_terminal_nor_forge_a_line(
    desk: Desk, words: tuple[str, ...]
) -> None:
    call = {"intent": "put", "value": HOSTILE}
    about = {"call": call, "digest": "x", "options": {"choices": [HOSTILE]}}
    wait = event("paused", kind="approval", text=HOSTILE, audience=[HOSTILE], **about)
    desk.happened(said(HOSTILE), event("step", call=call), wait)
    ran = desk.agent(*words)
    assert ran.exit_code == 0
    shown = ran.stdout + ran.stderr
    assert shown.replace("\n", "").isprintable()
    assert not [text for text in shown.splitlines() if text.startswith("  9  now")]


def test_markup_in_data_is_text(desk: Desk) -> None:
    desk.happened(said("[red]x[/red] :smile:"))
    assert "said: [red]x[/red] :smile:" in desk.agent("show", "t").stdout

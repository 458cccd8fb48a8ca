"""How ids, times and commands look in a terminal."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.engine.cli.format import format_command, format_time

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


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
    assert format_time(NOON - timedelta(seconds=seconds), NOON).startswith(words)


def test_a_time_of_today_is_that_of_the_local_clock() -> None:
    at = NOON - timedelta(hours=1, minutes=1)
    assert format_time(at, NOON) == f"{at.astimezone():%H:%M}"


def test_a_command_is_written_as_this_one_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    assert format_command("run", "TEXT") == "agent run TEXT"
    monkeypatch.setenv("UV", "/usr/bin/uv")
    assert format_command("run", "TEXT") == "uv run agent run TEXT"

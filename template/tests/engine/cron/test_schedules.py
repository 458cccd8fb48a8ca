"""The owner's file of schedules, and when each schedule is due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.engine.cron.schedules import Schedule, read_schedules
from agent.engine.log.errors import Misconfigured
from agent.engine.loop.ports import Ports
from agent.engine.people.identity import AnyName
from agent.engine.people.poll import PollChannel
from agent.engine.people.routing import Routing
from agent.engine.stores.memory import MemoryStore

from ..domain import Says, Shown, World, build_agent

ROOT = Path(__file__).parents[3]
PORTS = Ports(
    MemoryStore(),
    Routing({"poll": PollChannel(), "slack": Shown()}),
    {name: build_agent(Says(), World(":memory:"), name=name) for name in ("test", "second")},
    AnyName(),
)
GOOD = 'cron = "0 9 * * mon-fri"\nmessage = "Report."\n'


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCHEDULES_FILE", raising=False)
    return tmp_path / "schedules.toml"


def test_each_table_is_a_schedule(write: Path) -> None:
    write.write_text(
        f'[b]\n{GOOD}timezone = "Europe/Berlin"\nnotify = "slack:C1"\nmissed = "once"\n[a]\n{GOOD}'
    )
    assert read_schedules(PORTS) == [
        Schedule(
            "b", "0 9 * * mon-fri", ZoneInfo("Europe/Berlin"), "Report.", "slack:C1", "once", "test"
        ),
        Schedule("a", "0 9 * * mon-fri", ZoneInfo("UTC"), "Report.", "poll:", "skip", "test"),
    ]


def test_without_a_file_there_are_no_schedules(write: Path) -> None:
    assert read_schedules(PORTS) == []


def test_the_example_on_the_page_is_valid(write: Path) -> None:
    write.write_text((ROOT / "docs/cron.md").read_text().split("```")[1].removeprefix("toml"))
    (morning,) = read_schedules(
        replace(PORTS, notifier=Routing({"poll": PollChannel()}))
    )  # where nothing else is set up
    assert (morning.name, morning.missed) == ("morning-report", "once")


def test_the_file_may_be_elsewhere(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.toml").write_text(f"[a]\n{GOOD}")
    monkeypatch.setenv("SCHEDULES_FILE", "other.toml")
    assert [each.name for each in read_schedules(PORTS)] == ["a"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a", "is not valid TOML: "),
        ("[a]\n[a]", "is not valid TOML: "),
        (b"\xff", ": 'utf-8' codec"),
        ('cron = "0 9 * * *"', ": 'cron' is not in a table; start one with a line [name-of-"),
        (f"[[a]]\n{GOOD}", ": 'a' is not in a table"),
        (f'["a b"]\n{GOOD}', ": ['a b'] is not a name; use letters, digits, - and _, at most 64"),
        (f"[{'a' * 65}]\n{GOOD}", "is not a name"),
        ("[a]", ": [a] cron is missing"),
        ('[a]\ncron = "@daily"', ": [a] message is missing"),
        (f'[a]\n{GOOD}when = "x"', ": [a] when is unknown; the keys are cron, timezone, message, "),
        (f"[a]\n{GOOD}[a.b]\n{GOOD}", ": [a] b is unknown"),
        (f'[a]\n{GOOD}missed = "all"', ": [a] missed = 'all' is neither 'skip' nor 'once'"),
        (f"[a]\n{GOOD}missed = true", ": [a] missed = True is not text; write it in quotes"),
        ('[a]\ncron = "@daily"\nmessage = " "', ": [a] message = ' ' is not text"),
        (f'[a]\n{GOOD}timezone = "Mars"', ": [a] timezone = 'Mars' is not a time zone such as"),
        (f'[a]\n{GOOD}timezone = "Europe"', ": [a] timezone = 'Europe' is not a time zone"),
        (f'[a]\n{GOOD}timezone = "../UTC"', ": [a] timezone = '../UTC' is not a time zone"),
        (f'[a]\n{GOOD}notify = "fax:1"', ": [a] notify = 'fax:1' needs 'fax', which is not set up"),
        (
            f'[a]\n{GOOD}notify = "fax:1"',
            "(poll, slack): set it up, add the part, or leave `notify`",
        ),
        (f'[a]\n{GOOD}notify = "slack"', ": [a] notify = 'slack' has no address; write channel:"),
        (f'[a]\n{GOOD}notify = "slack: "', ": [a] notify = 'slack: ' has no address"),
    ],
)
def test_a_mistake_is_named_in_one_line(text: str | bytes, problem: str, write: Path) -> None:
    write.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Misconfigured) as raised:
        read_schedules(PORTS)
    assert str(raised.value).startswith("'schedules.toml'")
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("", "is not text"),
        ("0 9 * *", "does not have five fields: minute, hour, day, month, weekday"),
        ("0 0 9 * * *", "does not have five fields"),
        ("60 9 * * *", "is not a crontab: Bad minute"),
        ("0 24 * * *", "is not a crontab: Bad hour"),
        ("0 9 0 * *", "is not a crontab: Bad day-of-month"),
        ("0 9 * 13 *", "is not a crontab: Bad month"),
        ("0 9 * * 8", "is not a crontab: Bad day-of-week"),
        ("0 9 * * fri-mon", "is not a crontab: Bad day-of-week"),
        ("*/0 9 * * *", "is not a crontab: Bad minute"),
        ("0 9 * * someday", "is not a crontab"),
        (f"{'9' * 5000} * * * *", "is not a crontab"),
        ("0 9 30 2 *", "is not a crontab: Bad day-of-month"),
        ("@reboot", "is none of @yearly, @annually, @monthly, "),
    ],
)
def test_an_invalid_crontab_is_refused(cron: str, problem: str, write: Path) -> None:
    write.write_text(f'[a]\ncron = "{cron}"\nmessage = "Report."')
    with pytest.raises(Misconfigured) as raised:
        read_schedules(PORTS)
    assert str(raised.value).startswith(f"'schedules.toml': [a] cron = '{cron}' {problem}")


def parse_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make_schedule(cron: str = "0 9 * * *", zone: str = "UTC", **changes: Any) -> Schedule:
    texts = {"name": "report", "message": "Report.", "notify": "poll:", "missed": "skip"}
    return Schedule(cron=cron, timezone=ZoneInfo(zone), **texts | changes)


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.mark.parametrize(
    ("cron", "zone", "after", "ticks"),
    [
        ("*/15 * * * *", "UTC", "2026-01-01 11:50", "01-01 12:00, 01-01 12:15, 01-01 12:30"),
        ("0 9 * * mon-fri", "UTC", "2026-01-02 09:00", "01-05 09:00, 01-06 09:00"),
        ("0 9 * JAN sun", "UTC", "2026-01-20 00:00", "01-25 09:00"),
        ("0 0 * * 7", "UTC", "2026-01-01 00:00", "01-04 00:00, 01-11 00:00"),
        ("0 0 31 * *", "UTC", "2026-01-31 00:00", "03-31 00:00, 05-31 00:00, 07-31 00:00"),
        ("0 0 L * *", "UTC", "2026-01-31 00:00", "02-28 00:00, 03-31 00:00"),
        ("0 0 29 2 *", "UTC", "2026-01-01 00:00", "02-29 00:00"),
        ("0 0 13 * fri", "UTC", "2026-01-01 00:00", "01-02 00:00, 01-09 00:00, 01-13 00:00"),
        ("59 23 31 12 *", "UTC", "2026-01-01 00:00", "12-31 23:59"),
        ("@daily", "UTC", "2026-02-28 00:00", "03-01 00:00"),
        ("@Weekly", "UTC", "2026-01-01 00:00", "01-04 00:00"),
        ("@hourly", "Asia/Kathmandu", "2026-01-01 00:00", "01-01 00:15, 01-01 01:15"),
        ("@daily", "Asia/Tokyo", "2026-01-01 00:00", "01-01 15:00"),
        # The clocks go forward: 02:00 is 03:00.
        ("30 2 * * *", BERLIN, "2026-03-28 12:00", "03-29 01:00, 03-30 00:30"),
        ("0,30 2 * * *", BERLIN, "2026-03-28 12:00", "03-29 01:00, 03-30 00:00"),
        ("30 * * * *", BERLIN, "2026-03-29 00:00", "03-29 00:30, 03-29 01:30"),
        ("0 9 * * *", BERLIN, "2026-03-28 00:00", "03-28 08:00, 03-29 07:00"),
        ("30 2 * * *", NEW_YORK, "2026-03-08 00:00", "03-08 07:00, 03-09 06:30"),
        # And back: 03:00 is 02:00, and 02:30 comes twice.
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", "10-25 00:30, 10-26 01:30"),
        ("30 2 * * *", BERLIN, "2026-10-25 01:10", "10-26 01:30"),
        ("*/30 * * * *", BERLIN, "2026-10-25 00:15", "10-25 00:30, 10-25 01:00, 10-25 01:30"),
        ("0 9 * * *", BERLIN, "2026-10-24 00:00", "10-24 07:00, 10-25 08:00"),
        ("30 1 * * *", NEW_YORK, "2026-11-01 00:00", "11-01 05:30, 11-02 06:30"),
    ],
)
def test_the_next_ticks_are_in_utc(cron: str, zone: str, after: str, ticks: str) -> None:
    wanted = ticks.split(", ")
    found = islice(make_schedule(cron, zone).generate_ticks(parse_utc(after)), len(wanted))
    assert [f"{tick:%m-%d %H:%M}" for tick in found] == wanted


def test_a_tick_is_after_the_moment_and_on_a_full_minute() -> None:
    soon = make_schedule("* * * * *").generate_ticks(parse_utc("2026-01-01 00:00:59.999999"))
    assert next(soon) == parse_utc("2026-01-01 00:01")
    assert next(
        make_schedule("* * * * *").generate_ticks(parse_utc("2026-01-01 00:01"))
    ) == parse_utc("2026-01-01 00:02")


@pytest.mark.parametrize(
    ("cron", "most", "oldest"),
    [
        ("* * * * *", 1, "2026-10-25 01:10"),
        ("* * * * *", 100, "2026-10-24 23:31"),
        ("*/2 * * * *", 100, "2026-10-24 21:52"),
        ("0 * * * *", 100, "2026-10-20 22:00"),
        ("30 2 * * *", 1, "2026-10-25 00:30"),
        ("30 2 * * *", 100, "2026-07-18 00:30"),
        ("0 0 1 1 *", 1, "2025-12-31 23:00"),
    ],
)
def test_the_last_ticks_are_those_that_were_due(cron: str, most: int, oldest: str) -> None:
    """It is 02:10 in Berlin for the second time."""
    now = parse_utc("2026-10-25 01:10")
    ticks = make_schedule(cron, BERLIN).list_ticks(now, most)
    assert ticks[-1] == parse_utc(oldest)
    assert len(ticks) == most
    came = list(
        islice(
            make_schedule(cron, BERLIN).generate_ticks(ticks[-1] - timedelta(seconds=1)), most + 1
        )
    )
    assert came[-1] > now
    assert came[-2::-1] == ticks


def test_ticks_are_not_looked_for_more_than_a_year_back() -> None:
    assert make_schedule("0 0 29 2 *").list_ticks(parse_utc("2027-01-01 00:00")) == []


def test_a_message_has_the_local_day_and_time_of_its_tick() -> None:
    dated = make_schedule(zone=BERLIN, message="{date}, {time}: {what} of {date}?")
    text = dated.format_message(parse_utc("2026-07-31 22:30"))
    assert text == "2026-08-01, 00:30: {what} of 2026-08-01?"


def test_a_schedule_may_be_for_another_agent(write: Path) -> None:
    write.write_text(f'[a]\n{GOOD}agent = "second"\n')
    assert [each.agent for each in read_schedules(PORTS)] == ["second"]


def test_an_agent_that_is_not_in_app_py_stops_the_start(write: Path) -> None:
    write.write_text(f'[a]\n{GOOD}agent = "third"\n')
    why = r"\[a\] agent = 'third' is not an agent of app\.py; those are test, second"
    with pytest.raises(Misconfigured, match=why):
        read_schedules(PORTS)

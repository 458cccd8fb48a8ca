"""The owner's file of schedules, and what may be wrong with it."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.engine.cron.file import Schedule, schedules
from agent.engine.log.errors import Misconfigured
from agent.engine.people.poll import PollChannel
from agent.engine.people.routing import Routing

from ..domain import Shown

ROOT = Path(__file__).parents[3]
CHANNELS = Routing({"poll": PollChannel(), "slack": Shown()})
GOOD = 'cron = "0 9 * * mon-fri"\nmessage = "Report."\n'


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCHEDULES_FILE", raising=False)
    return tmp_path / "schedules.toml"


def test_a_table_is_a_schedule(write: Path) -> None:
    write.write_text(
        f'[b]\n{GOOD}timezone = "Europe/Berlin"\ntell = "slack:C1"\nmissed = "once"\n[a]\n{GOOD}'
    )
    assert schedules(CHANNELS) == [
        Schedule("b", "0 9 * * mon-fri", ZoneInfo("Europe/Berlin"), "Report.", "slack:C1", "once"),
        Schedule("a", "0 9 * * mon-fri", ZoneInfo("UTC"), "Report.", "poll:", "skip"),
    ]


def test_no_file_is_no_schedule(write: Path) -> None:
    assert schedules(CHANNELS) == []


def test_the_example_of_its_page_is_good(write: Path) -> None:
    write.write_text((ROOT / "docs/cron.md").read_text().split("```")[1].removeprefix("toml"))
    (morning,) = schedules(Routing({"poll": PollChannel()}))  # where nothing else is set up
    assert (morning.name, morning.missed) == ("morning-report", "once")


def test_it_may_be_elsewhere(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.toml").write_text(f"[a]\n{GOOD}")
    monkeypatch.setenv("SCHEDULES_FILE", "other.toml")
    assert [each.name for each in schedules(CHANNELS)] == ["a"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a", "is not valid TOML: "),
        ("[a]\n[a]", "is not valid TOML: "),
        (b"\xff", ": 'utf-8' codec"),
        ('cron = "0 9 * * *"', ": 'cron' is in no table; begin one with a line [name-of-the-"),
        (f"[[a]]\n{GOOD}", ": 'a' is in no table"),
        (f'["a b"]\n{GOOD}', ": ['a b'] is no name; use letters, digits, - and _, at most 64"),
        (f"[{'a' * 65}]\n{GOOD}", "is no name"),
        ("[a]", ": [a] cron is missing"),
        ('[a]\ncron = "@daily"', ": [a] message is missing"),
        (f'[a]\n{GOOD}when = "x"', ": [a] when is unknown; there are cron, timezone, message, "),
        (f"[a]\n{GOOD}[a.b]\n{GOOD}", ": [a] b is unknown"),
        (f'[a]\n{GOOD}missed = "all"', ": [a] missed = 'all' is neither 'skip' nor 'once'"),
        (f"[a]\n{GOOD}missed = true", ": [a] missed = True is no text; write it in quotes"),
        ('[a]\ncron = "@daily"\nmessage = " "', ": [a] message = ' ' is no text"),
        (f'[a]\n{GOOD}timezone = "Mars"', ": [a] timezone = 'Mars' is no time zone; write one"),
        (f'[a]\n{GOOD}timezone = "Europe"', ": [a] timezone = 'Europe' is no time zone"),
        (f'[a]\n{GOOD}timezone = "../UTC"', ": [a] timezone = '../UTC' is no time zone"),
        (f'[a]\n{GOOD}tell = "fax:1"', ": [a] tell = 'fax:1' needs 'fax', which is not set up"),
        (f'[a]\n{GOOD}tell = "fax:1"', "(poll, slack): set it up, add the part, or leave `tell`"),
        (f'[a]\n{GOOD}tell = "slack"', ": [a] tell = 'slack' has no address; write channel:"),
        (f'[a]\n{GOOD}tell = "slack: "', ": [a] tell = 'slack: ' has no address"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(
    text: str | bytes, problem: str, write: Path
) -> None:
    write.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Misconfigured) as raised:
        schedules(CHANNELS)
    assert str(raised.value).startswith("'schedules.toml'")
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("", "is no text"),
        ("0 9 * *", "has not five fields: minute, hour, day, month, weekday"),
        ("0 0 9 * * *", "has not five fields"),
        ("60 9 * * *", "is no crontab: Bad minute"),
        ("0 24 * * *", "is no crontab: Bad hour"),
        ("0 9 0 * *", "is no crontab: Bad day-of-month"),
        ("0 9 * 13 *", "is no crontab: Bad month"),
        ("0 9 * * 8", "is no crontab: Bad day-of-week"),
        ("0 9 * * fri-mon", "is no crontab: Bad day-of-week"),
        ("*/0 9 * * *", "is no crontab: Bad minute"),
        ("0 9 * * someday", "is no crontab"),
        (f"{'9' * 5000} * * * *", "is no crontab"),
        ("0 9 30 2 *", "is no crontab: Bad day-of-month"),
        ("@reboot", "is none of @yearly, @annually, @monthly, "),
    ],
)
def test_a_crontab_that_is_none_is_refused(cron: str, problem: str, write: Path) -> None:
    write.write_text(f'[a]\ncron = "{cron}"\nmessage = "Report."')
    with pytest.raises(Misconfigured) as raised:
        schedules(CHANNELS)
    assert str(raised.value).startswith(f"'schedules.toml': [a] cron = '{cron}' {problem}")

"""The schedules in `schedules.toml`, the owner's file: what each table may say, and when it is due.

A tick is a moment at which a schedule is due, by crontab syntax in a time zone. Where the clocks
change, ticks are those of Debian's cron; https://github.com/cuu508/cronsim describes the syntax.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ..log.errors import Misconfigured
from ..loop.ports import Ports
from ..people.routing import check_address
from ..settings import optional

SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_SPANS = (timedelta(hours=2), timedelta(days=5), timedelta(days=400))
"""How far back to look for ticks, in this order until there are enough; each is quick."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEFAULTS = {"timezone": "UTC", "notify": "poll:", "missed": "skip"}

Check = Callable[[str], Any]


@dataclass(frozen=True)
class Schedule:
    name: str
    cron: str
    """As it is written in the file."""
    timezone: ZoneInfo
    message: str
    notify: str
    """Where questions and results of the threads go: `channel:address`."""
    missed: Literal["skip", "once"]
    """What happens after ticks that no server saw: nothing, or the last one is made up for."""
    agent: str = ""
    """Whom its threads are for; the default agent if empty."""

    def generate_ticks(self, after: datetime) -> Iterator[datetime]:
        """Yield the ticks after a moment, in UTC, without end."""
        crontab = SHORT.get(self.cron.lower(), self.cron)
        for local in CronSim(crontab, after.astimezone(self.timezone)):
            # Once the clocks went back, the first of two equal times is already over.
            if (tick := local.astimezone(UTC)) > after:
                yield tick

    def list_ticks(self, until: datetime, most: int = 1) -> list[datetime]:
        """Return the last ticks up to a moment, in UTC, newest first; none older than a year."""
        ticks: list[datetime] = []
        for span in _SPANS:
            ticks = list(takewhile(lambda tick: tick <= until, self.generate_ticks(until - span)))
            if len(ticks) >= most:
                break
        return ticks[::-1][:most]

    def format_message(self, tick: datetime) -> str:
        """Return the message of a tick, with its day and time where the message asks for them."""
        local = tick.astimezone(self.timezone)
        dated = self.message.replace("{date}", f"{local:%Y-%m-%d}")
        return dated.replace("{time}", f"{local:%H:%M}")


def locate_file() -> Path:
    return Path(optional("SCHEDULES_FILE", "schedules.toml"))


def read_schedules(ports: Ports) -> list[Schedule]:
    """Read the file, in its order; without it there are no schedules.

    Raises:
        Misconfigured: it names the file, the table and the key, on one line.
    """
    source = locate_file()
    try:
        tables = tomllib.loads(source.read_text("utf-8")) if source.exists() else {}
        return [_parse_schedule(name, table, ports) for name, table in tables.items()]
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{str(source)!r} is not valid TOML: {error}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise Misconfigured(f"{str(source)!r}: {error}") from None


def _parse_schedule(name: str, table: Any, ports: Ports) -> Schedule:
    if not isinstance(table, dict):
        raise ValueError(
            f"{name!r} is not in a table; start one with a line [name-of-the-schedule]"
        )
    if not _NAME.fullmatch(name):
        raise ValueError(f"[{name!r}] is not a name; use letters, digits, - and _, at most 64")
    checks: dict[str, Check] = {
        "cron": _check_cron,
        "timezone": _parse_timezone,
        "message": _keep_message,
        "notify": partial(check_address, ports.notifier),
        "missed": _check_missed,
        "agent": partial(_check_agent, ports),
    }
    given = {**_DEFAULTS, "agent": ports.default.name, **table}
    for key in given:
        if key not in checks:
            raise ValueError(f"[{name}] {key} is unknown; the keys are {', '.join(checks)}")
    return Schedule(
        name, **{key: _parse_key(name, key, given, check) for key, check in checks.items()}
    )


def _parse_key(name: str, key: str, given: dict[str, Any], check: Check) -> Any:
    if key not in given:
        raise ValueError(f"[{name}] {key} is missing")
    text = given[key]
    try:
        if not isinstance(text, str) or not text.strip():
            raise ValueError("is not text; write it in quotes")
        return check(text.strip())
    except ValueError as error:
        raise ValueError(f"[{name}] {key} = {text!r} {error}") from None


def _check_cron(text: str) -> str:
    crontab = SHORT.get(text.lower(), text)
    if crontab.startswith("@"):
        raise ValueError(f"is none of {', '.join(SHORT)}")
    if len(crontab.split()) != 5:
        raise ValueError("does not have five fields: minute, hour, day, month, weekday")
    try:
        CronSim(crontab, datetime.now(UTC))
    except (CronSimError, ValueError) as error:
        raise ValueError(f"is not a crontab: {error}") from None
    return text


def _parse_timezone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone such as 'Europe/Berlin'") from None


def _check_agent(ports: Ports, text: str) -> str:
    if text not in ports.agents:
        raise ValueError(f"is not an agent of app.py; those are {', '.join(ports.agents)}")
    return text


def _keep_message(text: str) -> str:
    return text


def _check_missed(text: str) -> str:
    if text not in ("skip", "once"):
        raise ValueError("is neither 'skip' nor 'once'")
    return text

"""Reads `schedules.toml`, the owner's file: each table is a schedule, and a mistake is one line."""

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
from ..loop.ports import Channel
from ..people.routing import tellable
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
"""How far back ticks are looked for, until there are enough; none of them takes long."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEFAULTS = {"timezone": "UTC", "tell": "poll:", "missed": "skip"}

Check = Callable[[str], Any]


@dataclass(frozen=True)
class Schedule:
    name: str
    cron: str
    """As it stands in the file."""
    timezone: ZoneInfo
    message: str
    tell: str
    """Where people are told of the threads: `channel:address`."""
    missed: Literal["skip", "once"]
    """What becomes of the ticks at which nobody was there: nothing, or the last is made up for."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the ticks after `moment`, in UTC, without end."""
        crontab = SHORT.get(self.cron.lower(), self.cron)
        for local in CronSim(crontab, moment.astimezone(self.timezone)):
            # Once the clocks went back, the first of two equal times is over already.
            if (tick := local.astimezone(UTC)) > moment:
                yield tick

    def until(self, now: datetime, most: int = 1) -> list[datetime]:
        """Return the last ticks up to `now`, in UTC, newest first; none older than a year."""
        ticks: list[datetime] = []
        for span in _SPANS:
            ticks = list(takewhile(lambda tick: tick <= now, self.after(now - span)))
            if len(ticks) >= most:
                break
        return ticks[::-1][:most]

    def text(self, tick: datetime) -> str:
        """Return what is said at `tick`: the message, with its day and time where it asks."""
        local = tick.astimezone(self.timezone)
        dated = self.message.replace("{date}", f"{local:%Y-%m-%d}")
        return dated.replace("{time}", f"{local:%H:%M}")


def path() -> Path:
    return Path(optional("SCHEDULES_FILE", "schedules.toml"))


def schedules(channel: Channel) -> list[Schedule]:
    """Read the file, in its order; nothing where there is none.

    Raises:
        Misconfigured: it names the file, the table and the key.
    """
    source = path()
    try:
        tables = tomllib.loads(source.read_text("utf-8")) if source.exists() else {}
        return [_schedule(name, table, channel) for name, table in tables.items()]
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{str(source)!r} is not valid TOML: {error}") from None
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{str(source)!r}: {error}") from None


def _schedule(name: str, table: Any, channel: Channel) -> Schedule:
    if not isinstance(table, dict):
        raise ValueError(f"{name!r} is in no table; begin one with a line [name-of-the-schedule]")
    if not _NAME.fullmatch(name):
        raise ValueError(f"[{name!r}] is no name; use letters, digits, - and _, at most 64")
    checks: dict[str, Check] = {
        "cron": _cron,
        "timezone": _timezone,
        "message": _message,
        "tell": partial(tellable, channel),
        "missed": _missed,
    }
    given = _DEFAULTS | table
    for key in given:
        if key not in checks:
            raise ValueError(f"[{name}] {key} is unknown; there are {', '.join(checks)}")
    return Schedule(
        name, **{key: _checked(name, key, given, check) for key, check in checks.items()}
    )


def _checked(name: str, key: str, given: dict[str, Any], check: Check) -> Any:
    if key not in given:
        raise ValueError(f"[{name}] {key} is missing")
    text = given[key]
    try:
        if not isinstance(text, str) or not text.strip():
            raise ValueError("is no text; write it in quotes")
        return check(text.strip())
    except ValueError as error:
        raise ValueError(f"[{name}] {key} = {text!r} {error}") from None


def _cron(text: str) -> str:
    crontab = SHORT.get(text.lower(), text)
    if crontab.startswith("@"):
        raise ValueError(f"is none of {', '.join(SHORT)}")
    if len(crontab.split()) != 5:
        raise ValueError("has not five fields: minute, hour, day, month, weekday")
    try:
        CronSim(crontab, datetime.now(UTC))
    except (CronSimError, ValueError) as error:
        raise ValueError(f"is no crontab: {error}") from None
    return text


def _timezone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError("is no time zone; write one such as 'Europe/Berlin'") from None


def _message(text: str) -> str:
    return text


def _missed(text: str) -> str:
    if text not in ("skip", "once"):
        raise ValueError("is neither 'skip' nor 'once'")
    return text

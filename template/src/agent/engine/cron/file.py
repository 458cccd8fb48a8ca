"""Reads `schedules.toml`, the owner's file: each table is a schedule, and a mistake is one line."""

import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ..log.errors import Misconfigured
from ..loop.ports import Notifier
from ..people.routing import tellable
from ..settings import optional
from .schedule import SHORT, Schedule

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEFAULTS = {"timezone": "UTC", "tell": "poll:", "missed": "skip"}

Check = Callable[[str], Any]


def path() -> Path:
    return Path(optional("SCHEDULES_FILE", "schedules.toml"))


def schedules(notifier: Notifier) -> list[Schedule]:
    """Read the file, in its order; nothing where there is none.

    Raises:
        Misconfigured: it names the file, the table and the key.
    """
    source = path()
    try:
        tables = tomllib.loads(source.read_text("utf-8")) if source.exists() else {}
        return [_schedule(name, table, notifier) for name, table in tables.items()]
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{str(source)!r} is not valid TOML: {error}") from None
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{str(source)!r}: {error}") from None


def _schedule(name: str, table: Any, notifier: Notifier) -> Schedule:
    if not isinstance(table, dict):
        raise ValueError(f"{name!r} is in no table; begin one with a line [name-of-the-schedule]")
    if not _NAME.fullmatch(name):
        raise ValueError(f"[{name!r}] is no name; use letters, digits, - and _, at most 64")
    checks: dict[str, Check] = {
        "cron": _cron,
        "timezone": _timezone,
        "message": _message,
        "tell": partial(tellable, notifier),
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

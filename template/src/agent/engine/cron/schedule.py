"""When a schedule is due: crontab syntax in a time zone. Pure, and the same in every process.

A tick is a moment for which a schedule says its message. Where the clocks change it is what
Debian's cron makes of it; see https://github.com/cuu508/cronsim for the syntax, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim

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

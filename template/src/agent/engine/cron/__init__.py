"""Schedules (`schedules.toml`): the agent starts on its own, from `agent serve`.

Any number of servers may run: each tick starts one thread. Nobody calls in, so nobody is
authenticated; the actor is `cron:<schedule>`, which is not a person.
"""

import logging
from functools import partial

from ..runners.app import App, Served
from .commands import mount
from .schedules import locate_file, read_schedules
from .ticks import Clock, get_utc_now, run_schedules

__all__ = ["mount", "serve"]

log = logging.getLogger(__name__)


def serve(app: App, clock: Clock = get_utc_now) -> Served | None:
    """Start the threads of the schedules; the file is read only now. Raises Misconfigured."""
    found = read_schedules(app.ports)
    if not found:
        how = "To turn them on, add a table to %r (see docs/cron.md)."
        log.warning(f"Schedules are off. {how}", str(locate_file()))
        return None
    return Served(work=partial(run_schedules, app, found, clock))

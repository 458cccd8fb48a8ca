"""How many mails one address gets within an hour, and how many threads one sender starts.

A program that answers mails, and does not say so, would otherwise get a mail for each of its own,
and its mails would start a thread each. Each mail or thread takes one of the places of its address
or sender for an hour. The store keeps the places, as it does for notices, so they hold across
restarts and for all processes together.
"""

import logging
from dataclasses import dataclass, replace
from uuid import uuid4

from ..index import hash_cause
from ..log.errors import Misconfigured, Unavailable
from ..log.events import Event, make_event
from ..log.thread import Thread
from ..loop.ports import Ports
from ..loop.record import resolve_audience
from ..settings import optional

HOUR_S = 3600.0
RETRY_S = 900.0
"""Until a mail that waits is tried again: the last of its five tries is after an hour."""

_REMEDY = (
    "If a program writes there, remove the address from EMAIL_ALLOWED or people.toml. "
    "EMAIL_MAX_PER_HOUR sets the limit."
)

log = logging.getLogger(__name__)


class Postponed(Unavailable):
    """The mail has to be delivered again later; other mails need not wait for it."""


def read_most() -> int:
    """Read `EMAIL_MAX_PER_HOUR`. Raises Misconfigured."""
    value = optional("EMAIL_MAX_PER_HOUR", "30")
    if not (value.isascii() and value.isdecimal() and len(value) <= 4 and 1 <= int(value) <= 1000):
        raise Misconfigured(f"EMAIL_MAX_PER_HOUR={value!r} is not a number between 1 and 1000")
    return int(value)


@dataclass(frozen=True)
class Quota:
    ports: Ports
    most: int
    """Mails to one address, and threads of one sender, within an hour. Notices are not counted:
    they are few in any case."""

    async def admits(self, thread: Thread, event: Event, address: str) -> bool:
        """Take a place for the mail about an event; the same mail keeps its place if sent again.

        If there is none, the people responsible for the agent are notified, once an hour.
        """
        problem = f"{address} got {self.most} mails from this agent within an hour"
        by = f"{thread.id}:{event.seq}"
        return await self._take_place(address, by, thread, f"{problem}, so more mails wait.")

    async def check_start(self, thread: Thread, sender: str) -> None:
        """Take a place for a thread that a mail starts; `sender` is what lets its writer write.

        Raises:
            Postponed: there is none. The people responsible are notified, once an hour.
        """
        problem = f"mails from {sender} started {self.most} threads within an hour"
        text = f"{problem[:1].upper()}{problem[1:]}, so more of them wait in the mailbox."
        if not await self._take_place(f"from {sender}", thread.id, thread, text):
            raise Postponed(f"{problem} (EMAIL_MAX_PER_HOUR)", RETRY_S)

    async def _take_place(self, of: str, by: str, thread: Thread, text: str) -> bool:
        for place in range(self.most):
            if await self._claim(of, str(place), by):
                return True
        if await self._claim(of, "notice", uuid4().hex):
            await self._report(thread, f"{text} {_REMEDY}")
        return False

    async def _claim(self, of: str, place: str, by: str) -> bool:
        cause = hash_cause("EMAIL_MAX_PER_HOUR", f"{of.lower()} {place}")
        return await self.ports.store.claim_notice(cause, HOUR_S, by)

    async def _report(self, thread: Thread, text: str) -> None:
        log.warning("%s", text)
        if problem := await self._notify(thread, text):
            log.warning("The people responsible were not notified of this: %s", problem)

    async def _notify(self, thread: Thread, text: str) -> str:
        """Notify the people responsible for the agent; return why they were not, else ""."""
        try:
            responsible = self.ports.get_agent(thread).responsible
            audience = resolve_audience(self.ports, thread, responsible)
            if people := [name for name in audience if name != "anyone"]:
                # A thread without events: the notice is not for whoever started this one.
                event = replace(make_event("notice", text=text, audience=people), seq=1)
                delivery = await self.ports.notifier.notify(Thread(thread.id), event)
                missed = f"{', '.join(people)} cannot be reached"
                return str(delivery.problem or ("" if delivery.reached else missed))
            return "Agent(responsible=…) names no person or team"
        except Unavailable as error:
            return str(error)

"""Lists what people are asked, without letting many threads with one cause hide the rest."""

from collections import Counter
from dataclasses import dataclass

from ..index import Waiting, Which
from ..loop.store import Store


@dataclass(frozen=True)
class Asked:
    """An open wait in a list."""

    waiting: Waiting
    others: int = 0
    """Number of other threads with the same cause, which continue with this one."""


async def list_asked(
    store: Store, names: tuple[str, ...] | None = None, limit: int = 100
) -> list[Asked]:
    """List open waits in threads that one of `names` may read, last changed first.

    Of the threads that stopped for one cause, only the last is listed. `limit` counts them apart
    from all others, so `others` is too low if there are more.
    """
    found = [Asked(each) for each in await store.waits(Which(names, stopped=False), limit)]
    stopped = await store.waits(Which(names, stopped=True), limit)
    causes = Counter(each.paused.data["cause"] for each in stopped)
    last = {each.paused.data["cause"]: each for each in reversed(stopped)}
    found += [Asked(each, causes[cause] - 1) for cause, each in last.items()]
    return sorted(found, key=lambda one: one.waiting.thread.updated, reverse=True)

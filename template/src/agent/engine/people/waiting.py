"""Lists what people are asked, without letting many threads with one cause hide the rest."""

from collections import Counter

from ..index import Waiting, Which
from ..loop.store import Store


async def list_waits(
    store: Store, names: tuple[str, ...] | None = None, limit: int = 100
) -> list[tuple[Waiting, int]]:
    """List open waits in threads that one of `names` may read, last changed first.

    Of the threads that stopped for one cause, only the last is listed, with the number of the
    others, which continue with it. `limit` counts them apart from all others, so that number is
    too low if there are more.
    """
    found = [(each, 0) for each in await store.waits(Which(names, stopped=False), limit)]
    stopped = await store.waits(Which(names, stopped=True), limit)
    causes = Counter(each.paused.data["cause"] for each in stopped)
    last = {each.paused.data["cause"]: each for each in reversed(stopped)}
    found += [(each, causes[cause] - 1) for cause, each in last.items()]
    return sorted(found, key=lambda one: one[0].thread.updated, reverse=True)

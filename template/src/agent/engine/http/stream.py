"""The events of a thread as they happen: one stream, for the API and for pages."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from fastapi.sse import ServerSentEvent

from ..log.errors import ThreadNotFound, Unavailable
from ..log.thread import Thread
from ..loop.store import find_summary
from ..people.access import check_reader
from .service import Service
from .views import EventView

Check = Callable[[], Awaitable[bool]]

LOOK_S = 5.0
"""How often a stream checks whether a running thread has a problem."""
REST_S = 15.0
"""How often a stream of another thread checks that its reader may still read."""
RETRY_S = 1.0
"""How long a stream waits for a store that is away."""


async def stream_events(
    service: Service, thread: Thread, person: str, seen: int, check: Check
) -> AsyncIterator[ServerSentEvent]:
    """Yield the events after `seen`, then each new one.

    The stream ends when the server stops, when `person` may no longer read the thread, or when
    `check` returns False: the request is not theirs any more.
    """
    closing, problem = asyncio.create_task(service.closing.wait()), ""
    growing: asyncio.Task[Thread] | None = None
    try:
        while True:
            for event in thread.events[seen:]:
                # In ASCII: many clients take U+2028 and its like for the end of a line.
                data = json.dumps(EventView.model_validate(event).model_dump(mode="json"))
                yield ServerSentEvent(id=str(event.seq), raw_data=data)
            seen = max(seen, thread.state.version)
            # A problem is not an event, so the stream has to ask for it.
            at_work = thread.state.status == "running"
            if at_work and (now := await _find_problem(service, thread)) != problem:
                problem = now
                yield ServerSentEvent(event="problem", raw_data=json.dumps({"problem": problem}))
            growing = growing or asyncio.create_task(_wait_for_more(service, thread))
            await asyncio.wait(
                {closing, growing},
                timeout=LOOK_S if at_work else REST_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if growing.done():
                thread, growing = growing.result(), None
            if closing.done() or not await check():
                return
            await check_reader(service.app.ports, thread, person)
    except ThreadNotFound:
        return
    finally:
        closing.cancel()
        if growing:
            growing.cancel()


async def _find_problem(service: Service, thread: Thread) -> str:
    with suppress(Unavailable):
        row = await find_summary(service.app.ports.store, thread.id)
        return row.problem if row else ""
    return ""


async def _wait_for_more(service: Service, thread: Thread) -> Thread:
    while True:
        try:
            return await service.app.ports.store.grown(thread)
        except Unavailable:
            await asyncio.sleep(RETRY_S)

"""The events of a thread as they happen: one stream, for the API and for pages."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from fastapi.sse import ServerSentEvent

from ..log.errors import Unavailable
from ..log.thread import Thread
from ..loop.ports import Store
from .service import Service
from .wire import EventView

POLL_S = 0.3
"""How long a stream that has sent everything waits before it looks again."""


async def stream_events(
    service: Service, thread: Thread, seen: int
) -> AsyncIterator[ServerSentEvent]:
    """Yield the events after `seen`, then each new one, until the server closes."""
    while True:
        for event in thread.events[seen:]:
            # In ASCII: many clients take U+2028 and its like for the end of a line.
            data = json.dumps(EventView.model_validate(event).model_dump(mode="json"))
            yield ServerSentEvent(id=str(event.seq), raw_data=data)
        seen = max(seen, thread.state.version)
        if service.closing:
            return
        await asyncio.sleep(POLL_S)
        with suppress(Unavailable):
            thread = await _load_if_grown(service.app.ports.store, thread)


async def _load_if_grown(store: Store, thread: Thread) -> Thread:
    """Load the thread again if it has grown: to ask costs the same however long it is."""
    for summary in await store.threads(limit=1, prefix=thread.id):
        if summary.version == thread.state.version:
            return thread
    return await store.load(thread.id)

"""The events of a thread as they happen, whichever process appends them.

The stream stays open while the thread rests, because a message may open it again; `paused`,
`finished` and `cancelled` tell a client when to leave. It survives a store that is away.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ...errors import Unavailable
from ...ports import Store
from ...thread import Thread
from .problems import documented
from .service import Running, actor
from .shapes import After, EventView

POLL_S = 0.3

router = APIRouter(dependencies=[Depends(actor)], responses=documented(401, 422, 503))

LastEventId = Annotated[
    int | None,
    Header(alias="Last-Event-ID", ge=0, description="Go on after this one; wins over `after`."),
]


async def _thread(thread_id: str, service: Running) -> Thread:
    return await service.app.agent.store.load(thread_id)


@router.get(
    "/threads/{thread_id}/events",
    response_class=EventSourceResponse,
    response_description="The events so far, then each new one, until you leave.",
    responses=documented(400, 404),
)
async def follow(
    thread: Annotated[Thread, Depends(_thread)],
    service: Running,
    query: Annotated[After, Query()],
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a thread: `id` is the event's `seq`, `data` the event as JSON."""
    seen = query.after if last_event_id is None else last_event_id
    while True:
        for event in thread.events[seen:]:
            # In ASCII: many clients take U+2028 and its like for the end of a line.
            data = json.dumps(EventView.of(event).model_dump(mode="json"))
            yield ServerSentEvent(id=str(event.seq), raw_data=data)
        seen = max(seen, thread.state.version)
        if service.closing:
            return
        await asyncio.sleep(POLL_S)
        with suppress(Unavailable):
            thread = await _newest(service.app.agent.store, thread)


async def _newest(store: Store, thread: Thread) -> Thread:
    """Load the thread again unless it stands unchanged among those that changed last: that
    list costs the same however long a thread is."""
    for summary in await store.threads():
        if summary.id == thread.id and summary.version == thread.state.version:
            return thread
    return await store.load(thread.id)

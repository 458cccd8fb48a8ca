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
from .bodies import After
from .problems import documented
from .service import Running, actor
from .views import EventView

POLL_S = 0.3

router = APIRouter(dependencies=[Depends(actor)], responses=documented(401, 422, 503))

LastEventId = Annotated[
    int,
    Header(alias="Last-Event-ID", ge=0, description="What a client that comes back saw last."),
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
    last_event_id: LastEventId = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a thread: `id` is the event's `seq`, `data` the event as JSON."""
    seen = max(query.after, last_event_id)
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
    """Load the thread again if it has grown: to ask costs the same however long it is."""
    for summary in await store.threads(limit=1, prefix=thread.id):
        if summary.version == thread.state.version:
            return thread
    return await store.load(thread.id)

"""Any request that the server lets through has an answer, and what it records is valid."""

import asyncio
from pathlib import Path

from agent.engine.loop.ports import Ports
from agent.engine.runners.app import Trigger
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, Town, World
from ..examples import given, scale
from ..fuzz.checking import check_all_stored
from .access import build_town
from .conftest import reused_api_of
from .raw import Sent, mutate_requests, read_requests, send, store_asked

REQUESTS = Path(__file__).parent / "corpus/requests.http"


async def check_answer(sent: Sent, *triggers: Trigger) -> int | None:
    """Check that a request is answered, and that all threads are valid after it."""
    store = MemoryStore()
    ports: Ports = build_town(store, World(":memory:"), Town(admins=("ana",)))
    await store_asked(store)
    api = reused_api_of(ports, Asleep(), *triggers)
    api.state.service.closing.set()  # streams end where they would wait for more
    status = await send(api, sent)
    assert status is None or status < 500
    await check_all_stored(store)
    return status


async def test_the_samples_are_requests_that_succeed() -> None:
    for sent in read_requests(REQUESTS):
        assert await check_answer(sent) in (200, 202, 303, 409), sent


@scale(40)
@given(mutate_requests(REQUESTS))
def test_any_request_is_answered(sent: Sent) -> None:
    asyncio.run(check_answer(sent))

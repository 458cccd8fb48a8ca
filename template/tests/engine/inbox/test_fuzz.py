"""Any request to the inbox has an answer, and what it records is valid."""

import asyncio
from pathlib import Path

from agent.engine import inbox

from ..examples import given, scale
from ..http.raw import Sent, mutate_requests, read_requests
from ..http.test_fuzz import check_answer

REQUESTS = Path(__file__).parent / "corpus/requests.http"


async def test_the_samples_are_requests_that_succeed() -> None:
    for sent in read_requests(REQUESTS):
        assert await check_answer(sent, inbox.serve) in (200, 303), sent


@scale(30)
@given(mutate_requests(REQUESTS))
def test_any_request_is_answered(sent: Sent) -> None:
    asyncio.run(check_answer(sent, inbox.serve))

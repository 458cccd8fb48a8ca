"""The lines of a thread: the call in them can be read back, or they say how long it is."""

import asyncio

from agent.engine import inbox
from agent.engine.inbox.lines import LONGEST
from agent.engine.log.events import CallJson

from ..examples import given, settings
from ..http.reading import CALLS, read_pages

PAGE = "/inbox/t"


@settings(max_examples=20)
@given(CALLS)
def test_the_call_can_be_read_back_from_every_page_of_its_thread(call: CallJson) -> None:
    before, after = [PAGE, f"{PAGE}/events/2"], [f"{PAGE}/events/3"]
    kept, shown = asyncio.run(read_pages(call, before, after, inbox.serve))
    assert shown == [[kept]] * 3
    assert all([*each] == [*kept] for calls in shown for each in calls)


def test_a_line_shows_all_of_a_call_or_leads_to_all_of_it() -> None:
    for size, lines in ((LONGEST // 2, 1), (LONGEST * 2, 0)):
        call = {"intent": "put", "value": "x" * size}
        kept, shown = asyncio.run(read_pages(call, [], [PAGE, f"{PAGE}/events/3"], inbox.serve))
        assert shown == [[kept] * lines, [kept]]

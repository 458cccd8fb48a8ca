import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from agent.llms.providers import MAX_RETRY_AFTER_S, Format, FormatRefused, Ladder, retry_after_s
from agent.ports import Reply

from .contract import COOK, SEARCH, SERVE, STEPS, say

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "999999999999"}, MAX_RETRY_AFTER_S),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 07:29:00 GMT"}, 60.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 09:28:00 +0200"}, 0.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 07:28:09 -0000"}, 9.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}, MAX_RETRY_AFTER_S),
        ({"date": "?", "retry-after": "Wed, 21 Oct 1999 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(headers) == seconds


def test_without_the_servers_clock_ours_is_used() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    seconds = retry_after_s({"retry-after": soon})

    assert seconds is not None
    assert 50 < seconds <= 60


LOWEST = "None"


class Server:
    """Takes some rungs and refuses the others; keeps what it was asked."""

    def __init__(self, *takes: str, reply: Reply | None = None) -> None:
        self.takes = takes
        self.reply = reply or Reply(say(SERVE), {})
        self.asked: list[str] = []
        self.systems: list[str] = []

    async def __call__(self, system: str, form: Format | None) -> Reply:
        rung = str(form and form["type"])
        self.asked.append(rung)
        self.systems.append(system)
        await asyncio.sleep(0)
        if rung not in self.takes:
            raise FormatRefused(f"no {rung}")
        return self.reply


@pytest.mark.parametrize(
    ("takes", "asked"),
    [
        (("json_schema", "json_object"), ["json_schema"]),
        (("json_object",), ["json_schema", "json_object"]),
        ((LOWEST,), ["json_schema", "json_object", LOWEST]),
    ],
)
async def test_it_stands_on_the_highest_rung_there_is_and_stays(
    takes: tuple[str, ...], asked: list[str]
) -> None:
    server, ladder = Server(*takes), Ladder()

    for _ in range(3):
        assert await ladder.reply("You cook.", STEPS.schema, server) == server.reply

    assert server.asked == [*asked, asked[-1], asked[-1]]


async def test_where_the_schema_is_not_native_it_stands_in_the_prompt() -> None:
    server = Server(LOWEST)

    await Ladder().reply("You cook.", STEPS.schema, server)

    native, *told = server.systems
    assert native == "You cook."
    for system in told:
        assert system.startswith("You cook.\n\n")
        assert json.loads(system.splitlines()[-1]) == STEPS.schema


async def test_a_refusal_of_every_rung_is_raised() -> None:
    with pytest.raises(FormatRefused, match="no None"):
        await Ladder().reply("", STEPS.schema, Server())


async def test_calls_at_the_same_time_climb_down_together() -> None:
    server, ladder = Server("json_object"), Ladder()

    await asyncio.gather(*(ladder.reply("", STEPS.schema, server) for _ in range(5)))

    assert set(server.asked) == {"json_schema", "json_object"}


@pytest.mark.parametrize(
    ("reply", "rung"),
    [
        (Reply(say(SEARCH), {}), "json_schema"),
        (Reply(say(COOK), {}), "json_schema"),
        (Reply(say({**COOK, "minutes": -1}), {}), "json_schema"),
        (Reply('{"next_', {}, "truncated"), "json_schema"),
        (Reply("I won't.", {}, "refused"), "json_schema"),
        (Reply("Sure!", {}), "json_object"),
        (Reply(json.dumps(SERVE), {}), "json_object"),
        (Reply(f"```{say(SERVE)}```", {}), "json_object"),
        (Reply(say({"intent": "other"}), {}), "json_object"),
        (Reply(say({**SERVE, "more": 1}), {}), "json_object"),
        (Reply(say({"intent": "cook"}), {}), "json_object"),
        (Reply(say(None), {}), "json_object"),
        (Reply("[]", {}), "json_object"),
    ],
)
async def test_a_schema_that_is_not_kept_to_is_no_schema(reply: Reply, rung: str) -> None:
    server, ladder = Server("json_schema", "json_object", reply=reply), Ladder()

    assert await ladder.reply("", STEPS.schema, server) == reply
    await ladder.reply("", STEPS.schema, server)

    assert server.asked == ["json_schema", rung]


async def test_going_down_is_logged(caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        await Ladder().reply("", STEPS.schema, Server("json_object"))

    assert caplog.messages == ["no json_schema here, going on with json_object: no json_schema"]

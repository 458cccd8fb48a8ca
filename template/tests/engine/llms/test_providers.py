"""What the adapters share and needs no socket: the ladder of formats, and Retry-After."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from agent.engine.context.window import Prompt
from agent.engine.llms.ladder import Ladder
from agent.engine.llms.providers import MAX_RETRY_AFTER_S, FormatRefused, parse_retry_after
from agent.engine.loop.ports import Reply

from .contract import COOK, PROMPT, SEARCH, SERVE, STEPS, say

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
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers) == seconds


def test_without_the_servers_clock_ours_is_used_instead() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    seconds = parse_retry_after({"retry-after": soon})

    assert seconds is not None
    assert 50 < seconds <= 60


RUNGS = ("cache marks", "json schema", "json mode", "words")


class Taker:
    """Accepts some rungs and refuses the others; keeps what it was asked."""

    def __init__(self, *takes: str, reply: Reply | None = None) -> None:
        self.takes = takes
        self.reply = reply or Reply(say(SERVE), {})
        self.asked: list[str] = []
        self.systems: list[str] = []

    async def __call__(self, rung: str, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        self.asked.append(rung)
        self.systems.append(prompt.system)
        await asyncio.sleep(0)
        if rung not in self.takes:
            raise FormatRefused(f"no {rung}")
        return self.reply


@pytest.mark.parametrize("highest", range(len(RUNGS)))
async def test_the_ladder_stays_on_the_highest_accepted_rung(highest: int) -> None:
    taker, ladder = Taker(*RUNGS[highest:]), Ladder(*RUNGS)

    for _ in range(3):
        assert await ladder.get_reply(PROMPT, STEPS.schema, taker) == taker.reply

    assert taker.asked == [*RUNGS[: highest + 1], RUNGS[highest], RUNGS[highest]]


async def test_a_schema_that_is_not_native_is_in_the_prompt() -> None:
    taker = Taker("words")

    await Ladder(*RUNGS).get_reply(PROMPT, STEPS.schema, taker)

    *native, mode, words = taker.systems
    assert native == [PROMPT.system] * 2
    for system in (mode, words):
        assert system.startswith(f"{PROMPT.system}\n\n")
        assert json.loads(system.splitlines()[-1]) == STEPS.schema


async def test_a_refusal_of_every_rung_is_raised() -> None:
    with pytest.raises(FormatRefused, match="no words"):
        await Ladder(*RUNGS).get_reply(PROMPT, STEPS.schema, Taker())


async def test_simultaneous_calls_step_down_together() -> None:
    taker, ladder = Taker("words"), Ladder("json schema", "words")

    await asyncio.gather(*(ladder.get_reply(PROMPT, STEPS.schema, taker) for _ in range(5)))

    assert taker.asked.count("words") == 5
    assert taker.asked.count("json schema") <= 5


@pytest.mark.parametrize(
    ("reply", "rung"),
    [
        (Reply(say(SEARCH), {}), "json schema"),
        (Reply(say(COOK), {}), "json schema"),
        (Reply(say({**COOK, "minutes": -1}), {}), "json schema"),
        (Reply(say({**SEARCH, "intent": "Search"}), {}), "json schema"),
        (Reply('{"next_', {}, "truncated"), "json schema"),
        (Reply("I won't.", {}, "refused"), "json schema"),
        (Reply("Sure!", {}), "json mode"),
        (Reply(json.dumps(SERVE), {}), "json mode"),
        (Reply(f"```{say(SERVE)}```", {}), "json mode"),
        (Reply(say({"intent": "other"}), {}), "json mode"),
        (Reply(say({**SERVE, "more": 1}), {}), "json mode"),
        (Reply(say({"intent": "cook"}), {}), "json mode"),
        (Reply(say(None), {}), "json mode"),
        (Reply("[]", {}), "json mode"),
    ],
)
async def test_a_schema_that_a_reply_does_not_follow_is_not_used_again(
    reply: Reply, rung: str
) -> None:
    taker, ladder = Taker("json schema", "json mode", reply=reply), Ladder(*RUNGS[1:])

    assert await ladder.get_reply(PROMPT, STEPS.schema, taker) == reply
    await ladder.get_reply(PROMPT, STEPS.schema, taker)

    assert taker.asked == ["json schema", rung]


async def test_stepping_down_is_logged(caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        await Ladder(*RUNGS[1:]).get_reply(PROMPT, STEPS.schema, Taker("json mode"))

    assert caplog.messages == ["json schema does not work here, using json mode: no json schema"]

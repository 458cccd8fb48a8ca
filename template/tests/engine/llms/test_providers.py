"""What the adapters share and needs no socket: the ladder of formats, and Retry-After."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from agent.engine.context.window import Prompt
from agent.engine.llms.failures import MAX_RETRY_AFTER_S, parse_retry_after
from agent.engine.llms.ladder import Form, Ladder
from agent.engine.llms.providers import FormatRefused, MarksRefused
from agent.engine.loop.ports import Reply

from .contract import COOK, PROMPT, SEARCH, SERVE, STEPS, say

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
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


FORMATS = ("json schema", "json mode", "words")


class Taker:
    """Accepts some formats and refuses the others; keeps what it was asked."""

    def __init__(self, *takes: str, reply: Reply | None = None, marks: bool = True) -> None:
        self.takes = takes
        self.marks = marks
        self.reply = reply or Reply(say(SERVE), {})
        self.asked: list[str] = []
        self.marked: list[bool] = []
        self.systems: list[str] = []

    async def __call__(self, form: Form, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        self.asked.append(form.format)
        self.marked.append(form.marks)
        self.systems.append(prompt.system)
        await asyncio.sleep(0)
        if form.marks and not self.marks:
            raise MarksRefused("no marks")
        if form.format not in self.takes:
            raise FormatRefused(f"no {form.format}")
        return self.reply


@pytest.mark.parametrize("highest", range(len(FORMATS)))
async def test_the_ladder_stays_on_the_highest_accepted_rung(highest: int) -> None:
    taker, ladder = Taker(*FORMATS[highest:]), Ladder(*FORMATS)

    for _ in range(3):
        assert (await ladder.get_reply(PROMPT, STEPS.schema, taker)).text == taker.reply.text

    assert taker.asked == [*FORMATS[: highest + 1], FORMATS[highest], FORMATS[highest]]


async def test_each_schema_has_a_place_of_its_own_on_the_ladder() -> None:
    taker, ladder, other = Taker("words"), Ladder(*FORMATS), {**STEPS.schema}
    await ladder.get_reply(PROMPT, STEPS.schema, taker)
    taker.takes, taker.asked = FORMATS, []

    assert (await ladder.get_reply(PROMPT, STEPS.schema, taker)).format == "words: no json mode"
    assert (await ladder.get_reply(PROMPT, other, taker)).format == ""
    assert taker.asked == ["words", "json schema"]


@pytest.mark.parametrize("shown", [True, False])
async def test_the_schema_is_in_the_prompt_unless_it_is_shown_natively(shown: bool) -> None:
    taker = Taker("words")

    await Ladder(*FORMATS, schema_in_prompt=shown).get_reply(PROMPT, STEPS.schema, taker)

    native, *others = taker.systems
    assert (native == PROMPT.system) == (not shown)
    for system in (native, *others) if shown else others:
        assert system.startswith(f"{PROMPT.system}\n\n")
        assert json.loads(system.splitlines()[-1]) == STEPS.schema


async def test_marks_that_are_refused_are_dropped_and_the_format_stays() -> None:
    taker, ladder = Taker(*FORMATS, marks=False), Ladder(*FORMATS, marks=True)

    for _ in range(2):
        assert (await ladder.get_reply(PROMPT, STEPS.schema, taker)).format == ""

    assert taker.marked == [True, False, False]
    assert taker.asked == ["json schema"] * 3


async def test_a_refusal_of_every_rung_is_raised() -> None:
    with pytest.raises(FormatRefused, match="no words"):
        await Ladder(*FORMATS).get_reply(PROMPT, STEPS.schema, Taker())


async def test_simultaneous_calls_step_down_together() -> None:
    taker, ladder = Taker("words"), Ladder("json schema", "words")

    await asyncio.gather(*(ladder.get_reply(PROMPT, STEPS.schema, taker) for _ in range(5)))

    assert taker.asked.count("words") == 5
    assert taker.asked.count("json schema") <= 5


BROKEN = Reply(say({**SERVE, "more": 1}), {})


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
        (Reply("", {}), "json mode"),
        (Reply(json.dumps(SERVE), {}), "json mode"),
        (Reply(f"```{say(SERVE)}```", {}), "json mode"),
        (Reply(say({"intent": "other"}), {}), "json mode"),
        (BROKEN, "json mode"),
        (Reply(say({"intent": "cook"}), {}), "json mode"),
        (Reply(say(None), {}), "json mode"),
        (Reply("[]", {}), "json mode"),
    ],
)
async def test_a_schema_that_two_replies_do_not_follow_is_not_used_again(
    reply: Reply, rung: str
) -> None:
    taker, ladder = Taker("json schema", "json mode", reply=reply), Ladder(*FORMATS)

    for _ in range(3):
        await ladder.get_reply(PROMPT, STEPS.schema, taker)

    assert taker.asked == ["json schema", "json schema", rung]


async def test_one_odd_reply_changes_nothing() -> None:
    taker, ladder = Taker(*FORMATS), Ladder(*FORMATS, marks=True)
    good = taker.reply

    for reply in (BROKEN, good, BROKEN, good, BROKEN, good):
        taker.reply = reply
        await ladder.get_reply(PROMPT, STEPS.schema, taker)

    assert set(taker.asked) == {"json schema"}
    assert all(taker.marked)


async def test_stepping_down_is_logged_once_and_said_in_the_reply(caplog: Any) -> None:
    taker, ladder = Taker("json mode"), Ladder(*FORMATS)
    with caplog.at_level(logging.WARNING):
        replies = [await ladder.get_reply(PROMPT, STEPS.schema, taker) for _ in range(3)]

    assert caplog.messages == ["json schema does not work here, using json mode: no json schema"]
    assert {reply.format for reply in replies} == {"json mode: no json schema"}

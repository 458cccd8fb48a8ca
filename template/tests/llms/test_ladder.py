import asyncio
import json
import logging
from typing import Any

import pytest

from agent.llms.failures import FormatRefused
from agent.llms.ladder import Format, Ladder
from agent.ports import Reply

from .steps import COOK, SEARCH, SERVE, STEPS, say

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

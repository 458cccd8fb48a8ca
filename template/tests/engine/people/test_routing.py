"""Which channel shows an event."""

from pathlib import Path
from typing import Any

import pytest

from agent.engine.log.errors import Unavailable
from agent.engine.log.events import make_event
from agent.engine.people.history import find_receipts, find_wait
from agent.engine.people.routing import Routing

from ..domain import (
    Shown,
    make_answer,
    make_delivery,
    make_message,
    make_pause,
    make_step,
    make_thread,
)

PEOPLE = """
[ana]
slack = "U1"

[bob]
email = "bob@example.org"
slack = "U2"

[eve]
cli = "eve"
"""


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "people.toml").write_text(PEOPLE)
    monkeypatch.setenv("PEOPLE_FILE", str(tmp_path / "people.toml"))


async def shown_by(log: list[Any]) -> set[str]:
    """Return which channels show the last event of a log."""
    channels = {name: Shown(receipts=True) for name in ("poll", "slack", "email")}
    thread = make_thread(*log)
    receipt = (await Routing(channels).notify(thread, thread.events[-1])).receipt
    sent = {name for name, channel in channels.items() if channel.sent}
    assert set(receipt) == sent
    return sent


@pytest.mark.parametrize(
    ("home", "audience", "names"),
    [
        ("poll:", ["anyone"], {"poll"}),
        ("poll:", ["bob", "ana"], {"poll"}),  # ana started it, and follows it
        ("poll:", ["bob"], {"email"}),
        ("slack:C1", ["bob"], {"slack"}),
        ("poll:", ["bob", "slack:U9"], {"email", "slack"}),
        ("slack:C1", ["eve"], {"slack"}),
        ("poll:", ["eve", "nobody"], {"poll"}),
    ],
)
async def test_a_wait_is_shown_where_the_thread_came_from_unless_others_are_asked(
    home: str, audience: list[str], names: set[str]
) -> None:
    assert await shown_by([make_message(reply_to=home), make_pause("limit", *audience)]) == names


async def test_a_channel_is_told_of_those_whom_it_reaches() -> None:
    slack, email = Shown(), Shown()
    asked = ["ana", "bob", "slack:U9"]
    thread = make_thread(make_message(actor="cron:nightly"), make_pause("limit", *asked))
    await Routing({"slack": slack, "email": email}).notify(thread, thread.events[-1])
    assert slack.sent[0].data["audience"] == ["ana", "slack:U9"]
    assert email.sent[0].data["audience"] == ["bob"]
    assert thread.events[-1].data["audience"] == asked


async def test_the_end_is_shown_where_the_thread_came_from() -> None:
    log = [
        make_message(reply_to="slack:C1"),
        make_step("done"),
        make_event("finished", message="bye"),
    ]
    assert await shown_by(log) == {"slack"}


async def test_what_closes_a_wait_is_shown_where_the_wait_was() -> None:
    receipt = {"receipt": {"email": {"id": "<1@x>"}}}
    log = [
        make_message(),
        make_pause("limit", "bob"),
        make_delivery(2, **receipt),
        make_answer(2, "stop", "bob"),
    ]
    thread = make_thread(*log)
    assert find_wait(thread, thread.events[-1]).seq == 2
    assert find_receipts(thread, thread.events[-1]) == {"email": [{"id": "<1@x>"}]}
    assert await shown_by(log) == {"email"}
    answered_meanwhile = make_thread(*log[:2], log[3], log[2])
    assert find_receipts(answered_meanwhile, answered_meanwhile.event(3)) == {
        "email": [{"id": "<1@x>"}]
    }


async def test_a_channel_that_is_not_here_is_named() -> None:
    thread = make_thread(
        make_message(reply_to="slack:C1"), make_step("done"), make_event("finished", message="bye")
    )
    delivery = await Routing({}).notify(thread, thread.events[-1])
    assert "no channel 'slack' here" in str(delivery.problem)


@pytest.mark.parametrize("dead", ["slack", "email"])
async def test_a_channel_that_is_away_keeps_no_other_from_telling(dead: str) -> None:
    channels = {
        name: Shown(fails=lambda _, name=name: name == dead, receipts=True)  # type: ignore[misc]
        for name in ("slack", "email")
    }
    thread = make_thread(make_message(actor="cron:nightly"), make_pause("limit", "ana", "bob"))
    delivery = await Routing(channels).notify(thread, thread.events[-1])
    (alive,) = {"slack", "email"} - {dead}
    assert len(channels[alive].sent) == 1
    assert delivery.receipt == {alive: {"shown": 2}}
    assert isinstance(delivery.problem, Unavailable)


async def test_a_notice_goes_to_those_who_are_to_read_it() -> None:
    slack, email = Shown(), Shown()
    thread = make_thread(make_message(actor="cron:nightly"), make_step("done"))
    notice = make_event("notice", text="a is away", audience=["ana", "bob"])
    await Routing({"slack": slack, "email": email}).notify(thread, notice)
    assert [event.data["audience"] for event in slack.sent + email.sent] == [["ana"], ["bob"]]

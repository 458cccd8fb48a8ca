"""Forms in Slack: what people fill in."""

import pytest
from aiohttp import web

from agent.engine.log.events import make_event
from agent.engine.slack.forms import build_form

from ..domain import World, list_types, make_pause
from .office import Open, read_blocks, store_waiting
from .rules import find_view_faults

CHARGE = {"intent": "charge", "amount": 500}
DONE = {"intent": "done", "message": "all done"}


async def test_the_agent_reads_the_reason_of_a_rejection(open_office: Open) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Reject…", shown)
    (view,) = office.slack.views
    assert await office.fill_in("U1", view, **{"Why? The agent reads it.": "too <much>"}) == {}
    (answer,) = [e for e in (await office.settle(thread.id)).events if e.type == "resumed"]
    assert (answer.data["verdict"], answer.data["text"]) == ("reject", "too <much>")
    assert "too &lt;much&gt;" in read_blocks(shown)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("70", ""),
        ("lots", "not JSON"),
        ('"lots"', "not valid"),
        ("", "not JSON"),
        ("[1]", "not valid"),
    ],
)
async def test_edited_arguments_are_checked_and_run_once(
    typed: str, problem: str, open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Edit…", shown)
    (view,) = office.slack.views
    labels = [block["label"]["text"] for block in view["blocks"] if block["type"] == "input"]
    assert labels == ["amount"]  # the form cannot change the tool
    errors = await office.fill_in("U1", view, amount=typed)
    status = (await office.ports.store.load(thread.id)).state.status
    await office.settle(thread.id)
    if problem:
        (error,) = errors.values()
        assert problem in error
        assert status == "waiting:approval"
        assert world.effects("charge") == []
    else:
        assert errors == {}
        assert world.effects("charge") == ["70"]
        assert "Edited and approved by <@U1>" in read_blocks(shown)


async def test_a_late_form_says_who_was_faster(open_office: Open) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Edit…", dict(shown))
    await office.press("U1", "Approve", dict(shown))
    (error,) = (await office.fill_in("U1", office.slack.views[0], amount="7")).values()
    assert error == "already closed: approve by ana"
    assert "Approved by <@U1>" in read_blocks(shown)
    assert list_types(await office.settle(thread.id)).count("resumed") == 1


async def test_a_form_counts_for_whoever_submits_it(open_office: Open) -> None:
    office = open_office(CHARGE)
    await office.mention()
    await office.press("U1", "Edit…", office.slack.ours("C1")[0])
    (error,) = (await office.fill_in("U2", office.slack.views[0], amount="7")).values()
    assert error == "bob is not asked; ana may answer"


LONG = {"intent": "x", "text": "a" * 3001, "nested": {"a": [1, None]}, "note": "", "old": True}


async def test_arguments_too_long_for_a_form_are_kept(open_office: Open) -> None:
    office = open_office()
    shown = await store_waiting(
        office, make_event("step", call=LONG), make_pause("approval", call=LONG)
    )
    await office.press("U1", "Edit…", shown)
    (view,) = office.slack.views
    fields = {b["label"]["text"]: b["element"] for b in view["blocks"] if b["type"] == "input"}
    assert fields.keys() == {"nested", "note", "old"}
    assert fields["nested"]["initial_value"] == '{"a": [1, null]}'
    assert "text cannot be edited here and stays as it is" in read_blocks(view)
    # This agent has no such tool; the refusal shows that the call was put back together.
    (error,) = (await office.fill_in("U1", view, nested="{}")).values()
    assert "not valid" in error


def test_a_form_has_no_more_fields_than_slack_accepts() -> None:
    call = {"intent": "x", **{f"a{number}": number for number in range(150)}}
    view = build_form(make_pause("approval", call=call), "edit", {})
    assert find_view_faults(view) == []
    assert "a90 cannot be edited here" in read_blocks(view)


async def test_a_form_without_fields_explains_a_refusal_in_a_message(open_office: Open) -> None:
    office = open_office()
    long = {"intent": "x", "text": "a" * 3001}
    shown = await store_waiting(
        office, make_event("step", call=long), make_pause("approval", call=long)
    )
    await office.press("U1", "Edit…", shown)
    assert await office.fill_in("U1", office.slack.views[0]) == {}
    assert "not valid" in office.slack.whispers[0]["text"]


async def test_a_form_that_slack_does_not_open_is_logged(
    open_office: Open, caplog: pytest.LogCaptureFixture
) -> None:
    office = open_office(CHARGE)
    await office.mention()
    expired = web.json_response({"ok": False, "error": "expired_trigger_id"})
    office.slack.answers_next["views.open"] = [expired]
    assert (await office.press("U1", "Edit…", office.slack.ours("C1")[0])).status_code == 200
    assert "expired_trigger_id" in caplog.text

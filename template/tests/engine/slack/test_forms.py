"""Forms in Slack: what people fill in."""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from aiohttp import web
from pydantic import Field, StringConstraints

from agent.engine.llms.output import JsonSteps
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Run
from agent.engine.loop.api import Preview
from agent.engine.loop.steps import Step
from agent.engine.slack.calls import write_call_code
from agent.engine.slack.forms import build_form, build_preview, place_problem

from ..domain import World, list_types, make_pause
from .office import Open, read_blocks
from .reading import find_code, read_call_back
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
        ("lots", "not JSON"),
        ("[" * 3_000, "not JSON"),
        ('"lots"', "not valid"),
        ("", "not JSON"),
        ("[1]", "not valid"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_at_their_field(
    typed: str, problem: str, open_office: Open, world: World
) -> None:
    office = open_office(CHARGE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Edit…", shown)
    (view,) = office.slack.views
    labels = [block["label"]["text"] for block in view["blocks"] if block["type"] == "input"]
    assert labels == ["amount"]  # the form cannot change the tool
    (error,) = (await office.fill_in("U1", view, amount=typed)).values()
    assert problem in error
    assert (await office.settle(thread.id)).state.status == "waiting:approval"
    assert world.effects("charge") == []


async def test_an_edit_is_recorded_once_its_final_form_was_approved(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    view = await office.edit("U1", shown, amount="70")
    assert view["submit"]["text"] == "Approve and run"
    assert find_code(view["blocks"]) == ["```charge\n→ amount: 70```"]
    assert "Lines with → are changed." in read_blocks(view)
    assert (await office.settle(thread.id)).state.status == "waiting:approval"
    assert await office.fill_in("U1", view) == {}
    (answer,) = [e for e in (await office.settle(thread.id)).events if e.type == "resumed"]
    assert (answer.actor, answer.data["call"]) == ("ana", CHARGE | {"amount": 70})
    assert world.effects("charge") == ["70"]
    assert "Edited and approved by <@U1>" in read_blocks(shown)
    assert "```charge\\n→ amount: 70```" in read_blocks(shown)


async def test_an_edit_without_a_change_says_so(open_office: Open) -> None:
    office = open_office(CHARGE)
    await office.mention()
    view = await office.edit("U1", office.slack.ours("C1")[0])
    assert find_code(view["blocks"]) == ["```charge\n  amount: 500```"]
    assert "Nothing is changed." in read_blocks(view)


class Pay(Step):
    intent: Literal["pay"]
    amount: Decimal
    sender: str = Field(alias="from")
    memo: Annotated[str, StringConstraints(strip_whitespace=True)]


async def test_the_final_form_is_the_call_as_it_is_kept(open_office: Open, world: World) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        return Run(lambda step, call: "paid", approvers=("owner",))

    pay = {"intent": "pay", "amount": "1.50", "from": "a", "memo": "b"}
    office = open_office(pay, steps=JsonSteps(Pay), decide=decide)
    thread = await office.mention()
    typed = {"amount": "350.00", "from": "a<b>`", "memo": " thanks\n  amount: 5 "}
    view = await office.edit("U1", office.slack.ours("C1")[0], **typed)
    (code,) = find_code(view["blocks"])
    final = {**pay, "amount": "350.00", "from": "a<b>`", "memo": "thanks\n  amount: 5"}
    assert read_call_back(code) == final
    await office.fill_in("U1", view)
    thread = await office.ports.store.load(thread.id)
    assert thread.events[-1].data["call"] == final


async def test_an_edit_too_long_to_be_shown_is_not_offered_and_nothing_typed_is_lost(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        return Run(lambda step, call: "put", approvers=("owner",))

    monkeypatch.setenv("PUBLIC_URL", "https://a.example")
    office = open_office({"intent": "put", "value": "x"}, decide=decide)
    thread = await office.mention()
    await office.press("U1", "Edit…", office.slack.ours("C1")[0])
    typed = "y" * 2_999
    assert await office.fill_in("U1", office.slack.views[0], value=typed) == {}
    view = office.slack.views[-1]
    assert view["submit"]["text"] == "Show the edited call"
    assert "The call is 3,012 characters long" in read_blocks(view)
    assert f"<https://a.example/waits/{thread.id}/" in read_blocks(view)
    (field,) = [block["element"] for block in view["blocks"] if block["type"] == "input"]
    assert field["initial_value"] == typed
    assert await office.fill_in("U1", view, value="short") == {}
    assert read_call_back(find_code(office.slack.views[-1]["blocks"])[0])["value"] == "short"
    assert (await office.settle(thread.id)).state.status == "waiting:approval"


async def test_an_edit_that_a_view_cannot_carry_is_not_offered() -> None:
    wait = make_pause("approval", call={"intent": "x", "a": ""})
    for size, fits in ((2_500, True), (2_900, False)):
        preview = Preview({"intent": "x", "a": "a" * size}, "d" * 32)
        assert write_call_code(preview.call)
        assert (build_preview(wait, preview, {"thread": "t" * 300}) is not None) == fits


async def test_a_late_form_says_who_was_faster(open_office: Open) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    await office.press("U1", "Edit…", dict(shown))
    await office.press("U1", "Approve and run", dict(shown))
    (error,) = (await office.fill_in("U1", office.slack.views[0], amount="7")).values()
    assert error == "already closed: approve by ana"
    assert "Approved by <@U1>" in read_blocks(shown)
    assert list_types(await office.settle(thread.id)).count("resumed") == 1


async def test_a_final_form_approved_too_late_says_who_was_faster(
    open_office: Open, world: World
) -> None:
    office = open_office(CHARGE, DONE)
    thread = await office.mention()
    shown = dict(office.slack.ours("C1")[0])
    view = await office.edit("U1", shown, amount="70")
    await office.press("U1", "Approve and run", shown)
    assert await office.fill_in("U1", view) == {}
    notice = office.slack.views[-1]
    assert notice["title"]["text"] == "Nothing changed"
    assert "Nothing changed: the request is closed already. *Approved by <@U1>*" in read_blocks(
        notice
    )
    await office.settle(thread.id)
    assert world.effects("charge") == ["500"]


@pytest.mark.parametrize("step", ["form", "final form"])
async def test_a_form_counts_for_whoever_submits_it(step: str, open_office: Open) -> None:
    office = open_office(CHARGE)
    thread = await office.mention()
    (shown,) = office.slack.ours("C1")
    if step == "form":
        await office.press("U1", "Edit…", shown)
        (error,) = (await office.fill_in("U2", office.slack.views[0], amount="7")).values()
        assert error == "bob is not asked; ana may answer"
    else:
        view = await office.edit("U1", shown, amount="70")
        assert await office.fill_in("U2", view) == {}
        assert "bob is not asked; ana may answer" in read_blocks(office.slack.views[-1])
    assert (await office.settle(thread.id)).state.status == "waiting:approval"


async def test_a_final_form_with_another_call_than_its_digest_is_refused(
    open_office: Open,
) -> None:
    office = open_office(CHARGE)
    thread = await office.mention()
    view = await office.edit("U1", office.slack.ours("C1")[0], amount="70")
    origin = json.loads(view["private_metadata"])
    forged = json.dumps(origin | {"call": CHARGE | {"amount": 7}})
    await office.fill_in("U1", view | {"private_metadata": forged})
    assert "not the call you were shown" in read_blocks(office.slack.views[-1])
    assert (await office.settle(thread.id)).state.status == "waiting:approval"


def test_a_refusal_stands_at_the_field_that_it_is_about() -> None:
    call = {"intent": "x", "a": 1, "amount": 2}
    values: dict[str, Any] = {"argument_1": {}, "argument_2": {}}
    assert place_problem("not valid: x.amount: too big", call, values) == {
        "argument_2": "not valid: x.amount: too big"
    }
    assert [*place_problem("the wait is closed", call, values)] == ["argument_1"]
    assert len(place_problem("a: " + "&" * 900, call, values)["argument_1"]) == 250


def test_fields_have_the_values_and_names_of_the_call() -> None:
    call = {"intent": "x", "nested": {"a": [1, None]}, "note": "", "a: 5\n": True}
    view = build_form(make_pause("approval", call=call), "edit", {})
    assert find_view_faults(view) == []
    fields = {b["label"]["text"]: b["element"] for b in view["blocks"] if b["type"] == "input"}
    assert [*fields] == ["nested", "note", r'"a: 5\n"']
    assert fields["nested"]["initial_value"] == '{"a": [1, null]}'
    assert "initial_value" not in fields["note"]


def test_a_form_has_no_more_fields_than_slack_accepts() -> None:
    call = {"intent": "x", **{f"a{number}": number for number in range(150)}}
    view = build_form(make_pause("approval", call=call), "edit", {})
    assert find_view_faults(view) == []
    assert "a90 cannot be edited here" in read_blocks(view)


async def test_a_form_that_slack_does_not_open_is_logged(
    open_office: Open, caplog: pytest.LogCaptureFixture
) -> None:
    office = open_office(CHARGE)
    await office.mention()
    expired = web.json_response({"ok": False, "error": "expired_trigger_id"})
    office.slack.answers_next["views.open"] = [expired]
    assert (await office.press("U1", "Edit…", office.slack.ours("C1")[0])).status_code == 200
    assert "expired_trigger_id" in caplog.text

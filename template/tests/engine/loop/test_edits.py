"""An edit runs as it was shown, however a person spells its values."""

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    Field,
    HttpUrl,
    PlainSerializer,
    RootModel,
    SecretStr,
    StringConstraints,
)

from agent.engine import Action, Call, Finish, Run, Step, Thread
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import InvalidStep, Refused
from agent.engine.log.events import CallJson, compute_digest
from agent.engine.loop.api import Preview, preview_edit, resume
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Done,
    Says,
    World,
    advance,
    build_ports,
    make_message,
    make_pause,
    make_result,
    make_step,
    make_thread,
    rebind,
    store_thread,
)


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Order(Step):
    """Order something."""

    intent: Literal["order"]
    sender: str = Field(default="ana", alias="from")
    url: HttpUrl | None = None
    price: Decimal = Decimal("1.50")
    ratio: float = 0.5
    number: UUID | None = None
    at: datetime | None = None
    day: date | None = None
    clock: time | None = None
    within: timedelta | None = None
    tags: set[str] = Field(default_factory=set)
    name: Annotated[str, StringConstraints(strip_whitespace=True)] = "soup"
    size: Size = Size.SMALL
    note: str | None = None


class Newer(Order):
    """The same step, when its shape has grown."""

    colour: str = "red"


UUID_TEXT = "0F8FAD5B-D9CB-469F-A165-70867728950E"

SPELLINGS: list[tuple[str, Any, Any]] = [
    ("url", "https://b.example", "https://b.example/"),
    ("price", 350, "350"),
    ("price", "350.00", "350.00"),
    ("price", 3.5, "3.5"),
    ("ratio", 2, 2.0),
    ("number", UUID_TEXT, UUID_TEXT.lower()),
    ("at", "2026-03-01T09:00:00+00:00", "2026-03-01T09:00:00Z"),
    ("at", "2026-03-01 09:00", "2026-03-01T09:00:00"),
    ("day", "2026-03-01", "2026-03-01"),
    ("clock", "11:30", "11:30:00"),
    ("within", "PT90M", "PT1H30M"),
    ("tags", ["b", "a", "b"], ["a", "b"]),
    ("name", "  leek ", "leek"),
    ("size", "large", "large"),
    ("note", None, None),
    ("from", "bob", "bob"),
]
"""The argument, what a person types, and what runs."""

ORDER = JsonSteps(Order | Done)
CALL: CallJson = ORDER.read('{"next_step": {"intent": "order", "note": "hurry"}}')
DIGEST = compute_digest(CALL)


class Shop:
    """Takes orders, each of which somebody has to approve."""

    def __init__(self, store: MemoryStore, world: World) -> None:
        self.orders: list[Order] = []
        self.approvers: tuple[str, ...] = ("ana",)
        bye = {"intent": "done", "message": "bye"}
        self.ports = build_ports(store, Says(bye), world, steps=ORDER, decide=self.decide)

    def decide(self, step: Any, thread: Thread) -> Action:
        return (
            Finish("bye") if isinstance(step, Done) else Run(self.order, approvers=self.approvers)
        )

    def order(self, step: Order, call: Call) -> str:
        self.orders.append(step)
        return "ordered"


@pytest.fixture
def shop(store: MemoryStore, world: World) -> Shop:
    return Shop(store, world)


async def ask(ports: Ports, call: CallJson = CALL) -> int:
    """Store a thread in which the approval of a call is asked for, and return the wait."""
    await store_thread(
        ports.store, make_message(), make_step(**call), make_pause("approval", "ana", call=call)
    )
    return 3


async def preview(ports: Ports, call: CallJson) -> Preview:
    return await preview_edit(ports, "t", 3, call, actor="ana")


@pytest.mark.parametrize(("name", "typed", "runs"), SPELLINGS, ids=lambda value: str(value)[:20])
async def test_an_edit_is_shown_and_kept_and_run_in_its_final_form(
    name: str, typed: Any, runs: Any, shop: Shop
) -> None:
    wait = await ask(shop.ports)
    shown = await preview(shop.ports, CALL | {name: typed})
    assert shown.call == CALL | {name: runs}
    thread = await resume(
        shop.ports, "t", wait, "edit", actor="ana", call=CALL | {name: typed}, digest=shown.digest
    )
    assert thread.events[-1].data["call"] == shown.call
    thread = await advance(shop.ports, thread)
    assert thread.state.status == "finished"
    assert [ORDER.write(order) for order in shop.orders] == [shown.call]


@pytest.mark.parametrize("approvers", [(), ("anyone",)])
async def test_an_edit_goes_to_a_call_that_needs_no_approval_or_anyone_s(
    approvers: tuple[str, ...], shop: Shop
) -> None:
    shop.approvers = approvers
    await ask(shop.ports)
    assert (await preview(shop.ports, CALL)).call == CALL


async def test_what_an_edit_leaves_out_is_what_the_shape_says(shop: Shop) -> None:
    await ask(shop.ports)
    assert (await preview(shop.ports, {"name": "leek"})).call == {
        **CALL,
        "name": "leek",
        "note": None,
    }


async def test_a_set_is_written_in_one_order_whatever_was_typed(shop: Shop) -> None:
    await ask(shop.ports)
    one, other = [*map(str, range(40))], [*map(str, reversed(range(40)))]
    shown = [await preview(shop.ports, {**CALL, "tags": tags}) for tags in (one, other)]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({**CALL, "price": "much"}, "order.price"),
        ({**CALL, "sender": "bob"}, "sender"),
        ({**CALL, "more": 1}, "more"),
        ({**CALL, "intent": "done"}, "nothing else"),
        (None, "nothing else"),
        ({**CALL, "name": "x" * 200_000}, "too long"),
    ],
)
async def test_an_edit_that_does_not_fit_is_refused_and_says_why(
    call: CallJson | None, why: str, shop: Shop
) -> None:
    wait = await ask(shop.ports)
    with pytest.raises(Refused, match=why):
        await preview_edit(shop.ports, "t", wait, call, actor="ana")
    with pytest.raises(Refused, match=why):
        await resume(shop.ports, "t", wait, "edit", actor="ana", call=call, digest=DIGEST)


async def test_an_edit_is_bound_to_the_call_that_was_shown(shop: Shop) -> None:
    wait = await ask(shop.ports)
    shown = await preview(shop.ports, {**CALL, "price": 5})
    with pytest.raises(Refused, match="not the call you were shown"):
        await resume(
            shop.ports, "t", wait, "edit", actor="ana", call=CALL | {"price": 50_000},
            digest=shown.digest,
        )  # fmt: skip


async def test_a_preview_records_nothing_and_is_for_those_who_are_asked(shop: Shop) -> None:
    wait = await ask(shop.ports)
    with pytest.raises(Refused, match="bob is not asked"):
        await preview_edit(shop.ports, "t", wait, CALL, actor="bob")
    await preview(shop.ports, CALL)
    assert (await shop.ports.store.load("t")).state.version == wait


async def test_an_approval_outlives_a_shape_that_gains_an_optional_field(shop: Shop) -> None:
    wait = await ask(shop.ports)
    ports = rebind(shop.ports, steps=JsonSteps(Newer | Done))
    thread = await resume(ports, "t", wait, "approve", actor="ana", digest=DIGEST)
    assert (await advance(ports, thread)).state.status == "finished"
    assert [type(order) for order in shop.orders] == [Newer]


@pytest.mark.parametrize(
    ("stored", "now"),
    [({"url": "https://b.example"}, "https://b.example/"), ({"name": " leek "}, "leek")],
)
async def test_a_call_that_would_run_with_another_value_is_asked_about_again(
    stored: CallJson, now: str, shop: Shop
) -> None:
    """Such as one that was recorded before its field got a rule that changes the value."""
    call, (name,) = CALL | stored, stored
    wait = await ask(shop.ports, call)
    thread = await resume(
        shop.ports, "t", wait, "approve", actor="ana", digest=compute_digest(call)
    )
    thread = await advance(shop.ports, thread)
    again = thread.state.wait
    assert again is not None
    assert again.data["call"] == call | {name: now}
    assert shop.orders == []
    thread = await resume(
        shop.ports, "t", again.seq, "approve", actor="ana", digest=again.data["digest"]
    )
    assert (await advance(shop.ports, thread)).state.status == "finished"
    assert [ORDER.write(order)[name] for order in shop.orders] == [now]


async def test_a_stored_call_that_no_longer_fits_goes_back_to_the_model_with_the_reason(
    shop: Shop,
) -> None:
    call = {**CALL, "gone": 1}
    wait = await ask(shop.ports, call)
    thread = await resume(
        shop.ports, "t", wait, "approve", actor="ana", digest=compute_digest(call)
    )
    thread = await advance(shop.ports, thread)
    failed = next(past for past in thread.events if past.type == "tool_failed")
    assert "gone" in failed.data["error"]
    assert shop.orders == []


def test_results_are_read_by_alias_and_meaning() -> None:
    call = {**CALL, "from": "bob", "at": "2026-03-01 09:00"}
    thread = make_thread(make_message(), make_step(**call), make_result(2))
    (result,) = thread.results(Order)
    assert (result.step.sender, result.step.at) == ("bob", datetime(2026, 3, 1, 9))


def test_a_shape_whose_value_changes_each_time_it_is_read_is_refused() -> None:
    class Growing(Step):
        intent: Literal["grow"]
        name: Annotated[str, AfterValidator(lambda text: text + "!")]

    with pytest.raises(InvalidStep, match="not the same when"):
        JsonSteps(Growing).read('{"next_step": {"intent": "grow", "name": "a"}}')


class Secret(Step):
    intent: Literal["secret"]
    word: SecretStr


class Hidden(Step):
    intent: Literal["hidden"]
    note: str = Field("none", exclude=True)


class Listed(Step):
    intent: Literal["listed"]
    names: Annotated[list[str], PlainSerializer(",".join)]


class Rate(Step):
    intent: Literal["rate"]
    currency: Annotated[str, AfterValidator(lambda name: {"EUR": "eur", "eur": "eur"}[name])]


@pytest.mark.parametrize(
    ("shape", "call"),
    [
        (Secret, {"intent": "secret", "word": "hunter2"}),
        (Hidden, {"intent": "hidden", "note": "pay twice"}),
        (Listed, {"intent": "listed", "names": ["a", "b"]}),
        (Rate, {"intent": "rate", "currency": "USD"}),
    ],
)
def test_a_value_that_would_be_lost_or_fails_is_refused_and_never_runs(
    shape: Any, call: CallJson
) -> None:
    steps = JsonSteps(shape)
    with pytest.raises(InvalidStep):
        steps.read(json.dumps({"next_step": call}))
    with pytest.raises(InvalidStep):
        steps.validate(call)


@dataclass
class Box:
    names: set[str]


class Names(RootModel[dict[str, set[str]]]):
    pass


class Nested(Step):
    intent: Literal["nested"]
    box: Box
    names: Names
    both: set[frozenset[str]]


def test_sets_are_in_one_order_wherever_they_are() -> None:
    words = [*map(str, range(20))]
    call = {"intent": "nested", "box": {"names": words}, "names": {"x": words}, "both": [words]}
    steps = JsonSteps(Nested)
    written = steps.read(json.dumps({"next_step": call}))
    ordered = sorted(words)
    assert written == {
        "intent": "nested", "box": {"names": ordered}, "names": {"x": ordered}, "both": [ordered],
    }  # fmt: skip


def test_true_is_another_call_than_one() -> None:
    class Count(Step):
        intent: Literal["count"]
        number: int | bool

    replies = [{"next_step": {"intent": "count", "number": number}} for number in (1, True)]
    with pytest.raises(InvalidStep, match="more than one step"):
        JsonSteps(Count).read("\n".join(map(json.dumps, replies)))


async def test_an_edit_cannot_go_to_those_it_would_only_escalate_to(shop: Shop) -> None:
    def decide(step: Any, thread: Thread) -> Action:
        if isinstance(step, Done):
            return Finish("bye")
        who = ("boss",) if step.price > 100 else ("ana",)
        return Run(shop.order, approvers=who, escalate=("ana",), expires_s=60)

    ports = rebind(shop.ports, decide=decide)
    await ask(ports)
    with pytest.raises(Refused, match="needs the approval of boss"):
        await preview(ports, CALL | {"price": 50_000})


async def test_an_edit_that_breaks_the_policy_is_refused_with_the_reason(shop: Shop) -> None:
    ports = rebind(shop.ports, decide=lambda step, thread: {}[step.name])
    await ask(ports)
    with pytest.raises(Refused, match="KeyError"):
        await preview(ports, CALL)

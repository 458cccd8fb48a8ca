"""The loop: think, deliver, escalate, and what happens when somebody is faster."""

import json
import re
from typing import Any

import pytest

from agent.engine.context.window import Prompt, Prompts
from agent.engine.log.errors import Conflict, Misconfigured, ToolError, Unavailable
from agent.engine.log.events import MAX_TEXT, CallJson, Event, make_event
from agent.engine.log.state import Limits
from agent.engine.log.thread import Thread
from agent.engine.loop.advance import MAX_DELIVERIES, escalate
from agent.engine.loop.api import append_message, cancel, launch, resume
from agent.engine.loop.compaction import render_next_prompt
from agent.engine.loop.ports import Delivery, Reply
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Says,
    Shown,
    World,
    advance,
    build_ports,
    list_types,
    make_failure,
    make_message,
    make_result,
    make_start,
    make_step,
    rebind,
    store_thread,
)

DONE = {"intent": "done", "message": "bye"}
LOOK = {"intent": "look", "at": "x"}
ASK = {"intent": "ask_person", "question": "which?"}
RISKY: CallJson = {"intent": "charge", "amount": 500}


async def test_it_goes_on_until_there_is_nothing_to_do_but_wait(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(LOOK, DONE), world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert list_types(thread)[1:] == [
        "step",
        "tool_started",
        "tool_finished",
        "step",
        "finished",
        "delivered",
    ]
    assert await advance(ports, thread) == thread


async def test_a_step_and_what_it_comes_to_are_one_append(world: World) -> None:
    class Noting(MemoryStore):
        appended: list[list[str]]

        async def append(self, thread: Thread, *events: Event) -> Thread:
            self.appended.append([each.type for each in events])
            return await super().append(thread, *events)

    store = Noting()
    store.appended = []
    ports = build_ports(store, Says(LOOK, DONE), world)
    await advance(ports, await store_thread(store, make_message()))
    steps = [["step", "tool_started"], ["tool_finished"], ["step", "finished"]]
    assert store.appended == [["message"], *steps, ["delivered"]]


async def test_what_it_returns_is_what_is_stored(store: MemoryStore, world: World) -> None:
    thread = await advance(
        build_ports(store, Says(LOOK, ASK), world), await store_thread(store, make_message())
    )
    assert await store.load("t") == thread


async def test_each_step_records_what_it_cost_who_said_it_and_under_which_prompt(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, model := Says(DONE), world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.event(2).data == {
        "call": DONE,
        "tokens": {"input": 10, "output": 5},
        "model": "says",
        "prompt_sha": model.prompts[0].sha,
    }


async def test_a_step_records_how_it_was_asked_for(store: MemoryStore, world: World) -> None:
    reply = Reply(json.dumps({"next_step": DONE}), {}, format="json_object: no schema")
    ports = build_ports(store, Says(reply), world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.event(2).data["format"] == "json_object: no schema"


CUSTOMERS = Prompts("You serve {customer}.", "What next?")


async def test_the_system_prompt_is_filled_in_once_for_a_thread(
    store: MemoryStore, world: World
) -> None:
    asked: list[str] = []

    def variables(thread: Thread) -> dict[str, Any]:
        asked.append(thread.owner)
        return {"customer": f"{thread.owner} no. {len(asked)}\u200b"}

    model = Says(LOOK, DONE, DONE)
    ports = build_ports(store, model, world, prompts=CUSTOMERS, variables=variables)
    thread = await advance(ports, await store_thread(store, make_message()))
    await launch(ports, "t", "and now?", actor="ana", delivery="2", source="user")
    thread = await advance(ports, await store.load("t"))
    assert {prompt.system for prompt in model.prompts} == {"You serve ana no. 1\\u200b."}
    assert asked == ["ana"]
    assert thread.event(2).data["variables"] == {"customer": "ana no. 1\\u200b"}
    assert (thread.event(2).actor, thread.event(2).data["source"]) == ("system", "prefetch")
    hashes = {each.data["prompt_sha"] for each in thread.events if each.type == "step"}
    assert hashes == {model.prompts[0].sha}
    assert render_next_prompt(ports.default, thread).system == model.prompts[0].system


async def test_a_thread_that_began_without_variables_gets_them(
    store: MemoryStore, world: World
) -> None:
    model = Says(DONE)
    changes: dict[str, Any] = {"prompts": CUSTOMERS, "variables": lambda thread: {"customer": 7}}
    ports = build_ports(store, model, world, prefetch=lambda thread: {"tags": ["v1"]}, **changes)
    began = [make_message(), make_step("look", at="x"), make_start(2), make_result(2)]
    await advance(ports, await store_thread(store, *began))
    assert model.prompts[0].system == "You serve 7."


async def test_no_variables_are_asked_for_once_as_well(store: MemoryStore, world: World) -> None:
    ports = build_ports(store, Says(LOOK, DONE), world, variables=lambda thread: {})
    thread = await advance(ports, await store_thread(store, make_message()))
    assert list_types(thread).count("message") == 2


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ({"custmer": "x"}, "system.md of the agent 'test' has no {custmer}"),
        (["x"], "it returned ['x'], not values by name"),
        (KeyError("gone"), "KeyError: 'gone'"),
    ],
    ids=["an unknown name", "no mapping", "an error"],
)
async def test_a_prompt_that_cannot_be_filled_in_is_a_problem_and_not_sent(
    returned: Any, problem: str, store: MemoryStore, world: World
) -> None:
    def variables(thread: Thread) -> Any:
        if isinstance(returned, Exception):
            raise returned
        return returned

    model = Says(DONE)
    ports = build_ports(store, model, world, prompts=CUSTOMERS, variables=variables)
    with pytest.raises(Misconfigured, match=re.escape(problem)):
        await advance(ports, await store_thread(store, make_message()))
    assert model.prompts == []


async def test_a_paused_thread_goes_on_under_the_prompt_of_the_day(
    store: MemoryStore, world: World
) -> None:
    model = Says(ASK, DONE)
    ports = build_ports(store, model, world)
    asked = await advance(ports, await store_thread(store, make_message()))
    today = rebind(ports, prompts=Prompts("You are new.", "And now?"))
    await resume(today, "t", 3, "answer", actor="ana", text="this one")
    thread = await advance(today, await store.load("t"))
    assert (model.prompts[1].system, model.prompts[1].ask) == ("You are new.", "And now?")
    assert model.prompts[1].blocks[:2] == (*model.prompts[0].blocks, model.prompts[1].blocks[1])
    hashes = [each.data["prompt_sha"] for each in thread.events if each.type == "step"]
    assert hashes == [prompt.sha for prompt in model.prompts]
    assert len(set(hashes)) == 2
    assert asked.state.status == "waiting:question"


# Limits.


@pytest.mark.parametrize(
    "nonsense",
    [
        "I do not know.",
        '{"next_step": {"intent": "fly"}}',
        '{"next_step": {"intent": "charge", "amount": "a lot"}}',
        '{"next_step": {"intent": "charge", "amount": 1',
        Reply('{"next_step": {"intent": "done", "message": "x"}}', {}, stop="truncated"),
        Reply('{"next_step": {"intent": "done", "message": "x"}}', {}, stop="refused"),
    ],
)
async def test_three_invalid_outputs_in_a_row_are_three_events_and_then_a_question(
    nonsense: str | Reply, store: MemoryStore, world: World
) -> None:
    model = Says(nonsense, nonsense, nonsense, DONE)
    ports = build_ports(store, model, world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert list_types(thread)[1:] == [*["invalid_step"] * 3, "paused", "delivered"]
    assert thread.state.status == "waiting:limit"
    assert "3 errors in a row" in thread.event(5).data["text"]
    assert all("invalid_step" in block for block in model.prompts[-1].blocks[1:])
    await resume(ports, "t", 5, "continue", actor="ana")
    assert (await advance(ports, await store.load("t"))).state.status == "finished"


@pytest.mark.parametrize(
    "limits",
    [Limits(steps=4), Limits(tokens=60), Limits(errors=1)],
    ids=["steps", "tokens", "errors"],
)
async def test_a_loop_that_never_ends_is_put_to_a_person(
    limits: Limits, store: MemoryStore, world: World
) -> None:
    call = {"intent": "unhandled"} if limits.errors == 1 else LOOK
    model = Says(*[call] * 10)
    ports = build_ports(store, model, world, limits=limits)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.state.status == "waiting:limit"
    assert len(model.prompts) == (1 if limits.errors == 1 else 4)
    assert thread.state.wait is not None
    assert thread.state.wait.audience == ("ana",)


async def test_an_exhausted_budget_stays_so_whatever_a_machine_says(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(LOOK), world, limits=Limits(steps=1))
    await advance(ports, await store_thread(store, make_message()))
    await append_message(ports, "t", "ping", actor="hook:x", delivery="1", source="webhook")
    thread = await advance(ports, await store.load("t"))
    assert thread.state.status == "waiting:limit"


async def test_where_a_machine_started_the_thread_anyone_may_decide(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(), world, limits=Limits(steps=0))
    thread = await advance(ports, await store_thread(store, make_message(actor="cron:nightly")))
    assert thread.state.wait is not None
    assert thread.state.wait.audience == ("anyone",)


async def test_a_thread_whose_runners_died_is_put_to_a_person_with_the_reason(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(), world)
    asked = await escalate(ports, await store_thread(store, make_message()), "3 runs died")
    wait = asked.state.wait
    assert wait is not None
    assert (wait.text, wait.audience) == ("Go on? 3 runs died.", ("ana",))
    assert wait.data["limit"] == "crashes"


@pytest.mark.parametrize(
    ("events", "limits"),
    [
        (
            [make_step("look"), make_failure(2), make_step("look"), make_result(4)],
            Limits(steps=2),
        ),
        ([make_event("invalid_step", output="?")], Limits(errors=1)),
    ],
    ids=["it was overcome", "it has no words"],
)
async def test_a_limit_names_no_error_where_there_is_none(
    events: list[Event], limits: Limits, store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(), world, limits=limits)
    wait = (await advance(ports, await store_thread(store, make_message(), *events))).state.wait
    assert wait is not None
    assert "error" not in wait.data


@pytest.mark.parametrize(("size", "kind"), [(MAX_TEXT, "step"), (MAX_TEXT + 1, "invalid_step")])
async def test_a_reply_has_a_length_that_can_be_stored_and_costs_what_it_costs(
    size: int, kind: str, store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(json.dumps({"next_step": ASK}).ljust(size), ASK), world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.event(2).type == kind
    assert thread.event(2).tokens == {"input": 10, "output": 5}
    assert ("too long" in thread.event(2).data.get("error", "")) is (kind == "invalid_step")


# Somebody is faster.


async def test_a_message_that_comes_while_the_model_thinks_makes_it_think_again(
    store: MemoryStore, world: World
) -> None:
    async def overtaken() -> dict[str, Any]:
        await launch(ports, "t", "stop, not now", actor="ana", delivery="2", source="user")
        return RISKY

    model = Says(overtaken, DONE)
    ports = build_ports(store, model, world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert list_types(thread)[1:5] == ["message", "discarded", "step", "finished"]
    assert "stop, not now" in model.prompts[1].blocks[1]
    assert thread.event(3).data == {"tokens": {"input": 10, "output": 5}, "model": "says"}
    assert thread.state.tokens == 30
    assert world.effects("charge") == []


async def test_a_discarded_reply_is_charged_once_if_the_store_loses_its_answer(
    world: World,
) -> None:
    class Losing(MemoryStore):
        async def append(self, thread: Thread, *events: Event) -> Thread:
            grown = await super().append(thread, *events)
            if events[0].type == "discarded" and list_types(grown).count("discarded") == 1:
                raise Unavailable("it is stored, and the answer is lost")
            return grown

    async def overtaken() -> dict[str, Any]:
        await launch(ports, "t", "stop, not now", actor="ana", delivery="2", source="user")
        return RISKY

    store = Losing()
    ports = build_ports(store, Says(overtaken, DONE), world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert list_types(thread)[1:5] == ["message", "discarded", "step", "finished"]
    assert thread.state.tokens == 30


async def test_a_cancel_that_comes_while_the_model_thinks_is_the_end(
    store: MemoryStore, world: World
) -> None:
    async def overtaken() -> dict[str, Any]:
        await cancel(ports, "t", actor="ana", reason="enough")
        return {"intent": "charge", "amount": 5}

    ports = build_ports(store, Says(overtaken), world)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert list_types(thread)[1:] == ["cancelled", "discarded"]
    assert thread.state.status == "cancelled"
    assert world.effects("charge") == []


async def test_an_old_version_is_looked_at_again_before_anything_is_decided(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(ASK), world)
    old = await store_thread(store, make_message(), make_step(**RISKY))
    await launch(ports, "t", "do not", actor="ana", delivery="2", source="user")
    thread = await advance(ports, old)
    assert list_types(thread)[:4] == ["message", "step", "message", "step"]
    assert thread.state.status == "waiting:question"


async def test_the_model_is_told_that_a_call_it_chose_was_overtaken_and_never_ran(
    store: MemoryStore, world: World
) -> None:
    model = Says(DONE)
    ports = build_ports(store, model, world)
    await store_thread(
        store, make_message(), make_step(intent="charge", amount=5), make_message("wait")
    )
    await advance(ports, await store.load("t"))
    assert "not run" in "".join(model.prompts[0].blocks)


# The model is away.


async def test_a_model_that_is_away_costs_nothing_and_counts_as_no_error(
    store: MemoryStore, world: World
) -> None:
    before = await store_thread(store, make_message())
    ports = build_ports(store, Says(Unavailable("429", 30.0), DONE), world)
    with pytest.raises(Unavailable) as away:
        await advance(ports, before)
    assert away.value.retry_after_s == 30.0
    assert await store.load("t") == before
    assert (await advance(ports, before)).state.status == "finished"


# Prefetch.


async def test_facts_are_fetched_once_before_the_first_decision(
    store: MemoryStore, world: World
) -> None:
    asked: list[str] = []

    async def prefetch(thread: Thread) -> dict[str, Any]:
        asked.append(thread.last_message)
        return {"tags": ["v1"]}

    model = Says("what?", ASK, DONE)
    ports = build_ports(store, model, world, prefetch=prefetch)
    found = (await advance(ports, await store_thread(store, make_message("deploy")))).event(2)
    assert (found.actor, found.data) == (
        "system",
        {"source": "prefetch", "facts": {"tags": ["v1"]}},
    )
    await launch(ports, "t", "v1", actor="ana", delivery="2", source="user")
    await advance(ports, await store.load("t"))
    assert asked == ["deploy"]
    assert model.prompts[0].blocks[1] == "<tags>\n - v1\n</tags>"


async def test_nothing_is_fetched_once_the_model_has_decided(
    store: MemoryStore, world: World
) -> None:
    decided = [make_message(), make_step("look", at="x"), make_result(2)]
    ports = build_ports(store, Says(DONE), world, prefetch=lambda thread: {"tags": ["v1"]})
    thread = await advance(ports, await store_thread(store, *decided))
    assert list_types(thread).count("message") == 1


@pytest.mark.parametrize(
    ("found", "block"),
    [
        (KeyError("gone"), "<prefetch_error>\n KeyError: 'gone'\n</prefetch_error>"),
        (["a list"], "<prefetched>\n - a list\n</prefetched>"),
        ({}, None),
        (None, None),
    ],
)
async def test_whatever_a_prefetch_finds_it_is_asked_once_and_keeps_nobody_from_deciding(
    found: Any, block: str | None, store: MemoryStore, world: World
) -> None:
    asked: list[str] = []

    async def prefetch(thread: Thread) -> Any:
        asked.append(thread.last_message)
        if isinstance(found, Exception):
            raise found
        return found

    model = Says(Unavailable("429"), "what?", DONE)
    ports = build_ports(store, model, world, prefetch=prefetch)
    with pytest.raises(Unavailable):
        await advance(ports, await store_thread(store, make_message("deploy")))
    thread = await advance(ports, await store.load("t"))
    assert thread.state.status == "finished"
    assert asked == ["deploy"]
    assert list(model.prompts[1].blocks[1:]) == ([block] if block else [])


async def test_a_prefetch_without_measure_is_cut_and_not_in_the_way(
    store: MemoryStore, world: World
) -> None:
    def prefetch(thread: Thread) -> dict[str, Any]:
        return {f"fact_{number}": "x" * 50_000 for number in range(10)}

    ports = build_ports(store, Says(DONE), world, prefetch=prefetch)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.state.status == "finished"


async def test_a_delivery_that_happens_to_be_called_prefetch_is_a_message_like_any_other(
    store: MemoryStore, world: World
) -> None:
    async def prefetch(thread: Thread) -> dict[str, Any]:
        return {"tags": ["v1"]}

    ports = build_ports(store, Says(ASK), world, prefetch=prefetch)
    await advance(ports, await store_thread(store, make_message()))
    await launch(ports, "t", "v1", actor="ana", delivery="prefetch", source="webhook")
    thread = await store.load("t")
    assert thread.events[-1].data["text"] == "v1"


# The outbox.


async def test_the_end_and_what_is_waited_for_are_shown_and_nothing_else(
    store: MemoryStore, world: World
) -> None:
    shown = Shown()
    ports = build_ports(store, Says(LOOK, ASK, DONE), world, channel=shown)
    await advance(ports, await store_thread(store, make_message()))
    await resume(ports, "t", 6, "answer", actor="ana", text="this")
    await advance(ports, await store.load("t"))
    assert [each.type for each in shown.sent] == ["paused", "finished"]


async def test_a_person_is_told_before_anything_else_happens(
    store: MemoryStore, world: World
) -> None:
    shown = Shown()
    ended = [make_step("done"), make_event("finished", message="bye")]
    await store_thread(store, make_message(), *ended, make_message("and now?"))
    ports = build_ports(store, Says(), world, channel=shown)
    with pytest.raises(AssertionError, match="once too often"):
        await advance(ports, await store.load("t"))
    assert [each.seq for each in shown.sent] == [3]


async def test_a_closed_wait_is_not_shown_any_more(store: MemoryStore, world: World) -> None:
    shown = Shown(fails=lambda event: event.type == "paused")
    ports = build_ports(store, Says(ASK, DONE), world, channel=shown)
    with pytest.raises(Unavailable):
        await advance(ports, await store_thread(store, make_message()))
    await launch(ports, "t", "never mind", actor="ana", delivery="2", source="user")
    await advance(ports, await store.load("t"))
    assert [each.type for each in shown.sent] == ["finished"]


async def test_a_delivery_that_fails_blocks_no_step(store: MemoryStore, world: World) -> None:
    shown = Shown(fails=lambda event: event.seq == 3)
    ended = [make_step("done"), make_event("finished", message="bye")]
    await store_thread(store, make_message(), *ended, make_message("now charge"))
    charge = {"intent": "charge", "amount": 5}
    ports = build_ports(store, Says(charge, LOOK, ASK), world, channel=shown)
    with pytest.raises(Unavailable, match="the channel is away"):
        await advance(ports, await store.load("t"))
    assert world.effects("charge") == ["5"]
    assert (await store.load("t")).state.status == "waiting:question"


async def test_a_delivery_that_fails_blocks_no_other_delivery(
    store: MemoryStore, world: World
) -> None:
    shown = Shown(fails=lambda event: event.seq == 3)
    ended = [make_step("done"), make_event("finished", message="bye")]
    await store_thread(store, make_message(), *ended, make_message("again"))
    ports = build_ports(store, Says(ASK), world, channel=shown)
    with pytest.raises(Unavailable):
        await advance(ports, await store.load("t"))
    assert [each.type for each in shown.sent] == ["paused"]
    assert (await store.load("t")).state.outbox == (3,)


async def deliver_until_it_is_given_up(ports: Any, attempts: int = 0) -> int:
    """Return how many runs it took."""
    runs = 1
    while True:
        try:
            await advance(ports, await ports.store.load("t"), attempts + runs - 1)
        except Unavailable:
            runs += 1
            assert runs < 50, "it tries for ever"
        else:
            return runs


async def test_after_so_many_tries_it_is_delivered_with_its_error(
    store: MemoryStore, world: World
) -> None:
    shown = Shown(fails=lambda _: True)
    ports = build_ports(store, Says(ASK), world, channel=shown)
    await store_thread(store, make_message())
    await deliver_until_it_is_given_up(ports)
    thread = await store.load("t")
    assert thread.events[-1].data == {"ref": 3, "error": "the channel is away"}
    assert thread.state.outbox == ()
    assert thread.state.status == "waiting:question"
    assert len(shown.tried) == MAX_DELIVERIES


async def test_whom_a_delivery_reached_is_recorded_though_others_were_not(
    store: MemoryStore, world: World
) -> None:
    class Half:
        async def notify(self, thread: Thread, event: Event) -> Delivery:
            away = Unavailable("bob has no address")
            return Delivery(reached={"test": ["ana"]}, problem=away)

    ports = build_ports(store, Says(ASK), world, notifier=Half())
    await store_thread(store, make_message())
    await deliver_until_it_is_given_up(ports)
    last = (await store.load("t")).events[-1]
    how = {"ref": 3, "error": "bob has no address", "reached": {"test": ["ana"]}}
    assert (last.actor, last.data) == ("agent", how)


async def test_a_delivery_has_its_tries_whatever_failed_before_it(
    store: MemoryStore, world: World
) -> None:
    shown = Shown(fails=lambda _: len(shown.tried) < 2)
    ports = build_ports(store, Says(ASK), world, channel=shown)
    await store_thread(store, make_message())
    await deliver_until_it_is_given_up(ports, attempts=12)  # the model was away for an hour
    assert [each.type for each in shown.sent] == ["paused"]


async def test_a_receipt_is_kept_and_its_channel_is_shown_what_closes_the_wait(
    store: MemoryStore, world: World
) -> None:
    shown = Shown(receipts=True)
    ports = build_ports(store, Says(ASK, DONE), world, channel=shown)
    asked = await advance(ports, await store_thread(store, make_message()))
    assert asked.events[-1].data == {"ref": 3, "receipt": {"shown": 3}, "reached": {}}
    await resume(ports, "t", 3, "answer", actor="ana", text="this")
    await advance(ports, await store.load("t"))
    assert [each.type for each in shown.sent] == ["paused", "resumed", "finished"]


async def test_an_answer_that_comes_while_a_person_is_told_is_not_lost(
    store: MemoryStore, world: World
) -> None:
    shown = Shown()

    async def answered(event: Event) -> None:
        if event.type == "paused":
            await resume(ports, "t", event.seq, "answer", actor="ana", text="quick")

    shown.meanwhile = answered
    model = Says(ASK, DONE)
    ports = build_ports(store, model, world, channel=shown)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.state.status == "finished"
    assert "quick" in model.prompts[1].blocks[-1]


# Two loops at once.


class Crowded(MemoryStore):
    """Somebody else is faster at every third append."""

    count = 0

    async def append(self, thread: Thread, *events: Event) -> Thread:
        self.count += 1
        if self.count % 3 == 0:
            raise Conflict("somebody was faster")
        return await super().append(thread, *events)


async def test_being_slower_is_no_harm(world: World) -> None:
    store = Crowded()

    async def sensible(prompt: Prompt, schema: dict[str, Any]) -> Reply:
        charged = any("charge_result" in block for block in prompt.blocks)
        call = DONE if charged else {"intent": "charge", "amount": 5}
        return Reply(json.dumps({"next_step": call}), {})

    thread = await advance(
        build_ports(store, sensible, world), await store_thread(store, make_message())
    )
    assert thread.state.status == "finished"
    assert world.effects("charge") == ["5"]


async def test_a_missing_case_is_an_error_the_model_sees_and_never_a_spin(
    store: MemoryStore, world: World
) -> None:
    model = Says({"intent": "unhandled"}, DONE)
    thread = await advance(
        build_ports(store, model, world), await store_thread(store, make_message())
    )
    assert thread.state.status == "finished"
    assert "no case for 'unhandled'" in model.prompts[1].blocks[-1]
    assert thread.event(3).data["definite"]


async def test_a_policy_may_refuse_a_call_with_words_for_the_model(
    store: MemoryStore, world: World
) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        raise ToolError("not on a Friday")

    model = Says(DONE, DONE, DONE)
    ports = build_ports(store, model, world, decide=decide)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.state.status == "waiting:limit"
    assert "not on a Friday" in model.prompts[1].blocks[-1]


async def test_a_request_that_costs_too_much_asks(store: MemoryStore, world: World) -> None:
    price = {"input": 100_000.0, "output": 0.0, "currency": "EUR"}
    look = {"intent": "look", "at": "x"}
    model = Says(look, look, DONE)
    ports = build_ports(store, model, world, price=price, limits=Limits(cost=2.0))
    thread = await advance(ports, await store_thread(store, make_message()))
    wait = thread.state.wait
    assert wait
    assert (wait.kind, wait.data["limit"]) == ("limit", "cost")
    assert wait.text == "Go on? It cost 2.0000 of 2.0000 EUR."
    assert len(model.prompts) == 2
    assert [event.data["price"] for event in thread.events if event.type == "step"] == [price] * 2
    thread = await advance(ports, await resume(ports, "t", wait.seq, "continue", actor="ana"))
    assert (thread.state.status, thread.state.cost) == ("finished", 1.0)


async def test_a_price_may_have_no_currency(store: MemoryStore, world: World) -> None:
    price = {"input": 100_000.0, "output": 0.0}
    ports = build_ports(store, Says(LOOK), world, price=price, limits=Limits(cost=1.0))
    wait = (await advance(ports, await store_thread(store, make_message()))).state.wait
    assert wait is not None
    assert wait.text == "Go on? It cost 1.0000 of 1.0000."


async def test_a_model_without_a_price_costs_nothing(store: MemoryStore, world: World) -> None:
    ports = build_ports(store, Says(DONE), world, limits=Limits(cost=0.1))
    thread = await advance(ports, await store_thread(store, make_message()))
    assert (thread.state.status, thread.state.cost) == ("finished", 0.0)
    assert "price" not in thread.event(2).data

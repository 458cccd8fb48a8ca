"""The owner's policy: what `decide` knows, whose approval counts, and what a tool is given."""

from typing import Any

import pytest

from agent.engine import Action, Call, Finish, Run, Thread
from agent.engine.loop.api import preview_edit, resume
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Charge,
    Done,
    Says,
    World,
    advance,
    build_ports,
    make_answer,
    make_message,
    make_pause,
    make_start,
    make_step,
    make_thread,
    store_thread,
)

CHARGE: dict[str, Any] = {"intent": "charge", "amount": 99}
DONE = {"intent": "done", "message": "bye"}
LIMIT = 300


class Policy:
    """Approvers that change, and a record of what was asked."""

    def __init__(self, world: World, *approvers: str) -> None:
        self.world = world
        self.approvers = approvers
        self.seen: list[Thread] = []
        self.calls: list[Call] = []

    def decide(self, step: Any, thread: Thread) -> Action:
        if isinstance(step, Done):
            return Finish(step.message)
        self.seen.append(thread)
        return Run(self.charge, effect="idempotent", approvers=self.approvers)

    def charge(self, step: Charge, call: Call) -> str:
        self.calls.append(call)
        return self.world.charge(step, call)


async def approve(ports: Ports, thread: Thread, actor: str) -> Thread:
    wait = thread.state.wait
    assert wait is not None
    digest = wait.data["digest"]
    return await resume(ports, thread.id, wait.seq, "approve", actor=actor, digest=digest)


async def test_a_rule_over_several_calls_holds(store: MemoryStore, world: World) -> None:
    """Four refunds of 99 against a limit of 300: the fourth is asked about."""

    def decide(step: Any, thread: Thread) -> Action:
        if isinstance(step, Done):
            return Finish(step.message)
        total = step.amount + sum(past.step.amount for past in thread.results(Charge))
        return Run(world.charge, approvers=("owner",) if total > LIMIT else ())

    ports = build_ports(store, Says(*[CHARGE] * 4, DONE), world, decide=decide)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.state.status == "waiting:approval"
    assert world.effects("charge") == ["99"] * 3
    thread = await advance(ports, await approve(ports, thread, "ana"))
    assert thread.state.status == "finished"
    assert world.effects("charge") == ["99"] * 4


async def test_decide_sees_the_log_up_to_its_step_whenever_it_is_asked(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(world, "owner")
    ports = build_ports(store, Says(CHARGE, DONE), world, decide=policy.decide)
    thread = await advance(ports, await store_thread(store, make_message()))
    await advance(ports, await approve(ports, thread, "ana"))
    assert [[each.type for each in seen.events] for seen in policy.seen] == [["message"]] * 2


async def test_decide_sees_the_same_log_when_a_call_is_edited(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(world, "owner")
    ports = build_ports(store, Says(CHARGE), world, decide=policy.decide)
    wait = (await advance(ports, await store_thread(store, make_message()))).state.wait
    assert wait is not None
    await preview_edit(ports, "t", wait.seq, CHARGE, actor="ana")
    assert [[each.type for each in seen.events] for seen in policy.seen] == [["message"]] * 2


async def test_decide_sees_the_same_log_in_recovery(store: MemoryStore, world: World) -> None:
    policy = Policy(world)
    ports = build_ports(store, Says(DONE), world, decide=policy.decide)
    await advance(
        ports, await store_thread(store, make_message(), make_step(**CHARGE), make_start(2))
    )
    assert [[each.type for each in seen.events] for seen in policy.seen] == [["message"]]


async def test_a_tool_is_given_its_key_who_approved_it_and_the_thread(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(world, "owner")
    ports = build_ports(store, Says(CHARGE, DONE), world, decide=policy.decide)
    thread = await advance(ports, await store_thread(store, make_message()))
    await advance(ports, await approve(ports, thread, "ana"))
    (call,) = policy.calls
    assert (len(call.key) > 20, call.approved_by, call.thread.id) == (True, "ana", "t")
    assert call.thread.events[-1].type == "tool_started"


async def test_an_approval_does_not_count_once_others_have_to_give_it(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(world, "owner")
    ports = build_ports(store, Says(CHARGE, DONE), world, decide=policy.decide)
    thread = await advance(ports, await store_thread(store, make_message()))
    approved = await approve(ports, thread, "ana")
    policy.approvers = ("boss",)
    thread = await advance(ports, approved)
    assert thread.state.wait is not None
    assert (thread.state.wait.kind, thread.state.wait.audience) == ("approval", ("boss",))
    assert world.effects("charge") == []
    thread = await advance(ports, await approve(ports, thread, "boss"))
    assert (thread.state.status, world.effects("charge")) == ("finished", ["99"])


async def test_an_approval_still_counts_where_anyone_may_give_it_today(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(world, "owner")
    ports = build_ports(store, Says(CHARGE, DONE), world, decide=policy.decide)
    approved = await approve(
        ports, await advance(ports, await store_thread(store, make_message())), "ana"
    )
    policy.approvers = ("anyone",)
    assert (await advance(ports, approved)).state.status == "finished"


@pytest.mark.parametrize(("approvers", "charged"), [(("owner",), ["99"]), (("boss",), [])])
async def test_a_call_that_crashed_runs_again_only_if_its_approval_counts_today(
    approvers: tuple[str, ...], charged: list[str], store: MemoryStore, world: World
) -> None:
    policy = Policy(world, *approvers)
    ports = build_ports(store, Says(DONE), world, decide=policy.decide)
    asked = make_pause("approval", call=CHARGE)
    log = [make_message(), make_step(**CHARGE), asked, make_answer(3, "approve"), make_start(2)]
    thread = await advance(ports, await store_thread(store, *log))
    assert world.effects("charge") == charged
    assert thread.state.status == ("finished" if charged else "waiting:in_doubt")
    if wait := thread.state.wait:
        assert wait.audience == ("boss",)
        assert "ana may not approve it today" in wait.text


def test_a_retry_keeps_the_approval_there_was() -> None:
    asked = make_pause("approval", call=CHARGE)
    doubt = make_pause("in_doubt", "bob", call=CHARGE, step=2)
    log = [
        make_message(),
        make_step(**CHARGE),
        asked,
        make_answer(3, "approve"),
        make_start(2),
        doubt,
    ]
    step = make_thread(*log, make_answer(6, "retry", "bob")).state.step
    assert step is not None
    assert step.approved_by == "ana"

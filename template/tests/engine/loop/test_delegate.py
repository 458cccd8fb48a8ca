"""A task for another agent: one child, whose end reaches its parent, whoever ends it and when."""

from typing import Any

import pytest

from agent.engine.log.errors import Refused, Unavailable
from agent.engine.log.events import Event, make_event
from agent.engine.log.state import Limits
from agent.engine.log.thread import Thread
from agent.engine.loop import api
from agent.engine.loop.advance import advance as run
from agent.engine.loop.delegate import (
    MAX_DEPTH,
    find_end_of,
    list_children,
    report_end,
    start_child,
)
from agent.engine.loop.deletion import forget
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    Shown,
    World,
    list_types,
    make_message,
    store_thread,
)
from ..family import ASK, DONE, END, HAND, Family, Hand


@pytest.fixture
def shown() -> Shown:
    return Shown(receipts=True)


@pytest.fixture
def family(store: MemoryStore, world: World, shown: Shown) -> Family:
    family = Family(store, world, shown)
    family.add("parent", HAND, END)
    family.add("child", DONE)
    return family


def outcome(thread: Thread) -> dict[str, Any]:
    """Return the last event that reports the end of a child."""
    return next(past.data for past in reversed(thread.events) if "end" in past.data)


# -- the way to a result --


async def test_the_result_of_a_child_is_that_of_the_call(family: Family) -> None:
    parent = await family.start()
    assert parent.state.status == "finished"
    assert outcome(parent)["text"] == "the child's result"
    assert [result.output for result in parent.results(Hand)] == ["the child's result"]
    assert "the child's result" in family.models["parent"].prompts[1].blocks[-1]


async def test_a_child_has_its_task_the_owner_and_the_place_of_its_parent(family: Family) -> None:
    await family.start()
    child = await family.child()
    assert child.event(1).data["text"] == "do it"
    assert child.event(1).actor == "agent:parent"
    assert (child.state.owner, child.state.reply_to) == ("ana", "test:")
    assert (child.state.parent, [*child.state.people]) == ("t", ["ana"])


async def test_people_are_notified_of_the_result_of_the_parent_alone(
    family: Family, shown: Shown
) -> None:
    await family.start()
    messages = [event.data.get("message") for event in shown.sent]
    assert messages == ["all done"]


async def test_a_child_counts_to_the_limits_of_its_parent(family: Family) -> None:
    parent = await family.start()
    assert outcome(parent)["spent"] == {"tokens": 15, "cost": 0}
    assert parent.state.tokens == 45


async def test_what_the_children_of_a_child_spent_counts_too(family: Family) -> None:
    family.add("child", HAND | {"to": "grandchild"}, DONE)
    family.add("grandchild", DONE)
    parent = await family.start()
    assert parent.state.status == "finished"
    assert outcome(parent)["spent"]["tokens"] == 45


async def test_an_end_is_reported_once(family: Family) -> None:
    parent, child = await family.start(), await family.child()
    for _ in range(2):
        await report_end(family.ports, child, find_end_of(child))
    assert (await family.store.load("t")).state.version == parent.state.version


async def test_a_second_call_of_the_same_task_is_another_child(family: Family) -> None:
    family.add("parent", HAND, HAND, END)
    family.add("child", DONE, DONE)
    parent = await family.start()
    assert len(list_children(parent)) == 2


@pytest.mark.parametrize("killed", ["tool_started", "message", "paused"])
async def test_a_child_exists_once_however_often_its_parent_dies(
    killed: str, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, died = family.store.append, False

    async def dying(thread: Thread, *events: Event) -> Thread:
        nonlocal died
        grown = await append(thread, *events)
        if not died and events[-1].type == killed:
            died = True
            raise KeyboardInterrupt
        return grown

    await store_thread(family.store, make_message("please", agent="parent"))
    monkeypatch.setattr(family.store, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        await run(family.ports, await family.store.load("t"))
    parent = await family.settle()
    assert parent.state.status == "finished"
    assert len(await family.threads()) == 2
    assert [past.data["message"] for past in parent.events if past.type == "finished"] == [
        "all done"
    ]


# -- the other ways to end --


async def waiting(family: Family, *replies: Any) -> Thread:
    """Start a parent whose child asks a question, and return the parent."""
    family.add("parent", *(replies or (HAND, END)))
    family.add("child", ASK, DONE)
    parent = await family.start()
    assert parent.state.status == "waiting:job"
    return parent


async def test_a_child_that_is_cancelled_is_a_failure_with_its_reason(family: Family) -> None:
    await waiting(family)
    await api.cancel(family.ports, (await family.child()).id, actor="bob", reason="not today")
    parent = await family.settle()
    assert parent.state.status == "finished"
    assert parent.results(Hand) == []
    assert "cancelled by bob: not today" in family.models["parent"].prompts[-1].blocks[-1]


async def test_the_limit_of_a_child_is_asked_of_its_own_people(family: Family) -> None:
    family.add("child", "nonsense", "nonsense", DONE, limits=Limits(errors=2))
    assert (await family.start()).state.status == "waiting:job"
    child = await family.child()
    assert (child.state.status, child.state.wait and child.state.wait.audience) == (
        "waiting:limit",
        ("ana",),
    )
    assert child.state.wait
    await api.resume(family.ports, child.id, child.state.wait.seq, "continue", actor="ana")
    assert outcome(await family.settle())["text"] == "the child's result"


async def test_a_child_that_is_stopped_at_its_limit_is_a_failure(family: Family) -> None:
    family.add("child", "nonsense", limits=Limits(errors=1))
    await family.start()
    child = await family.child()
    assert child.state.wait
    await api.resume(family.ports, child.id, child.state.wait.seq, "stop", actor="ana")
    parent = await family.settle()
    assert outcome(parent)["verdict"] == "failed"
    assert parent.state.status == "finished"


async def test_a_child_that_is_deleted_is_a_failure(family: Family) -> None:
    await waiting(family)
    await forget(family.ports, (await family.child()).id, actor="bob", cancelling=True)
    parent = await family.settle()
    assert outcome(parent)["text"] == "cancelled by bob: deleted"
    assert parent.state.status == "finished"


async def test_a_wait_that_expires_leaves_the_child_to_end_and_records_its_result(
    family: Family, clock: Clock
) -> None:
    await waiting(family, HAND | {"timeout_s": 60.0}, END)
    clock.tick(61)
    assert (await family.settle()).state.status == "finished"
    assert (await family.child()).state.status == "waiting:question"
    await family.said("the left one", to=(await family.child()).id)
    parent = await family.settle()
    assert outcome(parent)["output"] == "the child's result"
    assert parent.state.status == "finished"


async def test_a_call_that_is_chosen_again_after_its_wait_expired_is_the_same_child(
    family: Family, clock: Clock
) -> None:
    hand = HAND | {"timeout_s": 60.0}
    await waiting(family, hand, hand, END)
    clock.tick(61)
    assert (await family.settle()).state.status == "waiting:job"
    await family.said("the left one", to=(await family.child()).id)
    parent = await family.settle()
    assert (parent.state.status, len(list_children(parent))) == ("finished", 1)


# -- cancelling the parent --


async def test_the_cancellation_of_a_parent_reaches_its_descendants(family: Family) -> None:
    family.add("child", HAND | {"to": "grandchild"})
    family.add("grandchild", ASK)
    await family.start()
    await api.cancel(family.ports, "t", actor="bob", reason="enough")
    parent = await family.settle()
    statuses = [thread.state.status for thread in await family.threads()]
    assert statuses == ["cancelled"] * 3
    assert outcome(parent)["error"].startswith("cancelled by bob")


async def test_a_cancellation_survives_that_nobody_could_deliver_it(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting(family)
    await api.cancel(family.ports, "t", actor="bob")
    child, append = await family.child(), family.store.append

    async def away(thread: Thread, *events: Event) -> Thread:
        if thread.id == child.id:
            raise Unavailable("the store is away")
        return await append(thread, *events)

    monkeypatch.setattr(family.store, "append", away)
    monkeypatch.setattr("agent.engine.loop.record.PATIENCE_S", 0.0)
    for _ in range(6):
        done = await run(family.ports, await family.store.load("t"), attempts=9)
        assert isinstance(done.problem, Unavailable)
    monkeypatch.undo()
    await family.settle()
    assert (await family.child()).state.status == "cancelled"


async def test_a_child_that_is_about_to_be_started_is_cancelled_too(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = start_child

    async def cancelled_first(ports: Ports, thread: Thread, task: Any) -> Any:
        await api.cancel(ports, "t", actor="bob")
        await run(ports, await ports.store.load("t"))
        return await start(ports, thread, task)

    monkeypatch.setattr("agent.engine.loop.tool_calls.start_child", cancelled_first)
    await family.start()
    assert (await family.child()).state.status == "cancelled"
    assert family.models["child"].prompts == []


async def test_a_child_may_be_answered_after_its_parent_was_cancelled(family: Family) -> None:
    await waiting(family)
    child = await family.child()
    assert child.state.wait
    await api.cancel(family.ports, "t", actor="bob")
    await api.resume(family.ports, child.id, child.state.wait.seq, "answer", actor="ana", text="x")
    parent = await family.settle()
    assert (parent.state.status, outcome(parent)["late"]) == ("cancelled", True)


async def test_a_parent_that_goes_on_after_its_cancellation_learns_the_end_of_its_child(
    family: Family,
) -> None:
    await waiting(family)
    await api.cancel(family.ports, "t", actor="bob")
    await family.settle()
    await family.said("go on after all")
    parent = await family.settle()
    assert parent.state.status == "finished"
    assert "cancelled by bob" in " ".join(family.models["parent"].prompts[-1].blocks)


# -- what people say --


async def test_an_answer_in_the_conversation_of_the_parent_reaches_the_question(
    family: Family,
) -> None:
    family.add("child", HAND | {"to": "grandchild"}, DONE)
    family.add("grandchild", ASK, DONE)
    await family.start()
    await family.said("the left one")
    parent = await family.settle()
    assert parent.state.status == "finished"
    assert "the left one" in family.models["grandchild"].prompts[-1].blocks[-1]
    assert family.models["child"].prompts[-1].blocks[0].count("the left one") == 0


async def test_an_answer_is_passed_on_once(family: Family) -> None:
    await waiting(family)
    await family.said("the left one")
    await family.said("the left one")
    await family.settle()
    child = await family.child()
    assert [past.data["text"] for past in child.events if past.type == "message"] == [
        "do it",
        "the left one",
    ]


async def test_what_does_not_answer_a_child_s_question_waits_its_turn(family: Family) -> None:
    family.add("parent", HAND, END)
    family.add("child", ASK | {"audience": ("bob",)}, DONE)
    await family.start()
    await family.said("hurry up")
    assert (await family.child()).state.status == "waiting:question"
    await family.said("the left one", actor="bob")
    assert (await family.settle()).state.status == "finished"
    assert "hurry up" in " ".join(family.models["parent"].prompts[-1].blocks)


async def test_a_message_that_is_sent_again_to_a_child_that_has_ended_is_accepted(
    family: Family,
) -> None:
    await waiting(family)
    child = (await family.child()).id
    await family.said("the left one", to=child)
    await family.settle()
    assert (await family.said("the left one", to=child)).state.ended == "finished"


async def test_a_child_that_has_ended_is_not_opened_again(family: Family) -> None:
    parent, child = await family.start(), await family.child()
    with pytest.raises(Refused, match="write to the one that delegated it, t"):
        await family.said("and now?", to=child.id)
    await family.settle()
    assert [(await family.child()).state.version, (await family.store.load("t")).state.version] == [
        child.state.version,
        parent.state.version,
    ]


async def test_nobody_can_report_in_the_name_of_a_child(family: Family) -> None:
    parent = await waiting(family)
    assert parent.state.wait
    for actor in ("ana", "anyone", "agent"):
        with pytest.raises(Refused):
            await api.resume(family.ports, "t", parent.state.wait.seq, "done", actor=actor)


# -- forks, deletion --


async def test_a_fork_of_a_parent_delegates_to_a_child_of_its_own(family: Family) -> None:
    family.add("parent", HAND, END, HAND, END)
    family.add("child", DONE, DONE)
    parent = await family.start()
    copy = await api.fork(family.ports, parent.id, parent.state.version, actor="ana", delivery="1")
    assert list_children(copy) == []
    copy = await api.fork(family.ports, parent.id, 2, actor="ana", delivery="2")
    await family.settle()
    assert list_children(await family.store.load(copy.id)) != list_children(parent)


async def test_a_fork_of_a_child_reports_to_nobody(family: Family) -> None:
    parent, child = await family.start(), await family.child()
    copy = await api.fork(family.ports, child.id, 1, actor="ana", delivery="1")
    family.add("child", DONE)
    await family.settle()
    ended = await family.store.load(copy.id)
    assert (ended.state.status, ended.state.parent) == ("finished", "")
    assert (await family.store.load("t")).state.version == parent.state.version


async def test_deleting_a_parent_takes_its_children_along(family: Family) -> None:
    family.add("child", HAND | {"to": "grandchild"}, DONE)
    family.add("grandchild", DONE)
    await family.start()
    await forget(family.ports, "t", actor="ana")
    assert await family.threads() == []


async def test_a_parent_whose_child_still_works_is_not_deleted(
    family: Family, clock: Clock
) -> None:
    await waiting(family, HAND | {"timeout_s": 60.0}, END)
    clock.tick(61)
    await family.settle()
    with pytest.raises(Refused):
        await forget(family.ports, "t", actor="ana")
    assert len(await family.threads()) == 2
    await forget(family.ports, "t", actor="ana", cancelling=True)
    assert await family.threads() == []


async def test_a_child_whose_parent_is_gone_ends_in_peace(family: Family, clock: Clock) -> None:
    await waiting(family)
    child = await family.child()
    ended = await family.store.append(await family.store.load("t"), make_event("cancelled", "bob"))
    await family.store.forget(ended)
    await family.said("the left one", to=child.id)
    await family.settle_all()
    assert (await family.store.load(child.id)).state.outbox == ()


async def test_a_child_that_its_parent_never_started_reports_to_nobody(family: Family) -> None:
    family.add("parent", END)
    parent = await family.start()
    claims = make_message("do it", agent="child", parent="t", owner="ana")
    await store_thread(family.store, claims, thread_id="forged")
    await family.settle_all()
    assert (await family.store.load("forged")).state.outbox == ()
    assert (await family.store.load("t")).state.version == parent.state.version


# -- what cannot be delegated --


@pytest.mark.parametrize("to", ["nobody", ""])
async def test_an_agent_that_does_not_exist_is_an_error_for_the_model(
    to: str, family: Family
) -> None:
    family.add("parent", HAND | {"to": to}, END)
    parent = await family.start()
    assert "tool_started" not in list_types(parent)
    assert f"there is no agent '{to}'" in family.models["parent"].prompts[1].blocks[-1]


async def test_a_circle_of_agents_comes_to_an_end(family: Family) -> None:
    family.add("parent", *([HAND] * 3), *([END] * 3))
    family.add("child", *([HAND | {"to": "parent"}] * 3), *([DONE] * 3))
    parent = await family.start()
    assert parent.state.status == "finished"
    assert len(await family.threads()) == MAX_DEPTH + 1


async def test_a_task_that_needs_approval_starts_nobody_before_it(family: Family) -> None:
    family.add("parent", HAND | {"approvers": ("bob",)}, END)
    parent = await family.start()
    assert (parent.state.status, len(await family.threads())) == ("waiting:approval", 1)
    assert parent.state.wait
    digest = parent.state.wait.data["digest"]
    await api.resume(
        family.ports, "t", parent.state.wait.seq, "approve", actor="bob", digest=digest
    )
    assert (await family.settle()).state.status == "finished"

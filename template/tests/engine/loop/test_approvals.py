"""Whom an agent asks, in which words, for how long, and what an approval is good for."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from agent.engine import Action, Ask, Call, Finish, Limits, Run, Step, Thread, Wait
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import NobodyKnown, Refused
from agent.engine.log.events import CallJson, compute_digest, make_event
from agent.engine.log.state import Standing
from agent.engine.loop.api import cancel, fork, resume, revoke
from agent.engine.loop.clock import keep_time
from agent.engine.loop.ports import Ports
from agent.engine.people.identity import AnyName
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    AskPerson,
    Done,
    Says,
    Shown,
    World,
    advance,
    build_ports,
    make_answer,
    make_message,
    make_pause,
    make_start,
    make_step,
    rebind,
    store_thread,
)

DONE = {"intent": "done", "message": "bye"}
ASK = {"intent": "ask_person", "question": "which?"}


class Put(Step):
    intent: Literal["put"]
    value: str
    place: str


STEPS = JsonSteps(Put | AskPerson | Done)


def put(value: str, place: str = "here") -> CallJson:
    return {"intent": "put", "value": value, "place": place}


class Team(AnyName):
    """Knows some people and teams."""

    def __init__(self, **teams: tuple[str, ...]) -> None:
        self.teams: Mapping[str, tuple[str, ...]] = teams

    def find_members(self, name: str) -> tuple[str, ...]:
        return self.teams.get(name, (name,) if name in ("ana", "bob", "head") else ())


class Policy:
    """A switch with one `Run` and one `Ask`, and a record of the calls that ran."""

    def __init__(self, store: MemoryStore, world: World, *replies: CallJson, **changes: Any):
        self.run, self.ask = dict[str, Any](), dict[str, Any]()
        self.calls: list[tuple[str, str]] = []
        self.shown = Shown()
        self.ports: Ports = replace(
            build_ports(
                store,
                Says(*replies, DONE),
                world,
                steps=STEPS,
                decide=self.decide,
                channel=self.shown,
                **changes,
            ),
            directory=Team(leads=("ana", "bob"), empty=()),
        )

    def decide(self, step: Any, thread: Thread) -> Action:
        match step:
            case Done():
                return Finish("bye")
            case AskPerson(question=question):
                return Ask(question, **self.ask)
        return Run(self.put, **self.run)

    def put(self, step: Put, call: Call) -> str:
        self.calls.append((step.value, call.approved_by))
        return "put"

    async def start(self, actor: str = "ana") -> Thread:
        return await self.go_on(await store_thread(self.ports.store, make_message(actor=actor)))

    async def go_on(self, thread: Thread) -> Thread:
        return await advance(self.ports, thread)

    async def approve(self, thread: Thread, actor: str = "ana", **given: Any) -> Thread:
        wait = thread.state.wait
        assert wait is not None
        given = {"digest": wait.data["digest"]} | given
        return await resume(self.ports, thread.id, wait.seq, "approve", actor=actor, **given)


# -- titles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Put x there", "Put x there"),
        ("two\nlines \u2028of it", "two lines of it"),
        ("", "Put"),
        (None, "Put"),
    ],
)
async def test_an_approval_is_asked_for_in_the_words_of_the_policy(
    title: str | None, text: str, store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = {"approvers": ("ana",), "title": title}
    wait = (await policy.start()).state.wait
    assert wait is not None
    assert wait.text == text


@pytest.mark.parametrize(("intent", "text"), [("issue_refund", "Issue refund"), ("_", "_")])
async def test_an_intent_is_spelled_out_where_the_policy_has_no_words(
    intent: str, text: str, store: MemoryStore, world: World
) -> None:
    class Odd(Step):
        intent: Literal["issue_refund", "_"]

    run = Run(lambda step, call: None, approvers=("ana",))
    model = Says({"intent": intent})
    ports = build_ports(store, model, world, steps=JsonSteps(Odd), decide=lambda *_: run)
    wait = (await advance(ports, await store_thread(store, make_message()))).state.wait
    assert wait is not None
    assert wait.text == text


async def test_a_question_says_how_urgent_it_is_and_how_it_may_be_answered(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, ASK)
    policy.ask = {"urgency": "high", "format": "multiple_choice", "choices": ("a", "b")}
    wait = (await policy.start()).state.wait
    assert wait is not None
    asked = {"urgency": "high", "format": "multiple_choice", "choices": ["a", "b"]}
    assert wait.data["options"] == asked


@pytest.mark.parametrize(
    ("limits", "name", "text"),
    [
        (Limits(steps=1), "steps", "Go on? It used 1 of 1 steps."),
        (Limits(tokens=1), "tokens", "Go on? It used 15 of 1 tokens."),
        (Limits(errors=1), "errors", "Go on? It made 1 of 1 errors in a row."),
    ],
)
async def test_a_limit_says_which_one_it_is_and_what_went_wrong_last(
    limits: Limits, name: str, text: str, store: MemoryStore, world: World
) -> None:
    policy = Policy(
        store, world, {"intent": "gone"} if name == "errors" else put("x"), limits=limits
    )
    wait = (await policy.start()).state.wait
    assert wait is not None
    assert (wait.text, wait.data["limit"]) == (text, name)
    assert ("gone" in wait.data.get("error", "")) == (name == "errors")


# -- audiences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actor", "named", "asked"),
    [
        ("ana", ("leads",), ("ana", "bob")),
        ("ana", ("leads", "head"), ("ana", "bob", "head")),
        ("ana", ("owner",), ("ana",)),
        ("cron:nightly", ("owner",), ("head",)),
        ("hook:crm", ("owner", "bob"), ("bob", "head")),
        ("ana", ("anyone",), ("anyone",)),
    ],
)
async def test_teams_and_owners_are_people_when_they_are_asked(
    actor: str, named: tuple[str, ...], asked: tuple[str, ...], store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"), responsible=("head",))
    policy.run = {"approvers": named}
    wait = (await policy.start(actor)).state.wait
    assert wait is not None
    assert wait.audience == asked


@pytest.mark.parametrize("name", ["leed", "empty"])
async def test_a_thread_that_asks_nobody_known_says_so_and_goes_on_once_they_are_known(
    name: str, store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = {"approvers": (name,)}
    with pytest.raises(NobodyKnown, match=name):
        await policy.start()
    thread = await store.load("t")
    assert (thread.state.status, policy.calls) == ("running", [])
    policy.ports = replace(policy.ports, directory=Team(**{name: ("bob",)}))
    wait = (await policy.go_on(thread)).state.wait
    assert wait is not None
    assert wait.audience == ("bob",)


# -- reminders and escalation ---------------------------------------------------------------------


async def test_people_are_reminded_once_of_a_question(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    policy = Policy(store, world, ASK)
    policy.ask = {"audience": ("bob",), "remind_s": 60, "expires_s": 600}
    thread = await policy.start()
    wait = thread.state.wait
    assert wait is not None
    assert wait.due_at == await store.now() + timedelta(seconds=60)
    assert await keep_time(policy.ports, thread) == thread
    clock.tick(60)
    for _ in range(2):
        thread = await policy.go_on(await keep_time(policy.ports, await store.load("t")))
    assert [event.type for event in policy.shown.sent] == ["paused", "reminded"]
    assert thread.state.wait is not None
    assert thread.state.wait.due_at == thread.state.wait.expires_at
    await resume(policy.ports, "t", wait.seq, "answer", actor="bob", text="this")
    assert (await policy.go_on(await store.load("t"))).state.status == "finished"


async def test_nobody_is_reminded_of_what_was_answered(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    policy = Policy(store, world, ASK)
    policy.ask = {"remind_s": 60}
    thread = await policy.start()
    assert thread.state.wait is not None
    clock.tick(61)
    reminded = await keep_time(policy.ports, thread)
    await resume(policy.ports, "t", thread.state.wait.seq, "answer", actor="ana", text="this")
    await policy.go_on(await store.load("t"))
    assert (reminded.events[-1].type, reminded.events[-1].actor) == ("reminded", "system")
    assert [event.type for event in policy.shown.sent] == ["paused", "finished"]


@pytest.mark.parametrize("call", [put("x"), ASK], ids=["approval", "question"])
async def test_whoever_it_escalates_to_is_asked_once_the_time_is_over(
    call: CallJson, store: MemoryStore, world: World, clock: Clock
) -> None:
    policy = Policy(store, world, call)
    policy.run = {"approvers": ("leads",), "expires_s": 60, "escalate": ("head",)}
    policy.ask = {"audience": ("leads",), "expires_s": 60, "escalate": ("head",)}
    thread = await policy.start()
    clock.tick(61)
    thread = await policy.go_on(await keep_time(policy.ports, thread))
    wait = thread.state.wait
    assert wait is not None
    assert (wait.audience, policy.calls) == (("head",), [])
    with pytest.raises(Refused, match="ana is not asked"):
        await resume(policy.ports, "t", wait.seq, "reject", actor="ana")
    verdict: dict[str, Any] = {"verdict": "answer", "text": "this"}
    if wait.kind == "approval":
        verdict = {"verdict": "approve", "digest": wait.data["digest"]}
    await resume(policy.ports, "t", wait.seq, actor="head", **verdict)
    assert (await policy.go_on(await store.load("t"))).state.status == "finished"
    assert policy.calls == ([("x", "head")] if wait.kind == "approval" else [])


async def test_those_of_the_policy_are_asked_where_it_escalates_to_nobody_today(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = {"approvers": ("bob",), "expires_s": 60, "escalate": ("head",)}
    thread = await policy.start()
    clock.tick(61)
    policy.run = {"approvers": ("ana",)}
    wait = (await policy.go_on(await keep_time(policy.ports, thread))).state.wait
    assert wait is not None
    assert wait.audience == ("ana",)


@pytest.mark.parametrize("make", [lambda **who: Ask("?", **who), lambda **who: Run(print, **who)])
def test_an_escalation_needs_its_time(make: Any) -> None:
    with pytest.raises(ValueError, match="escalate needs expires_s"):
        make(escalate=("head",))
    assert make(escalate=("head",), expires_s=0)


async def test_a_call_that_nobody_approves_in_time_does_not_run_even_after_it_escalated(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = {"approvers": ("bob",), "expires_s": 60, "escalate": ("head",)}
    thread = await policy.start()
    for _ in range(2):
        clock.tick(61)
        thread = await policy.go_on(await keep_time(policy.ports, thread))
    assert (thread.state.status, policy.calls) == ("finished", [])


# -- standing approvals ---------------------------------------------------------------------------

STANDING = {"approvers": ("leads",), "standing": ("place",)}


async def test_an_approval_for_the_thread_is_good_for_the_same_values(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"), put("y"), put("z", "there"))
    policy.run = STANDING
    thread = await policy.start()
    assert thread.state.wait is not None
    assert thread.state.wait.data["standing"] == {"place": "here"}
    thread = await policy.go_on(await policy.approve(thread, standing=True))
    assert policy.calls == [("x", "ana"), ("y", "ana")]
    assert thread.state.wait is not None
    assert thread.state.wait.data["call"] == put("z", "there")
    started = [past.data["approved_by"] for past in thread.events if past.type == "tool_started"]
    assert started == ["ana", "ana"]


async def test_an_approval_is_good_once_unless_it_was_given_for_the_thread(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"), put("y"))
    policy.run = STANDING
    thread = await policy.go_on(await policy.approve(await policy.start()))
    assert (thread.state.status, policy.calls) == ("waiting:approval", [("x", "ana")])


async def test_the_policy_has_to_offer_it_and_the_digest_covers_its_scope(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = {"approvers": ("ana",)}
    thread = await policy.start()
    with pytest.raises(Refused, match="approved once"):
        await policy.approve(thread, standing=True)
    assert thread.state.wait is not None
    once = thread.state.wait.data["digest"]
    assert once == compute_digest(put("x"))
    policy.run = STANDING
    other = Policy(MemoryStore(), world, put("x"))
    other.run = STANDING
    with pytest.raises(Refused, match="not the call you were shown"):
        await other.approve(await other.start(), standing=True, digest=once)


async def test_nothing_but_an_approval_is_good_for_the_thread(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = STANDING
    wait = (await policy.start()).state.wait
    assert wait is not None
    with pytest.raises(Refused, match="approved once"):
        await resume(policy.ports, "t", wait.seq, "reject", actor="ana", standing=True)


@pytest.mark.parametrize(
    "change",
    [
        {"approvers": ("head",)},
        {"standing": ()},
        {"standing": ("place", "value")},
    ],
    ids=["other approvers", "none", "narrower"],
)
async def test_it_counts_only_as_the_policy_of_today_says(
    change: dict[str, Any], store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"), ASK, put("y"))
    thread, _ = await stand(policy)
    policy.run = STANDING | change
    assert thread.state.wait is not None
    await resume(policy.ports, "t", thread.state.wait.seq, "answer", actor="ana", text="on")
    thread = await policy.go_on(await store.load("t"))
    assert (thread.state.status, policy.calls) == ("waiting:approval", [("x", "ana")])


async def stand(policy: Policy) -> tuple[Thread, Standing]:
    """Return a thread with a standing approval, in which everything else is done."""
    policy.run = STANDING
    thread = await policy.go_on(await policy.approve(await policy.start(), standing=True))
    (given,) = thread.state.standing
    return thread, given


async def test_it_can_be_withdrawn(store: MemoryStore, world: World) -> None:
    policy = Policy(store, world, put("x"), ASK, put("y"))
    thread, given = await stand(policy)
    with pytest.raises(Refused, match="is not a person"):
        await revoke(policy.ports, "t", given.seq, actor="cron:x")
    await revoke(policy.ports, "t", given.seq, actor="bob")
    with pytest.raises(Refused, match="not a standing approval"):
        await revoke(policy.ports, "t", given.seq + 1, actor="bob")
    assert thread.state.wait is not None
    await resume(policy.ports, "t", thread.state.wait.seq, "answer", actor="ana", text="on")
    thread = await policy.go_on(await store.load("t"))
    assert (thread.state.status, policy.calls) == ("waiting:approval", [("x", "ana")])


async def test_it_ends_with_the_thread(store: MemoryStore, world: World) -> None:
    policy = Policy(store, world, put("x"), ASK)
    thread, _ = await stand(policy)
    finished = thread.plus(make_event("finished", message="bye"))
    stopped = await cancel(policy.ports, "t", actor="ana")
    assert (finished.state.standing, stopped.state.standing) == ((), ())


async def test_a_fork_has_none(store: MemoryStore, world: World) -> None:
    policy = Policy(store, world, put("x"), put("y"), ASK)
    thread, _ = await stand(policy)
    assert policy.calls == [("x", "ana"), ("y", "ana")]
    done = [past.seq for past in thread.events if past.type == "tool_finished"]
    copied = await fork(policy.ports, "t", done[0], actor="ana", delivery="1")
    assert copied.state.standing == ()


def test_an_event_of_another_intent_or_value_is_not_covered() -> None:
    standing = Standing(1, "put", {"place": "here", "count": 1}, "ana")
    assert standing.covers({"intent": "put", "place": "here", "count": 1, "more": 2})
    assert not standing.covers({"intent": "take", "place": "here", "count": 1})
    assert not standing.covers({"intent": "put", "place": "here"})
    assert not standing.covers({"intent": "put", "place": "here", "count": True})


async def test_a_scope_that_the_call_does_not_have_is_an_error_and_no_wider_scope(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = {"approvers": ("ana",), "standing": ("place", "regoin")}
    thread = await policy.start()
    failed = [past.data["error"] for past in thread.events if past.type == "tool_failed"]
    assert failed == ["standing names 'regoin', which the call does not have"]
    assert (policy.calls, thread.state.status) == ([], "finished")


async def test_those_it_escalates_to_approve_nothing_before(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"), ASK, put("y"))
    thread, _ = await stand(policy)
    policy.run = STANDING | {"approvers": ("head",), "escalate": ("ana",), "expires_s": 60}
    assert thread.state.wait is not None
    await resume(policy.ports, "t", thread.state.wait.seq, "answer", actor="ana", text="on")
    thread = await policy.go_on(await store.load("t"))
    assert (thread.state.status, policy.calls) == ("waiting:approval", [("x", "ana")])


@pytest.mark.parametrize("audience", [(), ("leed",)])
async def test_a_question_for_nobody_stops_with_the_reason(
    audience: tuple[str, ...], store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, ASK)
    policy.ask = {"audience": audience}
    with pytest.raises(NobodyKnown):
        await policy.start()


async def test_one_name_without_its_comma_is_that_name(store: MemoryStore, world: World) -> None:
    policy = Policy(store, world, put("x"))
    policy.run = {"approvers": "owner"}
    wait = (await policy.start()).state.wait
    assert wait is not None
    assert wait.audience == ("ana",)


async def test_a_tool_that_waits_for_nobody_known_waits_for_the_owner(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"))
    wait_for_ghost = Wait("a job", kind="job", audience=("leed",))
    ports = rebind(policy.ports, decide=lambda step, thread: Run(lambda *_: wait_for_ghost))
    thread = await advance(ports, await store_thread(store, make_message()))
    assert thread.state.wait is not None
    assert (thread.state.wait.kind, thread.state.wait.audience) == ("job", ("ana",))


async def test_a_policy_that_breaks_is_an_error_for_the_model_to_see(
    store: MemoryStore, world: World
) -> None:
    policy = Policy(store, world, put("x"))

    def decide(step: Any, thread: Thread) -> Action:
        return Finish("bye") if isinstance(step, Done) else {}[step.value]

    thread = await advance(
        rebind(policy.ports, decide=decide), await store_thread(store, make_message())
    )
    failed = [past.data["error"] for past in thread.events if past.type == "tool_failed"]
    assert failed == ["decide() failed: KeyError: 'x'"]
    assert thread.state.status == "finished"


async def test_a_call_that_gained_a_nested_default_is_not_recovered_unseen(
    store: MemoryStore, world: World
) -> None:
    class Old(Step):
        intent: Literal["put"]
        value: dict[str, int]

    class Inner(BaseModel):
        a: int
        force: bool = True

    class New(Step):
        intent: Literal["put"]
        value: Inner

    ran = list[Any]()
    run = Run(lambda step, call: ran.append(step), "idempotent", approvers=("ana",))
    call = JsonSteps(Old).write(Old(intent="put", value={"a": 1}))
    ports = build_ports(store, Says(DONE), world, steps=JsonSteps(New), decide=lambda *_: run)
    asked = make_pause("approval", call=call)
    log = [make_message(), make_step(**call), asked, make_answer(3, "approve"), make_start(2)]
    thread = await advance(ports, await store_thread(store, *log))
    assert (thread.state.status, ran) == ("waiting:in_doubt", [])

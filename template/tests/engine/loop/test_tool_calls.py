"""Running a call: at most once where that matters, never silently lost, and safe by default."""

import asyncio
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

from agent.engine import Call, blocking
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import Refused, ThreadNotFound, ToolError, Unavailable
from agent.engine.log.events import CallJson, Event, make_event
from agent.engine.log.thread import Thread, idempotency_key
from agent.engine.loop.actions import Action, Ask, Effect, Finish, Run, Wait
from agent.engine.loop.api import append_message, cancel, launch, report, resume
from agent.engine.loop.clock import keep_time
from agent.engine.loop.outcome import attempt
from agent.engine.loop.ports import Ports
from agent.engine.loop.steps import Step
from agent.engine.loop.tool_calls import MAX_STARTS
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    Charge,
    Done,
    Look,
    Put,
    Says,
    World,
    advance,
    build_ports,
    list_types,
    make_answer,
    make_failure,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    store_thread,
)

# -- the shapes the model fills in, and the orders a policy may give --


class Pay(Step):
    intent: Literal["pay"]
    amount: float


@pytest.mark.parametrize(
    "said",
    [
        '{"intent": "pay", "amount": 1, "to": "eve"}',
        '{"intent": "pay", "amount": NaN}',
        '{"intent": "pay", "amount": 1e999}',
        '{"intent": "pay"}',
        '{"intent": "repay", "amount": 1}',
    ],
)
def test_a_step_is_exactly_its_fields(said: str) -> None:
    with pytest.raises(ValidationError):
        Pay.model_validate_json(said)


def test_a_step_cannot_be_changed_once_it_was_said() -> None:
    step = Pay(intent="pay", amount=1)
    with pytest.raises(ValidationError):
        step.amount = 2


def test_what_is_not_said_is_the_safe_thing() -> None:
    run = Run(lambda step, call: None)
    assert (run.effect, run.approvers, run.expires_s) == ("once", (), None)
    asked = Ask("?")
    assert (asked.urgency, asked.format, asked.choices) == ("medium", "free_text", ())
    assert Wait("a nap").kind == "timer"


# -- running them --


DONE = {"intent": "done", "message": "bye"}
CALL: CallJson = {"intent": "charge", "amount": 5}
RISKY: CallJson = {"intent": "charge", "amount": 500}
EFFECTS = ["read", "idempotent", "once"]


@dataclass
class Tool:
    """A tool that answers as told, and remembers the key of each start."""

    answer: Any = "ok"
    meanwhile: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        self.keys: list[str] = []
        self.steps: list[Any] = []

    async def __call__(self, step: Any, call: Call) -> Any:
        self.keys.append(call.key)
        self.steps.append(step)
        if self.meanwhile:
            await self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def run(self, **how: Any) -> Callable[[Any, Thread], Action]:
        """Return a switch that runs this tool for every call but `done`."""

        async def tool(step: Any, call: Call) -> Any:
            return await self(step, call)

        def decide(step: Any, thread: Thread) -> Action:
            return Finish(step.message) if isinstance(step, Done) else Run(tool, **how)

        return decide


def agent_with(store: MemoryStore, world: World, tool: Tool, *replies: Any, **how: Any) -> Ports:
    return build_ports(store, Says(*replies), world, decide=tool.run(**how))


# What a tool may answer.


class Receipt(BaseModel):
    number: int


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("text", "text"),
        (None, None),
        (Receipt(number=7), {"number": 7}),
        ({"a": (1, {2})}, {"a": [1, [2]]}),
        ({1: b"x"}, {"1": "x"}),
        (float("nan"), "nan"),
        ("a\0b\ud800", "a\ufffdb\ufffd"),
    ],
)
async def test_whatever_a_tool_returns_becomes_its_output(
    answer: Any, output: Any, store: MemoryStore, world: World
) -> None:
    ports = agent_with(store, world, Tool(answer), DONE)
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.event(4).type == "tool_finished"
    assert thread.event(4).data["output"] == output


JOB = Wait("building", kind="job", seconds=60)


async def waiting_for_a_job(store: MemoryStore, world: World, **how: Any) -> tuple[Ports, str]:
    """Return an agent whose tool waits for its result, and the key that it was called with."""
    tool = Tool(JOB)
    ports = agent_with(store, world, tool, DONE, **how)
    await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    return ports, tool.keys[0]


@pytest.mark.parametrize("effect", EFFECTS)
async def test_a_tool_may_wait_for_what_becomes_its_result(
    effect: str, store: MemoryStore, world: World
) -> None:
    ports, key = await waiting_for_a_job(store, world, effect=effect)
    waiting = await store.load("t")
    assert list_types(waiting)[-3:] == ["tool_started", "paused", "delivered"]
    assert waiting.state.wait is not None
    assert (waiting.state.wait.kind, waiting.state.wait.text) == ("job", "building")
    assert waiting.state.wait.expires_at == await store.now() + timedelta(seconds=60)
    assert await advance(ports, waiting) == waiting
    await report(ports, key, "all green", actor="hook:ci")
    ended = await advance(ports, await store.load("t"))
    assert list_types(ended)[-4:] == ["resumed", "step", "finished", "delivered"]
    assert isinstance(ports.default.llm, Says)
    assert "response: all green" in ports.default.llm.prompts[0].blocks[-1]
    assert ports.default.llm.prompts[0].blocks[-1].startswith("<charge_result>")


async def test_the_result_of_a_job_is_an_outcome_the_same_call_is_a_new_effect_then(
    store: MemoryStore, world: World
) -> None:
    ports, key = await waiting_for_a_job(store, world)
    done = await report(ports, key, "all green", actor="hook:ci")
    again = done.plus(replace(make_step(**CALL), seq=done.state.version + 1))
    assert idempotency_key(again) != key


async def test_a_job_reports_once(store: MemoryStore, world: World) -> None:
    ports, key = await waiting_for_a_job(store, world)
    done = await report(ports, key, "all green", actor="hook:ci")
    assert await report(ports, key, "all green", actor="hook:ci") == done
    with pytest.raises(Refused, match="already closed: done by hook:ci"):
        await report(ports, key, "all red", actor="hook:ci")


@pytest.mark.parametrize(
    ("key", "error"),
    [("t.none", Refused), ("nobody.none", ThreadNotFound), ("", ThreadNotFound)],
)
async def test_what_nobody_waits_for_is_refused(
    key: str, error: type[Exception], store: MemoryStore, world: World
) -> None:
    ports, _ = await waiting_for_a_job(store, world)
    with pytest.raises(error):
        await report(ports, key, "all green", actor="hook:ci")


async def test_a_job_that_is_faster_than_its_tool_is_asked_to_report_again(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(JOB)
    ports = agent_with(store, world, tool, DONE)

    async def too_early() -> None:
        with pytest.raises(Unavailable, match="has not returned yet"):
            await report(ports, tool.keys[0], "all green", actor="hook:ci")

    tool.meanwhile = too_early
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "waiting:job"


async def test_a_job_whose_tool_died_is_not_lost_while_a_person_is_asked(
    store: MemoryStore, world: World
) -> None:
    """Asked what became of it, she says to run it again: then its report finds who waits."""
    tool = Tool(RuntimeError("no answer"))
    ports = agent_with(store, world, tool, DONE)
    doubt = (
        await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    ).state.wait
    assert doubt
    for verdict in ("", "retry"):
        if verdict:
            await resume(ports, "t", doubt.seq, verdict, actor="ana")
        with pytest.raises(Unavailable, match="has not returned yet"):
            await report(ports, tool.keys[0], "all green", actor="hook:ci")
    tool.answer = JOB
    await advance(ports, await store.load("t"))
    await report(ports, tool.keys[0], "all green", actor="hook:ci")
    assert tool.keys == tool.keys[:1] * 2


async def test_a_report_waits_while_its_call_has_to_be_approved_again(
    store: MemoryStore, world: World
) -> None:
    doubt = [make_start(2), make_pause("in_doubt", call=CALL), make_answer(4, "retry")]
    asked = make_pause("approval", "bob", call=CALL)
    thread = await store_thread(store, make_message(), make_step(**CALL), *doubt, asked)
    ports = agent_with(store, world, Tool(JOB))
    with pytest.raises(Unavailable, match="has not returned yet"):
        await report(ports, idempotency_key(thread), "all green", actor="hook:ci")
    with pytest.raises(Refused):
        await report(ports, "t.none", "all green", actor="hook:ci")


async def test_a_job_of_a_thread_that_was_cancelled_is_refused(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(JOB)
    ports = agent_with(store, world, tool)

    async def cancelled() -> None:
        await cancel(ports, "t", actor="ana")
        with pytest.raises(Refused):
            await report(ports, tool.keys[0], "all green", actor="hook:ci")

    tool.meanwhile = cancelled
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "cancelled"
    assert thread.events[-1].data["output"] == "building"


async def test_a_tool_that_was_cancelled_waits_for_nothing(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(JOB, lambda: cancel(ports, "t", actor="ana"))
    ports = agent_with(store, world, tool, DONE)
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "cancelled"
    assert thread.events[-1].data["output"] == "building"


async def test_a_second_start_that_comes_late_closes_no_job(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(JOB)
    ports = agent_with(store, world, tool, DONE, effect="idempotent")

    async def somebody_takes_over() -> None:
        tool.meanwhile = None
        await advance(ports, await store.load("t"))

    tool.meanwhile = somebody_takes_over
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert [past.type for past in thread.events[-2:]] == ["delivered", "tool_finished"]
    assert thread.events[-1].data["late"]
    assert thread.state.status == "waiting:job"
    await report(ports, tool.keys[0], "all green", actor="hook:ci")


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("kind", ["timer", "job"])
async def test_a_tool_that_waited_is_not_run_again_by_what_is_said_next(
    kind: Literal["timer", "job"], effect: Effect, store: MemoryStore, world: World
) -> None:
    tool = Tool(Wait("building", kind=kind))
    ports = agent_with(store, world, tool, DONE, effect=effect)
    await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    if kind == "job":  # a message alone waits its turn
        await cancel(ports, "t", actor="ana")
    await append_message(ports, "t", "go on", actor="ana", delivery="2", source="user")
    ended = await advance(ports, await store.load("t"))
    assert ended.state.status == "finished"
    assert len(tool.keys) == 1


async def test_a_tool_that_returns_after_somebody_asked_what_became_of_it_still_waits(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(JOB)
    ports = agent_with(store, world, tool, DONE)

    async def somebody_asks() -> None:
        await advance(ports, await store.load("t"))
        assert (await store.load("t")).state.status == "waiting:in_doubt"

    tool.meanwhile = somebody_asks
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "waiting:job"
    await report(ports, tool.keys[0], "all green", actor="hook:ci")
    assert (await advance(ports, await store.load("t"))).state.status == "finished"


async def test_a_job_that_never_reports_expires(
    store: MemoryStore, world: World, clock: Clock
) -> None:
    ports, _ = await waiting_for_a_job(store, world)
    clock.tick(61)
    ended = await advance(ports, await keep_time(ports, await store.load("t")))
    assert ended.state.status == "finished"


async def test_a_store_that_is_away_when_a_job_begins_costs_no_second_start(
    world: World,
) -> None:
    class Away(MemoryStore):
        fails = 0

        async def now(self) -> datetime:
            self.fails -= 1
            if self.fails >= 0:
                raise Unavailable("the clock is away")
            return await super().now()

    async def goes() -> None:
        away.fails = 2

    tool, away = Tool(JOB, goes), Away()
    ports = agent_with(away, world, tool, DONE)
    thread = await advance(ports, await store_thread(away, make_message(), make_step(**CALL)))
    assert thread.state.status == "waiting:job"
    assert len(tool.keys) == 1


def circular() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "make",
    [circular, deep, object, lambda: 10**5_000, lambda: "x" * 1_000_000, lambda: ["x" * 999] * 999],
    ids=["circular", "deep", "an object", "a huge number", "1 MB of text", "1 MB in a list"],
)
async def test_an_output_that_is_hard_to_keep_stops_no_thread(
    make: Callable[[], Any], store: MemoryStore, world: World
) -> None:
    ports = agent_with(store, world, Tool(make()), DONE, effect="read")
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "finished"


class Odd:
    """A value that no JSON has."""

    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("make", "output"), [(circular, "[[...]]"), (lambda: {"a": Odd()}, {"a": "odd"})]
)
async def test_an_output_that_is_no_json_is_kept_as_text(
    make: Callable[[], Any], output: Any
) -> None:
    assert (await attempt(make, timeout_s=5)).output == output


async def test_a_tool_may_be_sync_async_or_return_something_to_await() -> None:
    async def later() -> str:
        return "async"

    def now() -> str:
        return "sync"

    assert (await attempt(later, timeout_s=1)).output == "async"
    assert (await attempt(now, timeout_s=1)).output == "sync"
    assert (await attempt(lambda: later(), timeout_s=1)).output == "async"


async def test_a_tool_that_takes_too_long_has_an_unclear_outcome() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    outcome = await attempt(never, timeout_s=0)
    assert "within 0 s" in str(outcome.error)
    assert not outcome.definite


async def fail_when_stopped() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ValueError("odd") from None


async def test_a_tool_that_fails_when_its_time_is_over_says_why() -> None:
    assert (await attempt(fail_when_stopped, timeout_s=0)).error == "ValueError: odd"


async def test_a_tool_that_fails_when_its_call_is_cancelled_has_an_outcome() -> None:
    calling = asyncio.create_task(attempt(fail_when_stopped, timeout_s=60))
    await asyncio.sleep(0)
    calling.cancel()
    assert (await calling).error == "ValueError: odd"


@pytest.mark.parametrize(
    ("raised", "definite", "text"),
    [
        (ToolError("no such tag"), True, "no such tag"),
        (ToolError(), True, "ToolError"),
        (ValueError("odd"), False, "ValueError: odd"),
        (ValueError(), False, "ValueError"),
        (TimeoutError("the other side"), False, "the other side"),
    ],
)
async def test_what_a_tool_raises_says_whether_anything_happened(
    raised: Exception, definite: bool, text: str
) -> None:
    def broken() -> None:
        raise raised

    outcome = await attempt(broken, timeout_s=1)
    assert text in str(outcome.error)
    assert outcome.definite is definite
    assert outcome.error == text or not definite


async def leave_async() -> None:
    sys.exit("gone")


async def await_what_was_cancelled() -> None:
    other = asyncio.create_task(asyncio.Event().wait())
    other.cancel()
    await other


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        (lambda: sys.exit("gone"), "SystemExit: gone"),
        (leave_async, "SystemExit: gone"),
        (lambda: leave_async(), "SystemExit: gone"),
        (await_what_was_cancelled, "CancelledError"),
    ],
)
async def test_a_tool_ends_nothing_but_its_call(tool: Callable[[], Any], text: str) -> None:
    outcome = await attempt(tool, timeout_s=5)
    assert text in str(outcome.error)
    assert not outcome.definite


async def test_a_call_that_is_cancelled_is_cancelled() -> None:
    calling = asyncio.create_task(attempt(asyncio.Event().wait, timeout_s=60))
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_sync_tools_use_the_same_thread_one_after_another() -> None:
    names = [(await attempt(get_thread_id, timeout_s=5)).output for _ in range(20)]
    assert len(set(names)) == 1


def get_thread_id() -> int:
    return threading.get_ident()


async def test_so_many_sync_tools_run_at_once_and_those_that_hang_are_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocking, "MOST", 2)
    running, end = 0, threading.Event()

    def hang() -> None:
        nonlocal running
        running += 1
        end.wait(10)

    calls = [asyncio.create_task(attempt(hang, timeout_s=0.3)) for _ in range(4)]
    await asyncio.sleep(0.1)
    assert running == 2
    outcomes = await asyncio.gather(*calls)
    assert [outcome.error for outcome in outcomes] == ["no answer within 0.3 s"] * 4
    assert running == 4
    assert (await attempt(lambda: "back", timeout_s=5)).output == "back"
    end.set()


async def test_an_async_tool_needs_no_free_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def now() -> str:
        return "now"

    monkeypatch.setattr(blocking, "MOST", 1)
    end = threading.Event()
    hanging = asyncio.create_task(attempt(end.wait, 10, timeout_s=10))
    await asyncio.sleep(0)
    assert (await attempt(now, timeout_s=10)).output == "now"
    assert not hanging.done()
    end.set()
    await hanging


async def test_a_sync_tool_that_runs_out_of_items_is_a_tool_that_failed() -> None:
    def careless() -> Any:
        return next(iter(()))

    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    outcome = await attempt(careless, timeout_s=0.2)
    assert "StopIteration" in str(outcome.error)
    assert not errors


# What follows from an outcome.


@pytest.mark.parametrize("effect", EFFECTS)
async def test_a_definite_failure_is_for_the_model_to_decide(
    effect: str, store: MemoryStore, world: World
) -> None:
    ports = agent_with(store, world, Tool(ToolError("no such tag")), DONE, effect=effect)
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert list_types(thread)[2:5] == ["tool_started", "tool_failed", "step"]
    assert thread.event(4).data["definite"]
    assert thread.event(4).data["error"] == "no such tag"


async def test_a_definite_failure_without_a_word_is_no_success(
    store: MemoryStore, world: World
) -> None:
    ports = agent_with(store, world, Tool(ToolError()), DONE)
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.event(4).type == "tool_failed"


@pytest.mark.parametrize(
    ("effect", "follows"),
    [("read", "tool_failed"), ("idempotent", "tool_failed"), ("once", "paused")],
)
async def test_an_unclear_outcome_is_for_a_person_only_where_repeating_does_harm(
    effect: str, follows: str, store: MemoryStore, world: World
) -> None:
    ports = agent_with(store, world, Tool(OSError("reset")), DONE, effect=effect)
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.event(4).type == follows
    if effect == "once":
        wait = thread.state.wait
        assert wait is not None
        assert (wait.kind, wait.data["call"], wait.data["step"]) == ("in_doubt", CALL, 2)
        assert wait.data["idempotency_key"] == thread.event(3).data["idempotency_key"]
        assert "OSError: reset" in wait.text
    else:
        assert not thread.event(4).data["definite"]


async def test_the_reason_of_a_doubt_survives_a_message_that_came_meanwhile(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(OSError("reset"))
    ports = agent_with(store, world, tool)
    tool.meanwhile = lambda: launch(ports, "t", "hm", actor="ana", delivery="2", source="user")
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.wait is not None
    assert "OSError: reset" in thread.state.wait.text


@pytest.mark.parametrize(
    ("effect", "starts", "after"),
    [
        ("read", 1, "tool_started"),
        ("read", MAX_STARTS - 1, "tool_started"),
        ("read", MAX_STARTS, "tool_failed"),
        ("idempotent", 1, "tool_started"),
        ("idempotent", MAX_STARTS - 1, "tool_started"),
        ("idempotent", MAX_STARTS, "paused"),
        ("once", 1, "paused"),
    ],
)
async def test_a_start_without_a_result_is_settled_by_what_a_repetition_would_do(
    effect: str, starts: int, after: str, store: MemoryStore, world: World
) -> None:
    tool = Tool()
    ports = agent_with(store, world, tool, DONE, effect=effect)
    await store_thread(store, make_message(), make_step(**CALL), *[make_start(2)] * starts)
    thread = await advance(ports, await store.load("t"))
    assert thread.event(starts + 3).type == after
    assert len(tool.keys) == (after == "tool_started")
    if starts == MAX_STARTS:
        assert f"{MAX_STARTS} times" in str(thread.event(starts + 3).data)
    if after == "tool_failed":
        assert not thread.event(starts + 3).data["definite"]
    else:
        assert thread.state.errors == 0


async def test_two_runners_give_a_call_up_once(store: MemoryStore, world: World) -> None:
    ports = agent_with(store, world, Tool(), DONE, effect="read")
    starts = [make_start(2)] * MAX_STARTS
    thread = await store_thread(store, make_message(), make_step(**CALL), *starts)
    for _ in range(2):
        ended = await advance(ports, thread)
    assert list_types(ended).count("tool_failed") == 1


async def test_a_call_that_was_started_and_is_no_call_today_is_put_to_a_person(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(), world, decide=lambda step, thread: Finish("never mind"))
    thread = await store_thread(store, make_message(), make_step(**CALL), make_start(2))
    assert (await advance(ports, thread)).state.status == "waiting:in_doubt"


async def test_a_call_that_is_run_again_has_the_same_key_and_the_model_never_hears_of_it(
    store: MemoryStore, world: World
) -> None:
    tool, model = Tool(), Says(DONE, DONE)
    ports = build_ports(store, model, world, decide=tool.run(effect="idempotent"))
    first = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    killed = MemoryStore()  # holds what was stored when its runner died
    again = await store_thread(killed, *first.events[:3])
    await advance(replace(ports, store=killed), again)
    assert tool.keys[0] == tool.keys[1]
    assert [block.partition("\n")[0] for block in model.prompts[1].blocks] == [
        "<user_message>",
        "<charge>",
        "<charge_result>",
    ]


async def test_a_call_nobody_can_read_any_more_is_put_to_a_person_if_it_was_started(
    store: MemoryStore, world: World
) -> None:
    ports = build_ports(store, Says(), world, steps=JsonSteps(Look | Put | Done))
    await store_thread(store, make_message(), make_step(**CALL), make_start(2))
    thread = await advance(ports, await store.load("t"))
    assert thread.state.status == "waiting:in_doubt"
    assert thread.state.wait is not None
    assert thread.state.wait.audience == ("ana",)


# The names of effects (scenario 16).


async def test_a_call_that_timed_out_keeps_its_key_until_it_is_repeated_on_purpose(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(OSError("reset"))
    ports = agent_with(store, world, tool, CALL, CALL, CALL, DONE, effect="idempotent")

    async def the_second_time_it_works() -> None:
        if len(tool.keys) == 2:
            tool.answer = "ok"

    tool.meanwhile = the_second_time_it_works
    await advance(ports, await store_thread(store, make_message()))
    first, retried, repeated = tool.keys
    assert first == retried
    assert repeated != retried


# Doubt and its answers.


@pytest.mark.parametrize(
    ("verdict", "runs", "seen"),
    [("happened", 0, "confirmed"), ("retry", 1, "charge_result"), ("abort", 0, "given up")],
)
async def test_a_person_settles_a_doubt(
    verdict: str, runs: int, seen: str, store: MemoryStore, world: World
) -> None:
    tool, model = Tool(), Says(DONE)
    ports = build_ports(store, model, world, decide=tool.run())
    await store_thread(
        store, make_message(), make_step(**CALL), make_start(2), make_pause("in_doubt", call=CALL)
    )
    await resume(ports, "t", 4, verdict, actor="ana")
    thread = await advance(ports, await store.load("t"))
    assert len(tool.keys) == runs
    assert seen in "".join(model.prompts[0].blocks)
    assert thread.state.status == "finished"


async def test_whoever_approved_a_call_is_asked_whether_it_happened(
    store: MemoryStore, world: World
) -> None:
    ports = agent_with(store, world, Tool(OSError("reset")), approvers=("bob",))
    approved = [make_pause("approval", "bob", call=CALL), make_answer(3, "approve", "bob")]
    await store_thread(store, make_message(), make_step(**CALL), *approved)
    thread = await advance(ports, await store.load("t"))
    assert thread.state.wait is not None
    assert (thread.state.wait.kind, thread.state.wait.audience) == ("in_doubt", ("bob",))


async def test_a_retry_is_not_forgotten_when_a_message_comes_first(
    store: MemoryStore, world: World
) -> None:
    tool = Tool()
    ports = agent_with(store, world, tool, DONE)
    doubt = [make_step(**CALL), make_start(2), make_pause("in_doubt", call=CALL)]
    await store_thread(
        store, make_message(), *doubt, make_answer(4, "retry"), make_message("thanks")
    )
    await advance(ports, await store.load("t"))
    assert len(tool.keys) == 1


# Late results.


async def stalled(store: MemoryStore, world: World, **how: Any) -> tuple[Tool, Ports, Any]:
    """Return a tool within which another runner takes the thread over, and the agent."""
    tool = Tool("first")
    ports = agent_with(store, world, tool, DONE, **how)

    async def taken_over() -> None:
        tool.meanwhile = None
        tool.answer = "second"
        await advance(ports, await store.load("t"))
        tool.answer = "first"

    tool.meanwhile = taken_over
    return tool, ports, await store_thread(store, make_message(), make_step(**CALL))


async def test_a_late_result_answers_the_doubt_that_another_runner_raised(
    store: MemoryStore, world: World
) -> None:
    tool, ports, thread = await stalled(store, world)
    thread = await advance(ports, thread)
    assert len(tool.keys) == 1
    assert list_types(thread)[2:6] == ["tool_started", "paused", "delivered", "tool_finished"]
    assert thread.state.status == "finished"


async def test_of_two_results_the_first_counts_and_the_other_is_recorded_and_shown(
    store: MemoryStore, world: World
) -> None:
    tool, ports, thread = await stalled(store, world, effect="idempotent")
    thread = await advance(ports, thread)
    assert tool.keys[0] == tool.keys[1]
    results = [each for each in thread.events if each.type == "tool_finished"]
    assert [(each.key, each.data["output"]) for each in results] == [
        ("result:2", "second"),
        ("late:3", "first"),
    ]
    assert {each.actor for each in results} == {"agent"}
    assert thread.state.settled.count(thread.state.settled[0]) == 1


async def test_a_result_that_comes_after_somebody_gave_up_is_recorded_and_never_acted_on(
    store: MemoryStore, world: World
) -> None:
    tool = Tool("it did work")
    model = Says(DONE)
    ports = build_ports(store, model, world, decide=tool.run())

    async def given_up() -> None:
        tool.meanwhile = None
        await advance(ports, await store.load("t"))
        await resume(ports, "t", 4, "abort", actor="ana")

    tool.meanwhile = given_up
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert "it did work" in model.prompts[0].blocks[-1]
    assert thread.state.status == "finished"
    assert thread.state.settled == ()


@pytest.mark.parametrize("answer", [JOB, OSError("reset")], ids=["a job", "unclear"])
@pytest.mark.parametrize("later", [[], [make_step(**DONE)]], ids=["nothing", "another call"])
async def test_a_call_that_was_given_up_while_it_ran_asks_nobody_any_more(
    answer: Any, later: list[Event], store: MemoryStore, world: World
) -> None:
    tool = Tool(answer)
    ports = agent_with(store, world, tool, DONE)

    async def given_up() -> None:
        tool.meanwhile = None
        await advance(ports, await store.load("t"))
        await store.append(await resume(ports, "t", 4, "abort", actor="ana"), *later)

    tool.meanwhile = given_up
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "finished"
    assert list_types(thread).count("paused") == 1


async def test_a_result_that_comes_after_a_read_was_given_up_is_recorded(
    store: MemoryStore, world: World
) -> None:
    tool = Tool("it did work")
    ports = agent_with(store, world, tool, DONE, effect="read")

    async def given_up() -> None:
        tool.meanwhile = None
        await advance(ports, await store.load("t"))

    tool.meanwhile = given_up
    starts = [make_start(2)] * (MAX_STARTS - 1)
    started = await store_thread(store, make_message(), make_step(**CALL), *starts)
    thread = await advance(ports, started)
    results = [each for each in thread.events if each.type.startswith("tool_f")]
    assert [each.type for each in results] == ["tool_failed", "tool_finished"]
    assert [each.data["start"] for each in results] == [0, 2 + MAX_STARTS]
    assert results[-1].data["late"]
    assert thread.state.status == "finished"


# What happens while a tool runs.


async def test_a_message_that_comes_while_a_tool_runs_waits_its_turn(
    store: MemoryStore, world: World
) -> None:
    tool = Tool()
    model = Says(DONE)
    ports = build_ports(store, model, world, decide=tool.run())
    tool.meanwhile = lambda: launch(
        ports, "t", "and then?", actor="ana", delivery="2", source="user"
    )
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert list_types(thread)[2:6] == ["tool_started", "message", "tool_finished", "step"]
    assert len(model.prompts[0].blocks) == 4


async def test_cancelling_while_a_tool_runs_keeps_its_result(
    store: MemoryStore, world: World
) -> None:
    tool = Tool()
    ports = agent_with(store, world, tool)
    tool.meanwhile = lambda: cancel(ports, "t", actor="ana", reason="enough")
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert list_types(thread)[2:] == ["tool_started", "cancelled", "tool_finished"]
    assert thread.state.status == "cancelled"


async def test_an_unclear_outcome_asks_nobody_once_the_thread_was_cancelled(
    store: MemoryStore, world: World
) -> None:
    tool = Tool(OSError("reset"))
    ports = agent_with(store, world, tool)
    tool.meanwhile = lambda: cancel(ports, "t", actor="ana", reason="enough")
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "cancelled"
    assert "paused" not in list_types(thread)


@pytest.mark.parametrize("effect", EFFECTS)
async def test_a_reopened_thread_has_not_forgotten_a_call_whose_outcome_is_unknown(
    effect: Effect, store: MemoryStore, world: World
) -> None:
    tool = Tool()
    ports = agent_with(store, world, tool, effect=effect)
    await store_thread(
        store, make_message(), make_step(**CALL), make_start(2), make_event("cancelled", "ana")
    )
    await append_message(ports, "t", "do it", actor="ana", delivery="2", source="user")
    thread = await advance(ports, await store.load("t"))
    assert tool.keys == []
    assert thread.state.status == "waiting:in_doubt"


# Approval.


async def test_a_call_that_needs_leave_does_not_run_before_it_has_it(
    store: MemoryStore, world: World
) -> None:
    tool = Tool()
    ports = agent_with(store, world, tool, DONE, approvers=("owner", "bob"), expires_s=60)
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert tool.keys == []
    wait = thread.state.wait
    assert wait is not None
    assert (wait.kind, wait.audience, wait.data["call"]) == ("approval", ("ana", "bob"), CALL)
    assert wait.expires_at is not None
    await resume(ports, "t", wait.seq, "approve", actor="bob", digest=wait.data["digest"])
    await advance(ports, await store.load("t"))
    assert [step.amount for step in tool.steps] == [5]


class NewCharge(Charge):
    """Today a charge says what it is for."""

    reason: str


@pytest.mark.parametrize("today", [NewCharge | Done, Look | Done], ids=["changed", "gone"])
async def test_an_approved_call_that_no_longer_fits_does_not_run(
    today: Any, store: MemoryStore, world: World
) -> None:
    tool, model = Tool(), Says(DONE)
    ports = build_ports(store, model, world, steps=JsonSteps(today), decide=tool.run())
    approved = [make_pause("approval", call=RISKY), make_answer(3, "approve")]
    thread = await store_thread(store, make_message(), make_step(**RISKY), *approved)
    thread = await advance(ports, thread)
    assert tool.keys == []
    assert list_types(thread)[4:6] == ["tool_failed", "step"]
    assert "error running charge" in model.prompts[0].blocks[-1]


async def test_an_edited_call_is_the_one_that_runs_and_the_only_one_the_model_sees(
    store: MemoryStore, world: World
) -> None:
    tool, model = Tool(), Says(RISKY, DONE)
    ports = build_ports(store, model, world, decide=tool.run(approvers=("owner",)))
    thread = await advance(ports, await store_thread(store, make_message()))
    wait = thread.state.wait
    assert wait is not None
    digest, edited = wait.data["digest"], {"intent": "charge", "amount": 400}
    await resume(ports, "t", wait.seq, "edit", actor="ana", digest=digest, call=edited)
    await advance(ports, await store.load("t"))
    assert [step.amount for step in tool.steps] == [400]
    assert "amount: 400" in "".join(model.prompts[1].blocks)
    assert "500" not in "".join(model.prompts[1].blocks)


async def test_a_step_has_one_result_however_it_went(store: MemoryStore, world: World) -> None:
    await store_thread(store, make_message(), make_step(**CALL), make_start(2), make_failure(2))
    with pytest.raises(Exception, match=r"taken|grew|at event"):
        await store.append(await store.load("t"), make_result(2))


async def test_a_switch_that_answers_nonsense_is_an_error_for_the_model_to_see(
    store: MemoryStore, world: World
) -> None:
    def decide(step: Any, thread: Thread) -> Any:
        return Finish(step.message) if isinstance(step, Done) else "run it"

    ports = build_ports(store, Says(DONE), world, decide=decide)
    thread = await advance(ports, await store_thread(store, make_message(), make_step(**CALL)))
    assert thread.state.status == "finished"
    assert thread.event(3).type == "tool_failed"

"""Whether a model did as expected: in its next step, over several steps, and for a judge."""

import asyncio
import json
from typing import Any

import pytest

from agent.engine.evals.cases import Case
from agent.engine.evals.reading import read_cases
from agent.engine.evals.verdicts import find_miss, is_scripted, replay
from agent.engine.llms.recorded import RecordedLLM
from agent.engine.log.errors import Misconfigured, ModelRefused, Unavailable
from agent.engine.log.state import Limits
from agent.engine.loop.ports import Ports, Reply

from ..domain import Says, World, make_message, make_thread, rebind
from .lines import CHARGE, DONE, FOLDER, HELLO, LOOK, PUT, RECORDINGS, make_line, write_lines

SKY = {"call": {"intent": "look"}, "output": "it is blue"}


def judge(ports: Ports, *replies: Any, **line: Any) -> str:
    """Return what a case that says `line` makes of these replies."""
    write_lines(make_line(**line))
    (case,) = read_cases(FOLDER)
    return asyncio.run(find_miss(ports.default, case, Says(*replies)))


@pytest.mark.parametrize(
    ("expect", "says", "miss"),
    [
        ([LOOK], LOOK, ""),
        ([{"intent": "look"}], LOOK, ""),
        ([{"intent": "look", "at": "sea"}], LOOK, 'at is not "sea"'),
        ([{"intent": "done"}], LOOK, 'intent is not "done"'),
        ([{"intent": "done"}, LOOK], LOOK, ""),
        ([{"intent": "done"}, {**LOOK, "at": 1}], LOOK, 'intent is not "done" / at is not 1'),
        ([{"intent": "look", "to": "x"}], LOOK, 'to is not "x"'),
        ([{"intent": "look", "at": {"in": ["the sea", "the sky"]}}], LOOK, ""),
        ([{"intent": "look", "at": {"in": ["the sea"]}}], LOOK, "at is not"),
        ([{"intent": "look", "at": {"matches": "^the s"}}], LOOK, ""),
        ([{"intent": "look", "at": {"matches": "^s"}}], LOOK, "at is not"),
        (
            [{"intent": "charge", "amount": {"matches": "^5"}}],
            {"intent": "charge", "amount": 5},
            "",
        ),
        ([LOOK], "I would look at the sky.", "has no"),
        ([LOOK], Reply(json.dumps({"next_step": LOOK}), {}, stop="truncated"), "truncated"),
    ],
)
def test_an_answer_is_held_to_the_arguments_that_are_named(
    expect: list[Any], says: Any, miss: str, ports: Ports
) -> None:
    case = Case("a", make_thread(make_message()), tuple(expect))
    seen = asyncio.run(find_miss(ports.default, case, Says(says)))
    assert miss in seen
    assert bool(miss) == bool(seen)


def test_a_rejected_step_is_any_but_that_one(ports: Ports) -> None:
    assert judge(ports, PUT, expect=None, reject=LOOK) == ""
    miss = judge(ports, LOOK, expect=None, reject=[PUT, {"intent": "look"}])
    assert miss == f"the case rejects this step: {json.dumps(LOOK)}"


# Over several steps.


@pytest.mark.parametrize(
    ("replies", "line", "miss"),
    [
        ([LOOK, DONE], {"end": "finished"}, ""),
        ([LOOK, DONE], {"end": "finished", "steps": 2}, ""),
        ([LOOK, DONE], {"end": ["question", "finished"], "expect": {"intent": "done"}}, ""),
        ([LOOK, LOOK], {"end": "finished", "steps": 2}, "it did not end within 2 steps"),
        ([CHARGE], {"end": "approval", "expect": CHARGE}, ""),
        ([CHARGE], {"end": "approval", "expect": {**CHARGE, "amount": 5}}, "amount is not 5: "),
        ([CHARGE], {"end": "finished"}, "the end is not finished, but approval: Charge"),
        ([DONE], {"end": "approval"}, "the end is not approval, but finished"),
        ([{"intent": "ask_person", "question": "Why?"}], {"end": "question"}, ""),
        ([LOOK, DONE], {"end": "finished", "reject": {"intent": "look"}}, "the case rejects"),
        (["hm", DONE], {"end": "finished", "steps": 2}, ""),
        (["hm"] * 3, {"end": "finished"}, "the end is not finished, but limit: Go on? It made 3"),
        ([PUT], {"end": "finished"}, f"no result for this call of a tool: {json.dumps(PUT)}"),
    ],
)
def test_a_case_with_an_end_is_played_until_then(
    replies: list[Any], line: dict[str, Any], miss: str, ports: Ports
) -> None:
    seen = judge(ports, *replies, **{"expect": None, "tools": [SKY]} | line)
    assert miss in seen
    assert bool(miss) == bool(seen)


def test_no_tool_is_run_unless_the_case_says_so(ports: Ports, world: World) -> None:
    stub = {"call": {"intent": "put"}, "output": "put a cup"}
    played: dict[str, Any] = {"expect": None, "end": "finished"}
    assert judge(ports, PUT, DONE, **played, tools=[stub]) == ""
    judge(ports, PUT, **played)
    assert world.effects("put") == []
    assert judge(ports, PUT, DONE, **played, tools=[{"call": PUT, "run": True}]) == ""
    assert world.effects("put") == ["a cup"]


def test_results_of_the_same_call_are_used_in_their_order(ports: Ports) -> None:
    tools = [{"call": PUT, "error": "the shelf is full"}, {"call": PUT, "output": "put a cup"}]
    write_lines(make_line(expect=DONE, end="finished", tools=tools))
    (case,) = read_cases(FOLDER)
    llm = Says(PUT, PUT, PUT, DONE)
    assert asyncio.run(find_miss(ports.default, case, llm)) == ""
    read = [prompt.blocks[-1] for prompt in llm.prompts[1:]]
    assert ["full" in text for text in read] == [True, False, False]


def test_nothing_is_prefetched_and_what_came_before_is_not_counted(ports: Ports) -> None:
    fetched: list[str] = []
    bound = rebind(ports, prefetch=lambda thread: fetched.append(thread.id), limits=Limits(steps=9))
    step = {"type": "step", "actor": "agent", "data": {"call": LOOK}}
    thread = [HELLO, step, {"type": "tool_finished", "data": {"step": 2, "output": "blue"}}]
    assert judge(bound, DONE, expect=DONE, end="finished", steps=1, thread=thread) == ""
    assert judge(bound, LOOK, DONE, thread=[HELLO], end="finished", tools=[SKY], expect=DONE) == ""
    assert fetched == []


@pytest.mark.parametrize("error", [ModelRefused("no key"), Unavailable("429")])
def test_a_model_that_fails_in_the_middle_is_raised(error: Exception, ports: Ports) -> None:
    with pytest.raises(type(error), match=str(error)):
        judge(ports, LOOK, error, end="finished", tools=[SKY])


# The owner's judge.

JUDGES = [
    ("return None", ""),
    ("return ''", ""),
    ("return f'{case.name} took {thread.events[-1].data}'", "judge: a took {'call': {'intent': "),
    ("raise ValueError('bad')", "judge() failed: ValueError: bad"),
    ("return 3", "judge() failed: it returned 3, not a reason or None"),
]


@pytest.mark.parametrize(("body", "miss"), JUDGES)
@pytest.mark.parametrize("start", ["def", "async def"])
def test_a_judge_may_say_what_is_bad_about_it(
    start: str, body: str, miss: str, ports: Ports
) -> None:
    FOLDER.mkdir(parents=True)
    code = f"{start} judge(case, thread):\n    {body}\n"
    (FOLDER / "judge.py").write_text(code, "utf-8")
    try:
        seen = judge(ports, LOOK)
    except Misconfigured as error:
        seen = str(error)
    assert miss in seen
    assert bool(miss) == bool(seen)


def test_a_judge_reads_all_that_was_played_and_not_what_is_wrong_anyway(ports: Ports) -> None:
    FOLDER.mkdir(parents=True)
    code = "def judge(case, thread):\n    return ' '.join(each.type for each in thread.events)\n"
    (FOLDER / "judge.py").write_text(code, "utf-8")
    played = judge(ports, LOOK, DONE, expect=DONE, end="finished", tools=[SKY])
    assert played == "judge: message step tool_started tool_finished step finished"
    assert "judge" not in judge(ports, PUT)


# Recordings.


def record(ports: Ports, model: str, *replies: Any) -> str:
    (case,) = read_cases(FOLDER)
    llm = RecordedLLM(Says(*replies), RECORDINGS, model)
    return asyncio.run(find_miss(ports.default, case, llm))


def test_a_case_of_several_steps_is_replayed_for_each_model(ports: Ports) -> None:
    write_lines(make_line(expect=DONE, end="finished", tools=[SKY]))
    (case,) = read_cases(FOLDER)
    record(ports, "a", LOOK, DONE)
    record(ports, "b", DONE)
    record(ports, "c", LOOK, {"intent": "ask_person", "question": "Why?"})
    seen = asyncio.run(replay(ports.default, case, RECORDINGS))
    assert (seen["a"], seen["b"]) == ("", "")
    assert "the end is not finished, but question" in seen["c"]

    write_lines(make_line(expect=DONE, end="finished", tools=[{**SKY, "output": "grey"}]))
    (case,) = read_cases(FOLDER)
    assert asyncio.run(replay(ports.default, case, RECORDINGS)) == {"b": ""}


@pytest.mark.parametrize(
    ("models", "scripted"),
    [
        ((), True),
        (("scripted",), True),
        (("scripted:sample/demo.jsonl",), True),
        (("scripted", "openai:gpt"), False),
    ],
)
def test_a_recording_is_scripted_until_a_model_was_recorded(
    models: tuple[str, ...], scripted: bool
) -> None:
    assert is_scripted(RECORDINGS)
    reply = {"text": "", "tokens": {}}
    lines = [{"model": model, "key": "k", "reply": reply} for model in models]
    write_lines({"about": "these"}, *lines, name="recordings")
    assert is_scripted(RECORDINGS) == scripted

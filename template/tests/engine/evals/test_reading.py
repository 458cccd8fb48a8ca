"""What a line of a case may say, and the owner's judge beside it."""

from typing import Any

import pytest

from agent.engine.evals.reading import read_cases
from agent.engine.log.errors import Misconfigured

from .lines import FOLDER, HELLO, LOOK, make_line, write_lines

STUB = {"call": LOOK, "output": "blue"}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([{"expect": LOOK, "thread": [HELLO]}], "name"),
        ([make_line(expect={"at": "the sky"})], "intent"),
        ([make_line(expect="look")], "cannot be read"),
        ([make_line(expect=None)], "KeyError: 'expect'"),
        ([make_line(expect={**LOOK, "at": {"matches": "("}})], "case 'a' cannot be read"),
        ([make_line(reject=[{"at": "the sky"}])], "intent"),
        ([make_line(thread=[{**HELLO, "type": "mesage"}])], "no event is called {'mesage'}"),
        ([make_line(thread=[{**HELLO, "seq": 1}])], "seq"),
        ([make_line(thread=[{**HELLO, "data": {}}])], "text"),
        ([make_line(thread=[HELLO, {"type": "tool_finished", "data": {"step": 9}}])], "case 'a'"),
        ([make_line(), make_line("b"), make_line("b")], "several cases are called 'b'"),
        (["case"], "line 1 of a file is not a JSON object"),
        ([make_line(ends="finished")], "'ends' is none of about, end, expect"),
        ([make_line(end="done")], "end is one of finished, question, approval"),
        ([make_line(steps=3)], "steps and tools belong to a case with an end"),
        ([make_line(tools=[STUB])], "steps and tools belong to a case with an end"),
        ([make_line(end="finished", steps=True)], "steps is a number from 1, not True"),
        ([make_line(end="finished", steps=0)], "steps is a number from 1, not 0"),
        ([make_line(end="finished", tools=[{"output": 1}])], "KeyError: 'call'"),
        ([make_line(end="finished", tools=[{**STUB, "runs": True}])], "'runs' is none of call"),
    ],
)
def test_a_case_that_is_wrong_is_named(lines: list[Any], problem: str) -> None:
    write_lines(*lines)
    with pytest.raises(Misconfigured) as raised:
        read_cases(FOLDER)
    assert problem in str(raised.value)


def test_recordings_are_no_cases() -> None:
    write_lines(make_line())
    write_lines({"about": "people read this"}, name="recordings")
    assert [case.name for case in read_cases(FOLDER)] == ["a"]


@pytest.mark.parametrize("code", ["", "judge = 1 / 0", "def judge(case"])
def test_a_judge_that_cannot_be_loaded_is_named(code: str) -> None:
    write_lines(make_line())
    (FOLDER / "judge.py").write_text(code, "utf-8")
    with pytest.raises(Misconfigured, match=r"judge\.py' has no judge\(case, thread\)"):
        read_cases(FOLDER)

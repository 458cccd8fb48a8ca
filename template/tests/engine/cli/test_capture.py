"""Cases of real threads: one step, or all that people rated."""

import asyncio
from typing import Any

import pytest

from agent.engine.context.window import Prompt
from agent.engine.evals.reading import read_cases
from agent.engine.evals.verdicts import replay
from agent.engine.llms.recordings import list_models
from agent.engine.log.events import Event, make_event

from ..domain import make_message, make_start
from ..evals.lines import DONE, FOLDER, LOOK, PUT, RECORDINGS, make_line, write_lines
from .conftest import Desk


def step_of(desk: Desk, **changes: Any) -> Event:
    prompts = desk.plugged.default.prompts
    sha = Prompt(prompts.system, (), 0, prompts.next_step).sha
    cost = {"tokens": {"input": 9}, "model": "gpt", "prompt_sha": sha}
    return make_event("step", **{"call": LOOK, **cost, **changes})


def rate(step: int, rating: str, actor: str = "ana", text: str = "") -> Event:
    return make_event("rated", actor, step=step, rating=rating, text=text)


def capture(desk: Desk, *words: str) -> Any:
    return desk.agent("eval", "capture", *words)


async def replayed(desk: Desk) -> list[dict[str, str]]:
    agent = desk.plugged.default
    return [await replay(agent, each, RECORDINGS) for each in read_cases(FOLDER)]


def test_a_step_of_a_real_thread_is_a_case_and_needs_no_model(desk: Desk) -> None:
    log = make_message("naïve \u2028", "bob"), step_of(desk), make_start(2)
    thread = desk.happened(*log, thread_id="0123456789")
    done = capture(desk, "0123", "--at", "2")
    assert (done.exit_code, done.stdout) == (0, "evals/test/captured.jsonl: 01234567-2\n")
    (captured,) = read_cases(FOLDER)
    assert captured.expect == (LOOK,)
    assert [each.data for each in captured.thread.events] == [thread.events[0].data]
    assert captured.thread.state.owner == "bob"
    assert asyncio.run(replayed(desk)) == [{"gpt": ""}]


@pytest.mark.parametrize(
    ("configured", "reported", "recorded"),
    [
        ("openai:gpt", "gpt", "openai:gpt"),
        ("openai:gpt", "gpt-2026-01-31", "openai:gpt"),
        ("openai:gpt", "gpt-mini", "gpt-mini"),
        ("", "gpt", "gpt"),
        ("scripted:a.jsonl", "scripted", "scripted"),
    ],
)
def test_a_recording_has_the_name_that_its_model_has_in_the_settings(
    configured: str, reported: str, recorded: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", configured)
    desk.happened(make_message(), step_of(desk, model=reported))
    capture(desk, "t", "--at", "2")
    assert list_models(RECORDINGS) == [recorded]


def test_what_was_said_to_other_prompts_is_not_recorded(desk: Desk) -> None:
    desk.happened(make_message(), step_of(desk, prompt_sha="other"))
    done = capture(desk, "t", "--at", "2", "--name", "a")
    assert "Re-record: uv run agent eval record" in done.stderr
    assert asyncio.run(replayed(desk)) == [{}]


@pytest.mark.parametrize(
    ("words", "reason", "code"),
    [
        (("t", "--at", "1"), "event 1 is not a step; the steps of this thread are 2, 3", 1),
        (("t", "--at", "3"), "event 3 is no longer a valid step", 1),
        (("t", "--at", "2", "--name", "a"), "there is a case 'a' already", 1),
        (("x", "--at", "2"), "no thread's id begins with 'x'", 1),
        (("t",), "name a thread and --at N, or only --rated bad", 2),
        ((), "name a thread and --at N, or only --rated bad", 2),
        (("t", "--at", "2", "--rated", "bad"), "or only --rated bad", 2),
    ],
)
def test_what_cannot_be_captured_changes_nothing(
    words: tuple[str, ...], reason: str, code: int, desk: Desk
) -> None:
    write_lines(make_line())
    gone = step_of(desk, call={"intent": "gone"})
    desk.happened(make_message(), step_of(desk), gone)
    done = capture(desk, *words)
    assert done.exit_code == code
    assert reason in done.stderr
    assert [path.name for path in FOLDER.rglob("*.jsonl")] == ["some.jsonl"]


def test_a_case_is_a_line_of_its_own_whatever_an_editor_left(desk: Desk) -> None:
    write_lines(make_line(), name="captured")  # without an end of the last line
    desk.happened(make_message(), step_of(desk))
    capture(desk, "t", "--at", "2")
    assert [case.name for case in read_cases(FOLDER)] == ["a", "t-2"]


# What people rated.


def test_a_step_that_was_rated_bad_is_a_case_that_rejects_it(desk: Desk) -> None:
    rated = rate(2, "bad", "bob", "not the sky")
    desk.happened(make_message(), step_of(desk), rated, rate(2, "bad", "eve"), thread_id="u")
    desk.happened(make_message(), step_of(desk, call=DONE), rate(2, "good"))
    done = capture(desk, "--rated", "bad")
    assert (done.exit_code, done.stdout) == (0, "evals/test/captured.jsonl: u-2\n")
    (captured,) = read_cases(FOLDER)
    assert (captured.reject, captured.expect) == ((LOOK,), ())
    assert [each.type for each in captured.thread.events] == ["message"]
    assert '"about": "bob: not the sky"' in (FOLDER / "captured.jsonl").read_text("utf-8")
    assert "rejects this step" in asyncio.run(replayed(desk))[0]["gpt"]


def test_a_step_that_was_rated_good_is_expected(desk: Desk) -> None:
    desk.happened(make_message(), step_of(desk), rate(2, "good"))
    capture(desk, "--rated", "good")
    assert read_cases(FOLDER)[0].expect == (LOOK,)


def test_the_last_word_of_each_person_counts(desk: Desk) -> None:
    steps = step_of(desk), step_of(desk, call=PUT)
    desk.happened(make_message(), *steps, rate(2, "bad"), rate(3, "bad"), rate(2, "good"))
    assert capture(desk, "--rated", "bad").stdout == "evals/test/captured.jsonl: t-3\n"


def test_what_is_a_case_already_or_cannot_be_one_is_skipped(desk: Desk) -> None:
    gone = step_of(desk, call={"intent": "gone"})
    desk.happened(make_message(), gone, rate(2, "bad"), thread_id="s")
    desk.happened(make_message(), step_of(desk), rate(2, "bad"))
    assert capture(desk, "--rated", "bad").stdout == "evals/test/captured.jsonl: t-2\n"
    again = capture(desk, "--rated", "bad")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "s-2: skipped, as event 2 is no longer a valid step" in again.stderr
    assert "t-2: a case already" in again.stderr


def test_without_a_rating_nothing_is_captured(desk: Desk) -> None:
    done = capture(desk, "--rated", "bad")
    assert (done.exit_code, "No step is rated bad" in done.stderr) == (0, True)

import json

import pytest

from agent.context import MAX_CONTEXT

from ...domain import chose, paused, returned, said, started
from .conftest import Desk


def test_the_log_is_one_line_an_event(desk: Desk) -> None:
    desk.happened(
        said("hi\nthere"), chose("look", at="x"), started(2), returned(2, {"sky": "blue"})
    )
    ran = desk.agent("show", "t")
    assert [" ".join(line.split()[1:]) for line in ran.stdout.splitlines()] == [
        "WHEN WHO WHAT",
        "just now ana said: hi there",
        'just now agent next step: look(at="x")',
        "just now agent started look",
        'just now agent look returned: {"sky": "blue"}',
    ]
    assert ran.stderr == "Thread t: nobody runs it\n\n"


def test_an_open_wait_is_shown_with_the_way_to_answer_it(desk: Desk) -> None:
    desk.happened(said(), paused("question"))
    assert desk.agent("show", "t").stderr.endswith("agent answer t:2 'TEXT'\n")


def test_no_id_means_the_thread_that_changed_last(desk: Desk) -> None:
    assert "there are no threads yet" in desk.agent("show").stderr
    desk.happened(said("only one"))
    assert "only one" in desk.agent("show").stdout


def test_as_json_every_event_is_complete_and_on_a_line(desk: Desk) -> None:
    thread = desk.happened(said("caf\u00e9\n\x1b[2J"), paused("question"))
    ran = desk.agent("show", "t", "--json")
    assert ran.stdout.isascii()
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["data"] for line in lines] == [each.data for each in thread.events]
    assert lines[0].keys() == {"seq", "type", "at", "actor", "key", "data"}


def test_the_prompt_is_what_the_model_is_sent(desk: Desk) -> None:
    desk.happened(said("look up"))
    shown = desk.agent("show", "t", "--prompt").stdout
    desk.says({"intent": "done", "message": "bye"})
    desk.agent("run", "--thread", "t")
    (sent,) = desk.llm.prompts
    assert shown == "\n\n".join([sent.system, *sent.blocks, sent.ask]) + "\n"


def test_the_prompt_of_a_long_thread_is_the_compacted_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.context.MAX_CONTEXT", 1000)
    assert MAX_CONTEXT > 1000
    desk.happened(*(said(f"message {number} " + "blah " * 20) for number in range(20)))
    assert "<earlier_events>" in desk.agent("show", "t", "--prompt").stdout
    assert len(desk.thread().events) == 20

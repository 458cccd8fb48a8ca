"""What people see of prompts: the next one, where it is cached, what changed and what it cost."""

import json
from dataclasses import replace

import pytest

from agent.engine.cli.prompts import ESTIMATED
from agent.engine.context.window import Prompt
from agent.engine.log.events import Event, make_event
from agent.engine.tokens import estimate_tokens

from ..domain import STEPS, make_message, make_result, make_start, make_step
from .conftest import Desk

SCHEMA_TOKENS = estimate_tokens(json.dumps(STEPS.schema))


def shown(desk: Desk) -> tuple[str, list[str]]:
    """Return the prompt and the notes between its parts."""
    lines = desk.agent("show", "t", "--prompt").stdout.splitlines()
    notes = [line for line in lines if line.startswith("[")]
    text = "\n".join(line for line in lines if line not in notes).rstrip("\n")
    text, _, schema = text.rpartition("\n\n{")
    assert json.loads(f"{{{schema}") == STEPS.schema
    return text.rstrip("\n"), notes


@pytest.mark.parametrize("steps", [0, 1])
def test_the_prompt_is_what_the_model_is_sent(desk: Desk, steps: int) -> None:
    looked = [make_step("look", at="x"), make_start(2), make_result(2)]
    desk.happened(make_message("look up"), *(looked * steps))
    text, notes = shown(desk)
    desk.says({"intent": "done", "message": "bye"})
    desk.agent("run", "--thread", "t")
    (sent,) = desk.llm.prompts
    assert text == "\n\n".join([sent.system, *sent.blocks, sent.ask])
    before = ["[events the call before had, cache mark; about 18 tokens]"] * steps
    now = f"[new events, cache mark; about {22 if steps else 18} tokens]"
    assert notes == [
        "[system prompt, cache mark; about 6 tokens]",
        *before,
        now,
        "[question, never cached; about 4 tokens]",
        f"[schema of the answer, sent beside the prompt; about {SCHEMA_TOKENS:,} tokens]",
        ESTIMATED,
    ]


def test_of_a_prompt_that_is_too_long_the_question_for_a_summary_comes_first(desk: Desk) -> None:
    desk.happened(*(make_message(f"message {number} " + "xxx " * 2250) for number in range(60)))
    text, _ = shown(desk)
    assert text.endswith("\n\nIn short?")
    assert "message 0 " in text
    assert len(desk.thread().events) == 60


def stepped(sha: str, event_type: str = "step") -> Event:
    return make_event(
        event_type, call={"intent": "look", "at": "x"}, error="", output="", prompt_sha=sha
    )


def test_the_log_says_where_the_prompts_changed(desk: Desk) -> None:
    desk.happened(
        make_message(),
        stepped("a"),
        make_message(),
        stepped("a"),
        stepped("b", "invalid_step"),
        stepped("b"),
    )
    lines = desk.agent("show", "t").stdout.splitlines()[1:]
    assert [line.partition(" (prompts changed, now ")[2] for line in lines] == [*[""] * 4, "b)", ""]


@pytest.mark.parametrize(
    ("costs", "shown"),
    [
        ([], ""),
        ([{}], ""),
        ([{"input": 1200, "output": 30}, {"input": 1, "output": 1}], "1,201 in, 31 out"),
        ([{"input": 1200, "output": 30, "cached": 1000}], "1,200 in (1,000 cached), 30 out"),
    ],
)
def test_a_thread_is_shown_with_what_it_cost(
    desk: Desk, costs: list[dict[str, int]], shown: str
) -> None:
    desk.happened(make_message("hi"), *(make_event("discarded", tokens=cost) for cost in costs))
    head = desk.agent("show", "t").stderr.splitlines()[0]
    assert head == f"Thread t: stalled{shown and f'; tokens: {shown}'}"


def test_a_model_that_has_to_read_the_schema_gets_it_in_the_system_prompt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complete(prompt: Prompt, schema: object) -> Prompt:
        return replace(prompt, system=f"{prompt.system}\n\nthe schema: {json.dumps(schema)}")

    monkeypatch.setattr(desk.llm, "complete", complete, raising=False)
    step = make_event("step", call={"intent": "look"}, format="json mode: no schemas here")
    desk.happened(make_message("hi"), step)
    said = desk.agent("show", "t", "--prompt").stdout
    assert f"the schema: {json.dumps(STEPS.schema)}" in said
    assert "sent beside the prompt" not in said
    assert "[The last reply was asked for as json mode: no schemas here]" in said

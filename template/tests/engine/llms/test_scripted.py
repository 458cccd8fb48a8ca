import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.engine.context.blocks import render_block
from agent.engine.context.window import Prompt
from agent.engine.llms.scripted import Line, ScriptedLLM
from agent.engine.log.errors import Misconfigured, ModelRefused
from agent.engine.loop.api import fork, launch
from agent.engine.stores.memory import MemoryStore

from ..domain import World, advance, build_ports
from .contract import COOK, SEARCH, SERVE, STEPS


def make_prompt(*blocks: str) -> Prompt:
    """Return a prompt of these blocks, with a step wherever something was searched for."""
    return Prompt("You cook.", blocks, 0, "What next?", decisions=blocks.count(SEARCHED))


USER = render_block("user_message", "soup, please")
SEARCHED = render_block("search", {"title": "leek soup"})
FOUND = render_block("search_result", {"minutes": 25})


async def test_a_reply_names_the_script_as_its_model() -> None:
    reply = await ScriptedLLM.of(SERVE)(make_prompt(USER), STEPS.schema)

    assert (reply.model, reply.tokens) == ("scripted", {})


@pytest.mark.parametrize(("decisions", "chosen"), [(0, SEARCH), (1, COOK), (2, SERVE)])
async def test_the_place_is_the_number_of_decisions_before(
    decisions: int, chosen: dict[str, object]
) -> None:
    prompt = replace(make_prompt(USER, SEARCHED, FOUND), decisions=decisions)
    reply = await ScriptedLLM.of(SEARCH, COOK, SERVE)(prompt, STEPS.schema)

    assert STEPS.read(reply.text) == chosen


async def test_a_bad_reply_is_passed_on_unchanged() -> None:
    reply = await ScriptedLLM.of("no JSON at all")(make_prompt(USER), STEPS.schema)

    assert reply.text == "no JSON at all"


async def test_past_the_end_of_the_script_is_an_error() -> None:
    with pytest.raises(Misconfigured, match=r"has 1 steps.*Set MODEL"):
        await ScriptedLLM.of(SEARCH)(make_prompt(USER, SEARCHED), STEPS.schema)


async def test_a_prompt_without_the_expected_text_is_an_error() -> None:
    llm = ScriptedLLM(Line(SEARCH, expect="soup"), Line(SERVE, expect="minutes: 25"))

    assert STEPS.read((await llm(make_prompt(USER), STEPS.schema)).text) == SEARCH
    with pytest.raises(Misconfigured, match=r"step 2 expects 'minutes: 25'"):
        await llm(make_prompt(USER, SEARCHED), STEPS.schema)
    assert STEPS.read((await llm(make_prompt(USER, SEARCHED, FOUND), STEPS.schema)).text) == SERVE


async def test_a_file_has_one_step_on_each_line(tmp_path: Path) -> None:
    path = tmp_path / "story.jsonl"
    path.write_text(
        json.dumps({"step": SEARCH, "expect": "soup"}) + "\n\n" + '{"step": "Hmm."}\n', "utf-8"
    )

    llm = ScriptedLLM.from_file(path)

    assert STEPS.read((await llm(make_prompt(USER), STEPS.schema)).text) == SEARCH
    assert (await llm(make_prompt(USER, SEARCHED), STEPS.schema)).text == "Hmm."


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("not JSON", "line 1"),
        ('{"step": "a"}\n[]', "line 2"),
        ('{"stop": "a"}', "step 1 of"),
        ('{"step": "a", "expects": "b"}', "step 1 of"),
    ],
)
def test_an_invalid_script_names_the_line(tmp_path: Path, written: str, problem: str) -> None:
    path = tmp_path / "story.jsonl"
    path.write_text(written, "utf-8")

    with pytest.raises(Misconfigured, match=problem) as raised:
        ScriptedLLM.from_file(path)

    assert raised.value.__notes__ == [f"The file is {str(path)!r}."]


@pytest.mark.parametrize("prompt", [make_prompt(USER), make_prompt(USER, SEARCHED)])
async def test_a_script_that_does_not_fit_tells_people_nothing_of_its_path(
    prompt: Prompt, tmp_path: Path
) -> None:
    path = tmp_path / "story.jsonl"
    path.write_text(json.dumps({"step": SEARCH, "expect": "salad"}), "utf-8")

    with pytest.raises(ModelRefused) as raised:
        await ScriptedLLM.from_file(path)(prompt, STEPS.schema)

    shown = f"{raised.value} {raised.value.cause}"
    assert not [part for part in path.parts if part in shown]
    assert raised.value.__notes__ == [f"The file is {str(path)!r}."]


def test_the_model_setting_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Misconfigured, match="a file cannot be read: No such file") as raised:
        ScriptedLLM.from_env("other.jsonl")
    assert raised.value.__notes__ == ["The file is 'other.jsonl'."]
    with pytest.raises(Misconfigured, match="MODEL=scripted does not name a file"):
        ScriptedLLM.from_env("")


async def test_another_process_and_a_fork_continue_at_the_right_place(
    store: MemoryStore, world: World
) -> None:
    story = (
        {"intent": "look", "at": "the shelf"},
        "not a step",
        {"intent": "ask_person", "question": "Which one?"},
        {"intent": "done", "message": "bye"},
    )
    ports = build_ports(store, ScriptedLLM.of(*story), world)
    thread = await launch(ports, "t", "go", actor="ana", delivery="1", source="user")
    thread = await advance(ports, thread)
    assert thread.state.status == "waiting:question"

    other = build_ports(store, ScriptedLLM.of(*story), world)
    ended = await launch(other, "t", "that one", actor="ana", delivery="2", source="user")
    ended = await advance(other, ended)
    copy = await fork(other, "t", len(thread.events), actor="ana", delivery="1")
    branch = await advance(other, copy)

    assert ended.state.status == "finished"
    assert branch.state.status == "waiting:question"

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.engine.llms.recorded import RecordedLLM
from agent.engine.log.errors import Misconfigured, NotRecorded, Unavailable
from agent.engine.loop.ports import Reply

from ..domain import Says
from .contract import PROMPT, SERVE, STEPS, say

REPLY = Reply(say(SERVE), {"input": 100, "output": 9, "cached": 40}, model="some-model")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a recording of one reply."""
    path = tmp_path / "very" / "deep" / "replies.jsonl"
    await RecordedLLM(Says(REPLY), path)(PROMPT, STEPS.schema)
    return path


async def test_a_recorded_prompt_is_answered_without_a_model(path: Path) -> None:
    reply = await RecordedLLM(None, path)(PROMPT, STEPS.schema)

    assert reply == replace(REPLY, model="recorded:some-model")


async def test_a_recorded_prompt_is_not_paid_for_again(path: Path) -> None:
    model = Says(REPLY)

    await RecordedLLM(model, path)(PROMPT, STEPS.schema)

    assert model.prompts == []


async def test_a_new_prompt_is_added_to_the_recording(path: Path) -> None:
    later = replace(PROMPT, blocks=(*PROMPT.blocks, "<more>\n</more>"))
    await RecordedLLM(Says(replace(REPLY, stop="truncated")), path)(later, STEPS.schema)

    replay = RecordedLLM(None, path)

    assert (await replay(PROMPT, STEPS.schema)).stop == "end"
    assert (await replay(later, STEPS.schema)).stop == "truncated"


@pytest.mark.parametrize(
    "changed",
    [
        replace(PROMPT, system="You bake."),
        replace(PROMPT, blocks=PROMPT.blocks[:1]),
        replace(PROMPT, ask="And now?"),
    ],
)
async def test_a_changed_prompt_is_an_error_that_says_how_to_record_it(
    path: Path, changed: object
) -> None:
    with pytest.raises(Misconfigured, match=r"To record again, delete the file") as raised:
        await RecordedLLM(None, path)(changed, STEPS.schema)  # type: ignore[arg-type]  # a Prompt

    assert not [part for part in path.parts if part in str(raised.value)]
    assert raised.value.__notes__ == [f"The file is {str(path)!r}."]


async def test_a_changed_schema_is_an_error_too(path: Path) -> None:
    with pytest.raises(Misconfigured, match="To record again"):
        await RecordedLLM(None, path)(PROMPT, {"type": "object"})


def test_a_recording_may_have_a_description_and_any_text(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_text('{"about": "people read this"}\n', "utf-8")
    odd = replace(REPLY, text="naïve \u2028 \x85 \U0001f600")
    asyncio.run(RecordedLLM(Says(odd), path)(PROMPT, STEPS.schema))

    reply = asyncio.run(RecordedLLM(None, path)(PROMPT, STEPS.schema))

    assert reply.text == odd.text


async def test_what_was_seen_before_does_not_change_a_prompt(path: Path) -> None:
    reply = await RecordedLLM(None, path)(replace(PROMPT, seen=0), STEPS.schema)

    assert reply.text == REPLY.text


async def test_an_unavailable_model_records_nothing(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"

    with pytest.raises(Unavailable):
        await RecordedLLM(Says(Unavailable("429")), path)(PROMPT, STEPS.schema)

    assert not path.exists()


async def test_a_recording_answers_for_no_other_model(path: Path) -> None:
    other = Says(replace(REPLY, text="{}", model="other-model"))
    reply = await RecordedLLM(other, path, "openai:other")(PROMPT, STEPS.schema)

    assert reply.text == "{}"
    assert (await RecordedLLM(None, path)(PROMPT, STEPS.schema)).text == REPLY.text
    with pytest.raises(NotRecorded):
        await RecordedLLM(None, path, "openai:another")(PROMPT, STEPS.schema)


async def test_a_replay_of_several_models_names_one(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    await RecordedLLM(Says(REPLY), path, "a:1")(PROMPT, STEPS.schema)
    await RecordedLLM.from_env(str(path))(PROMPT, STEPS.schema)
    await RecordedLLM(Says(replace(REPLY, text="{}")), path, "b:2")(PROMPT, STEPS.schema)

    assert (await RecordedLLM.from_env(f"{path}#b:2")(PROMPT, STEPS.schema)).text == "{}"
    with pytest.raises(Misconfigured, match="has recordings of a:1, b:2") as raised:
        RecordedLLM.from_env(str(path))
    assert raised.value.__notes__ == [f"The file is {str(path)!r}."]


def test_a_replay_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="does not name a file"):
        RecordedLLM.from_env("")
    with pytest.raises(Misconfigured, match="cannot be read"):
        RecordedLLM.from_env(str(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    "line", ['{"key": "a", "reply', '{"step": {}}', '{"key": "", "reply": {}}']
)
def test_an_invalid_recording_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_text(line, "utf-8")

    with pytest.raises(Misconfigured) as raised:
        RecordedLLM(None, path)

    assert raised.value.__notes__ == [f"The file is {str(path)!r}."]
    assert path.name not in str(raised.value)

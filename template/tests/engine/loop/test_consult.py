"""A question of plain code to the model: typed, recorded before the tool goes on, asked once."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from agent.engine.build import _prompts
from agent.engine.context.window import Prompts
from agent.engine.llms.scripted import Line, ScriptedLLM
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Call, Run
from agent.engine.loop.ports import Ports
from agent.engine.loop.steps import Step
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Says,
    World,
    advance,
    build_ports,
    list_types,
    make_decide,
    make_message,
    rebind,
    store_thread,
)

LOOK = {"intent": "look", "at": "the letter"}
DONE = {"intent": "done", "message": "bye"}
ANGRY = {"intent": "mood", "word": "angry"}
PROMPTS = Prompts("You are a test.", "What next?", files={"mood.md": "Name the mood."})


class Mood(Step):
    intent: Literal["mood"]
    word: Literal["angry", "calm"]


async def look(step: Any, call: Call) -> str:
    found = await call.ask_model("mood.md", Mood, letter="<letter>Give it back!</letter>")
    return found.word


def make_ports(store: MemoryStore, world: World, *replies: Any, tool: Any = look) -> Ports:
    others = make_decide(world)

    def decide(step: Any, thread: Thread) -> Action:
        action: Action = others(step, thread)
        return Run(tool, effect="read") if isinstance(action, Run) else action

    return build_ports(store, Says(*replies), world, decide=decide, prompts=PROMPTS)


def prompts(ports: Ports) -> list[Any]:
    model = ports.default.llm
    assert isinstance(model, Says)
    return model.prompts


def consulted(thread: Thread) -> list[Event]:
    return [past for past in thread.events if past.type == "consulted"]


async def test_a_tool_gets_the_typed_answer_of_the_model(store: MemoryStore, world: World) -> None:
    ports = make_ports(store, world, LOOK, ANGRY, DONE)
    thread = await advance(ports, await store_thread(store, make_message()))
    result = next(past for past in thread.events if past.type == "tool_finished")
    assert (result.data["output"], thread.state.status) == ("angry", "finished")


async def test_the_model_reads_the_prompt_file_and_the_values_escaped(
    store: MemoryStore, world: World
) -> None:
    ports = make_ports(store, world, LOOK, ANGRY, DONE)
    await advance(ports, await store_thread(store, make_message()))
    question = prompts(ports)[1]
    assert question.system == "Name the mood."
    assert question.blocks[0].startswith("<letter>\n")
    assert question.blocks[0].count("</letter>") == 1


async def test_an_answer_is_recorded_and_counts_to_the_limits(
    store: MemoryStore, world: World
) -> None:
    ports = make_ports(store, world, LOOK, ANGRY, DONE)
    thread = await advance(ports, await store_thread(store, make_message()))
    (event,) = consulted(thread)
    assert (event.data["call"], event.data["step"]) == (ANGRY, 2)
    assert thread.state.tokens == 3 * 15
    assert "angry" not in prompts(ports)[2].blocks[0]


async def test_a_tool_that_is_run_again_does_not_ask_again(
    store: MemoryStore, world: World
) -> None:
    runs = 0

    async def dies_once(step: Any, call: Call) -> str:
        nonlocal runs
        runs += 1
        found = await look(step, call)
        if runs == 1:
            raise KeyboardInterrupt
        return found

    ports = make_ports(store, world, LOOK, ANGRY, DONE, tool=dies_once)
    with pytest.raises(KeyboardInterrupt):
        await advance(ports, await store_thread(store, make_message()))
    thread = await advance(ports, await store.load("t"))
    assert (runs, len(consulted(thread)), thread.state.status) == (2, 1, "finished")


async def test_the_same_question_twice_in_one_run_is_asked_twice(
    store: MemoryStore, world: World
) -> None:
    async def twice(step: Any, call: Call) -> str:
        both = await asyncio.gather(look(step, call), look(step, call))
        return " ".join(both)

    calm = {"intent": "mood", "word": "calm"}
    ports = make_ports(store, world, LOOK, ANGRY, calm, DONE, tool=twice)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert [past.data["call"] for past in consulted(thread)] == [ANGRY, calm]


async def test_an_invalid_answer_is_asked_again_with_the_error(
    store: MemoryStore, world: World
) -> None:
    wrong = {"intent": "mood", "word": "sad"}
    ports = make_ports(store, world, LOOK, wrong, ANGRY, DONE)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert [sorted(past.data.keys() & {"call", "error"}) for past in consulted(thread)] == [
        ["error"],
        ["call"],
    ]
    assert "<invalid_step>" in prompts(ports)[2].blocks[-1]


async def test_a_model_that_never_answers_with_the_shape_is_a_failure_of_the_tool(
    store: MemoryStore, world: World
) -> None:
    ports = make_ports(store, world, LOOK, "no", "no", "no", DONE)
    thread = await advance(ports, await store_thread(store, make_message()))
    failure = next(past for past in thread.events if past.type == "tool_failed")
    assert "did not answer with a Mood" in failure.data["error"]


async def test_a_prompt_file_that_does_not_exist_is_named(store: MemoryStore, world: World) -> None:
    async def wrong(step: Any, call: Call) -> str:
        return (await call.ask_model("moods.md", Mood)).word

    ports = make_ports(store, world, LOOK, DONE, tool=wrong)
    thread = await advance(ports, await store_thread(store, make_message()))
    failure = next(past for past in thread.events if past.type == "tool_failed")
    assert "has no prompt 'moods.md': mood.md" in failure.data["error"]


async def test_a_text_is_a_prompt_too(store: MemoryStore, world: World) -> None:
    async def direct(step: Any, call: Call) -> str:
        return (await call.ask_model("Which mood?", Mood)).word

    ports = make_ports(store, world, LOOK, ANGRY, DONE, tool=direct)
    await advance(ports, await store_thread(store, make_message()))
    assert prompts(ports)[1].system == "Which mood?"


async def test_a_call_of_a_test_has_no_model_unless_it_is_given_one() -> None:
    call = Call("key", "", Thread("t"))
    with pytest.raises(NotImplementedError):
        await look(None, call)

    async def answer(prompt: str, shape: type[Any], **values: Any) -> Any:
        return shape(intent="mood", word="calm")

    assert await look(None, replace(call, ask_model=answer)) == "calm"


def test_every_prompt_file_of_an_agent_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "system.md").write_text("You are a test.", "utf-8")
    (tmp_path / "mood.md").write_text("Name the mood.", "utf-8")
    assert _prompts(tmp_path).files["mood.md"] == "Name the mood."


async def test_an_answer_is_not_lost_when_somebody_writes_meanwhile(
    store: MemoryStore, world: World
) -> None:
    async def interrupted(step: Any, call: Call) -> str:
        await store.append(await store.load("t"), make_message("wait", "bob"))
        return await look(step, call)

    ports = make_ports(store, world, LOOK, ANGRY, DONE, tool=interrupted)
    thread = await advance(ports, await store_thread(store, make_message()))
    assert list_types(thread)[3:6] == ["message", "consulted", "tool_finished"]


async def test_a_script_answers_the_questions_of_a_tool(store: MemoryStore, world: World) -> None:
    ports = make_ports(store, world)
    script = ScriptedLLM(Line(LOOK, replies=(ANGRY,)), Line(DONE))
    thread = await advance(rebind(ports, llm=script), await store_thread(store, make_message()))
    assert [past.data["call"] for past in consulted(thread)] == [ANGRY]
    assert thread.state.status == "finished"


async def test_a_script_without_a_reply_says_where_it_belongs(
    store: MemoryStore, world: World
) -> None:
    ports = rebind(make_ports(store, world), llm=ScriptedLLM(Line(LOOK), Line(DONE)))
    thread = await advance(ports, await store_thread(store, make_message()))
    failure = next(past for past in thread.events if past.type == "tool_failed")
    assert (
        "no reply to question 1 of the tool of step 1: add it to `replies`"
        in (failure.data["error"])
    )

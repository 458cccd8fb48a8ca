"""The composition root: what an owner's files may lack, and what it says of mistakes in them."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, SecretStr

from agent.engine import Agent, Finish, Step, parts
from agent.engine.build import Application
from agent.engine.context.window import Prompt
from agent.engine.llms.fallback import FallbackLLM
from agent.engine.llms.scripted import ScriptedLLM
from agent.engine.log.errors import Misconfigured, ModelRefused, RedactionFailed
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.api import launch
from agent.engine.loop.ports import Ports, Reply
from agent.engine.options import ModelOptions
from agent.engine.people.poll import PollChannel
from agent.engine.runners.app import no_model
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from .domain import (
    Done,
    make_delivery,
    make_failure,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    make_thread,
    store_thread,
)

SYSTEM = "You are a test.\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@localhost/none")
    return tmp_path


def least(prompts: Path | str) -> Agent:
    """Declare an agent with nothing that may be left out."""
    return Agent(steps=Done, decide=lambda step, thread: Finish(step.message), prompts=prompts)


def test_an_owner_s_store_takes_the_place_of_the_chosen_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "runner", LocalRunner)  # another one may need its own store
    made: list[MemoryStore] = []

    def mine() -> MemoryStore:
        made.append(MemoryStore())
        return made[0]

    built = Application({"least": least("You are terse.")}, store=mine).build(no_model)
    assert [built.ports.store] == made


def test_a_channel_gets_the_ports_if_it_needs_them() -> None:
    class Connected(PollChannel):
        def connect(self, ports: Ports) -> None:
            self.ports = ports

    mine = Connected()
    built = Application({"least": least("You are terse.")}, channels={"mine": mine})
    assert built.build(no_model).ports is mine.ports


async def test_an_agent_runs_without_anything_that_may_be_left_out(folder: Path) -> None:
    (folder / "system.md").write_text(SYSTEM, "utf-8")
    says = {"mine": lambda _: ScriptedLLM.of({"intent": "done", "message": "bye"})}
    built = Application({"least": least(folder)}, llms=says).build(lambda _: "mine:x").ports
    store = MemoryStore()
    ports = replace(built, store=store)
    await store_thread(store, make_message(reply_to="poll:"))
    assert (await LocalRunner(ports).finish("t")).state.status == "finished"
    prompts = ports.default.prompts
    assert prompts.system == SYSTEM
    assert "next_step" in prompts.next_step
    assert "summary" in prompts.compact


def test_a_text_is_the_system_prompt_itself() -> None:
    ports = Application({"least": least("You are terse.")}).build(no_model).ports
    assert ports.default.prompts.system == "You are terse."


def test_an_owner_s_prompts_replace_those_of_the_engine(folder: Path) -> None:
    for name in ("system", "next_step", "compact"):
        (folder / f"{name}.md").write_text(f"my {name}", "utf-8")
    prompts = Application({"least": least(folder)}).build(no_model).ports.default.prompts
    assert (prompts.system, prompts.next_step, prompts.compact) == (
        "my system", "my next_step", "my compact",
    )  # fmt: skip


def test_a_missing_system_prompt_is_named(folder: Path) -> None:
    with pytest.raises(Misconfigured, match=r"system\.md' is missing"):
        Application({"least": least(folder)}).build(no_model)


@pytest.mark.parametrize(
    ("model", "problem"), [("nobody:x", "'nobody:x' is none of"), ("x", "'x' is none of")]
)
def test_an_unknown_model_is_named(model: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem):
        Application({"least": least("Hi.")}).build(lambda _: model)


def test_an_agent_whose_shape_would_lose_a_value_does_not_start() -> None:
    class Charge(Step):
        intent: Literal["charge"]
        card: SecretStr

    agent = replace(least("Hi."), steps=Done | Charge)
    with pytest.raises(Misconfigured, match=r"Charge\.card: a secret is written as asterisks"):
        Application({"least": agent}).build(no_model)


def test_a_field_that_could_not_be_checked_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Charge(Step):
        intent: Literal["charge"]
        card: Annotated[str, AfterValidator({"4242": "4242"}.__getitem__)]

    monkeypatch.setattr(parts, "runner", LocalRunner)
    app = Application(
        {"least": replace(least("Hi."), steps=Done | Charge)},
        {"mine": make_named},
        store=MemoryStore,
    )
    app.build(lambda _: "mine:a")
    (logged,) = (one.getMessage() for one in caplog.records if "least" in one.getMessage())
    assert logged.startswith("Agent 'least': Charge: no valid call was found to check it with")


def test_each_agent_has_the_model_that_is_set_for_it() -> None:
    asked: list[str] = []

    def mine(name: str) -> Any:
        asked.append(name)
        return ScriptedLLM.of()

    agents = {"first": least("Hi."), "second": least("Hi.")}
    app = Application(agents, llms={"mine": mine}).build(lambda name: f"mine:{name}-model")
    assert asked == ["first-model", "second-model"]
    assert [one.model for one in app.ports.agents.values()] == [
        "mine:first-model", "mine:second-model",
    ]  # fmt: skip


def test_an_application_without_an_agent_says_so() -> None:
    with pytest.raises(Misconfigured, match=r"app\.py names no agent"):
        Application({}).build(no_model)


CARD = re.compile(r"\b\d{4}(?:[ -]?\d{4}){3}\b")


def hide_cards(text: str) -> str:
    return CARD.sub("[card]", text)


async def test_what_an_owner_removes_is_never_stored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "system.md").write_text(SYSTEM, "utf-8")
    monkeypatch.setattr(parts, "runner", LocalRunner)
    one = least(folder)
    made = MemoryStore()
    ports = Application({"least": one}, redact=hide_cards, store=lambda: made).build(no_model).ports
    card = "4111 1111 1111 1111"
    call = {"intent": "done", "message": card}
    thread = await store_thread(
        ports.store,
        make_message(f"my card is {card}"),
        make_step("done", message=card),
        make_start(2),
        make_result(2, {"card": card, card: [f"{card}!", 7]}),
        make_failure(3, f"no such card: {card}"),
        make_event("rated", "ana", step=2, rating="bad", text=card),
    )
    kept = [event.data for event in (await made.load(thread.id)).events]
    assert kept[0]["text"] == "my card is [card]"
    assert kept[1]["call"] == call, "the tool gets it as it is"
    assert kept[3]["output"] == {"card": "[card]", "[card]": ["[card]!", 7]}
    assert kept[4]["error"] == "no such card: [card]"
    assert kept[5]["text"] == "[card]"
    assert thread == await made.load(thread.id)


async def test_texts_of_waits_and_problems_are_redacted_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "system.md").write_text(SYSTEM, "utf-8")
    monkeypatch.setattr(parts, "runner", LocalRunner)
    made, card = MemoryStore(), "4111 1111 1111 1111"
    app = Application({"least": least(folder)}, redact=hide_cards, store=lambda: made)
    store = app.build(no_model).ports.store
    wait = make_pause("limit", problem=card, error=card, call={"intent": "done", "message": card})
    thread = await store_thread(
        store,
        make_message(),
        replace(wait, data=wait.data | {"text": f"Go on? {card}"}),
        make_delivery(2, error=f"no such number: {card}", reached={"slack": [card]}),
    )
    data = thread.event(2).data
    assert (data["text"], data["problem"], data["error"]) == ("Go on? [card]", "[card]", "[card]")
    assert data["call"]["message"] == card
    assert thread.event(3).data["error"] == "no such number: [card]"
    assert thread.event(3).data["reached"] == {"slack": [card]}
    other = await store_thread(store, make_message(), thread_id="other")
    await store.claim("me", 30, "other")
    await store.release("me", other, None, 1, f"the model does not like {card}")
    problems = {row.id: row.problem for row in await made.threads()}
    assert problems["other"] == "the model does not like [card]"


async def test_what_is_cut_is_redacted_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "system.md").write_text(SYSTEM, "utf-8")
    monkeypatch.setattr(parts, "runner", LocalRunner)
    app = Application({"least": least(folder)}, redact=hide_cards, store=MemoryStore)
    text = "x" * 49_967 + " 4111111111111111 " + "y" * 60_000
    store = app.build(no_model).ports.store
    thread = await store_thread(store, make_message(), make_start(1), make_result(2, text))
    assert "4111" not in thread.event(3).data["output"]


async def test_if_that_fails_nothing_is_stored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> str:
        raise ValueError("no")

    (folder / "system.md").write_text(SYSTEM, "utf-8")
    monkeypatch.setattr(parts, "runner", LocalRunner)
    made = MemoryStore()
    built = Application({"least": least(folder)}, redact=broken, store=lambda: made).build(no_model)
    with pytest.raises(RedactionFailed, match="`redact` failed"):
        await store_thread(built.ports.store, make_message("secret"))
    with pytest.raises(RedactionFailed):
        await launch(built.ports, "t", "secret", actor="ana", delivery="1", source="user")
    assert await made.ids() == []


def make_named(name: str) -> Any:
    """Return a model that answers with its name."""

    async def answer(*_: object) -> Reply:
        return Reply(name, {})

    return answer


async def test_the_models_of_a_list_are_asked_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "runner", LocalRunner)
    app = Application({"least": least("Hi.")}, {"mine": make_named}, store=MemoryStore)
    agent = app.build(lambda _: "mine:a, mine:b").ports.default
    assert isinstance(agent.llm, FallbackLLM)
    assert (await agent.llm(Prompt("", (), 0, ""), {})).text == "a"
    assert agent.model == "mine:a, mine:b"


async def test_an_owner_chooses_the_model_by_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def choose(thread: Thread) -> str:
        match thread.last_message:
            case "broken":
                raise ValueError("oh")
            case "elsewhere":
                return "nowhere:x"
        return "mine:big" if thread.state.version > 1 else ""

    monkeypatch.setattr(parts, "runner", LocalRunner)
    one = replace(least("Hi."), model=choose)
    app = Application({"least": one}, {"mine": make_named}, store=MemoryStore)
    agent = app.build(lambda _: "mine:small").ports.default
    short, long = make_thread(make_message()), make_thread(make_message(), make_message())
    for thread, name in ((short, "small"), (long, "big"), (short, "small")):
        chosen = agent.for_thread(thread)
        assert chosen.model == f"mine:{name}"
        assert (await chosen.llm(Prompt("", (), 0, ""), {})).text == name
    assert agent.for_thread(long).llm is agent.for_thread(long).llm
    with pytest.raises(ModelRefused, match=r"`model` of the agent failed \(ValueError: oh\)"):
        agent.for_thread(make_thread(make_message("broken")))
    with pytest.raises(Misconfigured, match="'nowhere:x' is none of"):
        agent.for_thread(make_thread(make_message("elsewhere")))


def test_the_options_of_an_agent_reach_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[ModelOptions] = []

    def make(name: str, options: ModelOptions) -> Any:
        got.append(options)
        return make_named(name)

    monkeypatch.setattr(parts, "runner", LocalRunner)
    monkeypatch.setitem(parts.LLMS, "mine", make)
    monkeypatch.setenv("MODEL_OPTIONS", '{"effort": "high", "max_output": 100}')
    one = replace(least("Hi."), options=ModelOptions(effort="low"))
    Application({"least": one}, store=MemoryStore).build(lambda _: "mine:a")
    assert got == [ModelOptions(effort="low", max_output=100)]


class Staff:
    """People whom another program knows."""

    def find_members(self, name: str) -> tuple[str, ...]:
        return {"support": ("sam",), "sam": ("sam",)}.get(name, ())

    def find_teams(self, person: str) -> tuple[str, ...]:
        return ("support",) if person == "sam" else ()

    def is_admin(self, person: str) -> bool:
        return False


def test_a_directory_of_one_s_own_takes_the_place_of_people_toml(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "runner", LocalRunner)
    agent = replace(least(SYSTEM), responsible=("support",))
    app = Application({"a": agent}, store=MemoryStore, directory=Staff()).build(no_model)
    assert app.ports.directory.find_members("support") == ("sam",)
    unknown = replace(agent, responsible=("sales",))
    with pytest.raises(Misconfigured, match="'sales' is not a person or team"):
        Application({"a": unknown}, store=MemoryStore, directory=Staff()).build(no_model)

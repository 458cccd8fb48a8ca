"""Launching from a program of one's own: what each call does, on a store of every kind."""

import asyncio

import pytest

from agent.engine import Agent, Finish, embed, parts
from agent.engine.build import Application
from agent.engine.log.errors import Misconfigured, Refused, ThreadNotFound
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from .domain import Done, list_types, make_pause


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Give the program two agents and a store in memory."""
    kept = MemoryStore()
    agent = Agent(
        steps=Done, decide=lambda step, _: Finish(step.message), prompts="You are a test.\n"
    )

    def build(model_of: ModelOf) -> App:
        agents = {"deploy": agent, "support": agent}
        return Application(agents, store=lambda: kept).build(model_of)

    monkeypatch.setattr(parts, "runner", LocalRunner)
    monkeypatch.setattr(embed, "build", build)
    return kept


async def test_a_program_starts_a_thread_of_an_agent() -> None:
    thread = await embed.launch("support", "help", actor="ana")
    assert list_types(await embed.read(thread.id)) == ["message"]
    assert (thread.state.agent, thread.state.owner) == ("support", "ana")


async def test_a_conversation_is_one_thread_and_a_delivery_one_message() -> None:
    one = await embed.launch("deploy", "hello", "order:17", actor="ana", delivery="1")
    again = await embed.launch("deploy", "hello", "order:17", actor="ana", delivery="1")
    more = await embed.launch("deploy", "more", "order:17", actor="ben", delivery="2")
    other = await embed.launch("deploy", "hello", "order:18", actor="ana", delivery="1")
    assert one.id == again.id == more.id != other.id
    assert list_types(more) == ["message", "message"]


async def test_without_names_each_launch_is_a_thread() -> None:
    one = await embed.launch("", "hello", actor="ana")
    other = await embed.launch("", "hello", actor="ana")
    assert one.id != other.id


async def test_a_retried_delivery_without_a_conversation_is_one_thread() -> None:
    one = await embed.launch("", "hello", actor="ana", delivery="job:1")
    again = await embed.launch("", "hello", actor="ana", delivery="job:1")
    assert one.id == again.id
    assert list_types(again) == ["message"]


async def test_an_agent_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(Misconfigured, match=r"no agent 'sales' in app\.py: deploy, support"):
        await embed.launch("sales", "help", actor="ana")


@pytest.mark.parametrize("name", ["", " ", "agent", "system", "anyone", "owner"])
async def test_a_program_cannot_act_under_a_reserved_name(name: str) -> None:
    thread = await embed.launch("", "hello", actor="ana")
    with pytest.raises(Misconfigured, match="name a person"):
        await embed.launch("", "hello", actor=name)
    with pytest.raises(Misconfigured, match="name a person"):
        await embed.resume(thread.id, 2, "expired", actor=name)
    with pytest.raises(Misconfigured, match="name a person"):
        await embed.cancel(thread.id, actor=name)


async def test_a_conversation_stays_with_its_agent() -> None:
    await embed.launch("deploy", "hello", "order:17", actor="ana")
    with pytest.raises(Refused, match="with the agent 'deploy', not 'support'"):
        await embed.launch("support", "hello", "order:17", actor="ana")


async def test_lists_and_threads_are_those_that_the_reader_may_read() -> None:
    hers = await embed.launch("", "hers", actor="ana")
    his = await embed.launch("", "his", actor="ben")
    assert {row.id for row in await embed.threads()} == {hers.id, his.id}
    assert [row.id for row in await embed.threads(reader="ana")] == [hers.id]
    assert await embed.threads(status="finished") == []
    assert (await embed.read(hers.id, reader="ana")).id == hers.id
    with pytest.raises(ThreadNotFound):
        await embed.read(his.id, reader="ana")


async def test_a_program_answers_for_a_person_who_is_asked(store: MemoryStore) -> None:
    thread = await embed.launch("", "hello", actor="ana")
    asked = await store.append(thread, make_pause("question"))
    with pytest.raises(Refused):
        await embed.resume(thread.id, 2, "answer", actor="eve", text="yes")
    answered = await embed.resume(
        thread.id, asked.events[-1].seq, "answer", actor="ana", text="yes"
    )
    assert list_types(answered) == ["message", "paused", "resumed"]


async def test_a_program_cancels_a_thread() -> None:
    thread = await embed.launch("", "hello", actor="ana")
    ended = await embed.cancel(thread.id, actor="ana", reason="the order is gone")
    assert ended.state.status == "cancelled"


async def test_a_program_follows_a_thread() -> None:
    thread = await embed.launch("", "hello", actor="ana")
    types = []

    async def follow() -> None:
        async for event in embed.follow(thread.id):
            types.append(event.type)
            if event.type == "cancelled":
                return

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await embed.cancel(thread.id, actor="ana")
    await asyncio.wait_for(following, 5)
    assert types == ["message", "cancelled"]
    assert (await anext(embed.follow(thread.id, after=1))).type == "cancelled"


def test_each_event_loop_has_a_store_of_its_own() -> None:
    """As in a task queue that runs each task by `asyncio.run`."""
    one = asyncio.run(embed.launch("", "hello", "order:17", actor="ana", delivery="1"))
    more = asyncio.run(embed.launch("", "more", "order:17", actor="ana", delivery="2"))
    assert one.id == more.id


async def test_a_connection_needs_postgresql() -> None:
    with pytest.raises(Misconfigured, match="needs the store 'postgres'"):
        await embed.launch("", "hello", actor="ana", connection=object())

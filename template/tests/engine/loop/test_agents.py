"""Several agents in one repository: each thread is one agent's, named by its first message."""

from dataclasses import replace
from typing import Any

import pytest

from agent.engine.log.errors import AgentGone, Refused
from agent.engine.loop.advance import advance
from agent.engine.loop.api import cancel, launch
from agent.engine.loop.ports import Ports
from agent.engine.people.identity import AnyName
from agent.engine.people.poll import PollChannel
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import Direct, Says, World, build_agent, make_message, make_thread, store_thread

BYE = {"intent": "done", "message": "bye"}
SENT: dict[str, Any] = {"actor": "ana", "source": "user"}


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    agents = {
        name: build_agent(Says(BYE | {"message": name}), world, name=name)
        for name in ("first", "second")
    }
    return Ports(store, Direct(PollChannel()), agents, AnyName())


@pytest.mark.parametrize(("agent", "answers"), [("", "first"), ("second", "second")])
async def test_a_thread_is_for_the_agent_that_its_first_message_names(
    agent: str, answers: str, ports: Ports
) -> None:
    thread = await launch(ports, "t", "hello", delivery="1", agent=agent, **SENT)
    assert thread.state.agent == answers
    done = (await advance(ports, thread)).thread
    assert [each.data["message"] for each in done.events if each.type == "finished"] == [answers]


async def test_a_thread_that_names_none_is_the_default_agent_s(
    ports: Ports, store: MemoryStore
) -> None:
    done = (await advance(ports, await store_thread(store, make_message()))).thread
    assert done.state.status == "finished"
    assert ports.get_agent(done).name == "first"


@pytest.mark.parametrize(
    ("named", "found"), [({}, "first"), ({"agent": "second"}, "second"), ({"agent": "third"}, None)]
)
def test_the_agent_of_a_thread_is_found_or_is_gone(
    named: dict[str, Any], found: str | None, ports: Ports
) -> None:
    agent = ports.find_agent(make_thread(make_message(**named)))
    assert (agent.name if agent else None) == found


def test_an_agent_may_choose_its_model_for_each_thread(ports: Ports) -> None:
    chooses = replace(ports.default, choose=lambda thread: {"model": f"for {thread.id}"})
    thread = make_thread(make_message())
    assert chooses.for_thread(thread).model == "for t"
    assert ports.default.for_thread(thread) is ports.default


async def test_a_conversation_stays_with_its_agent(ports: Ports, store: MemoryStore) -> None:
    await launch(ports, "t", "hello", delivery="1", agent="second", **SENT)
    await launch(ports, "t", "hello", delivery="2", **SENT)
    thread = await launch(ports, "t", "hello", delivery="3", agent="first", **SENT)
    assert (thread.state.version, thread.state.agent) == (3, "second")


async def test_a_strict_message_is_refused_by_another_agent_s_conversation(
    ports: Ports, store: MemoryStore
) -> None:
    await launch(ports, "t", "hello", delivery="1", agent="second", **SENT)
    with pytest.raises(Refused, match="with the agent 'second', not 'first'"):
        await launch(ports, "t", "hello", delivery="2", agent="first", strict=True, **SENT)
    assert (await store.load("t")).state.version == 1


async def test_a_strict_message_begins_a_conversation_and_goes_on_with_it(ports: Ports) -> None:
    for delivery in "12":
        to: dict[str, Any] = {"delivery": delivery, "agent": "second", "strict": True}
        thread = await launch(ports, "t", "hello", **to, **SENT)
    assert thread.state.version == 2


async def test_a_conversation_that_names_no_agent_is_with_the_default_one(
    ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, make_message())
    thread = await launch(ports, "t", "hello", delivery="1", agent="first", strict=True, **SENT)
    assert thread.state.version == 2
    with pytest.raises(Refused, match="with the agent 'first', not 'second'"):
        await launch(ports, "t", "hello", delivery="2", agent="second", strict=True, **SENT)


async def test_an_agent_that_is_not_there_starts_nothing(ports: Ports, store: MemoryStore) -> None:
    with pytest.raises(AgentGone, match=r"no agent 'third' in app\.py: first, second"):
        await launch(ports, "t", "hello", delivery="1", agent="third", **SENT)
    assert await store.threads() == []


async def test_a_thread_whose_agent_is_gone_says_why_and_goes_on_when_it_is_back(
    ports: Ports, store: MemoryStore, clock: Clock
) -> None:
    await launch(ports, "t", "hello", delivery="1", agent="second", **SENT)
    fewer = replace(ports, agents={"first": ports.agents["first"]})
    with pytest.raises(AgentGone, match="no agent 'second'"):
        await LocalRunner(fewer).finish("t")
    assert (await store.load("t")).state.version == 1
    clock.tick(600)
    done = await LocalRunner(ports).finish("t")
    assert done.state.status == "finished"


async def test_a_thread_whose_agent_is_gone_may_be_cancelled(
    ports: Ports, store: MemoryStore
) -> None:
    await launch(ports, "t", "hello", delivery="1", agent="second", **SENT)
    fewer = replace(ports, agents={"first": ports.agents["first"]})
    await cancel(fewer, "t", actor="ana")
    assert (await store.load("t")).state.status == "cancelled"

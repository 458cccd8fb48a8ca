"""The agent as an MCP server: the official client drives it, in the newest version and before."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import TextResourceContents

from agent.engine.log.errors import StoreFailed
from agent.engine.log.thread import Thread
from agent.engine.loop.deletion import forget
from agent.engine.loop.ports import Ports
from agent.engine.mcp.serving import build_server
from agent.engine.people.access import list_readers
from agent.engine.people.poll import PollChannel
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Asleep,
    Says,
    Town,
    World,
    build_ports,
    list_types,
    make_message,
    make_pause,
    make_step,
    rebind,
    store_thread,
)
from ..family import ASK, DONE, END, HAND, Family

PUT = {"intent": "put", "value": "x"}
As = Callable[[str], AbstractAsyncContextManager["Driver"]]


class Driver:
    """Somebody's model with the official client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        found: dict[str, Any] = result.structured_content
        (text,) = result.content
        assert json.loads(text.text) == found  # type: ignore[union-attr]
        return found

    async def fail(self, tool: str, **arguments: Any) -> str:
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        (text,) = result.content
        return str(text.text)  # type: ignore[union-attr]

    async def read(self, uri: str) -> dict[str, Any]:
        (content,) = (await self.client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents)
        found: dict[str, Any] = json.loads(content.text)
        return found


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    ports = build_ports(store, Says(), world, directory=Town(admins=("root",)), also=("other",))
    store.list_readers = partial(list_readers, ports)
    return ports


@pytest.fixture(params=["auto", "legacy"])
def as_(request: pytest.FixtureRequest, ports: Ports, runner: Asleep) -> As:
    """Drive the agent as a person, whom a transport has authenticated."""

    @asynccontextmanager
    async def drive(name: str) -> AsyncIterator[Driver]:
        server = build_server(App(ports, runner), lambda _: name)
        async with Client(server, mode=request.param) as client:
            yield Driver(client)

    return drive


async def begin_anas(store: MemoryStore, kind: str = "approval", *asked: str) -> Thread:
    """Store a thread of ana's that waits."""
    call = PUT if kind in ("approval", "in_doubt") else None
    wait = make_pause(kind, *(asked or ("ana",)), call=call)
    return await store_thread(store, make_message("the plan", "ana"), make_step(**PUT), wait)


async def test_the_tools_say_what_they_take(as_: As) -> None:
    async with as_("ana") as ana:
        tools = {tool.name: tool for tool in (await ana.client.list_tools()).tools}
    assert [*tools] == ["start", "status", "wait_for", "answer", "list_waiting"]
    assert tools["start"].input_schema["required"] == ["text", "key"]
    assert all(tool.input_schema["additionalProperties"] is False for tool in tools.values())
    assert tools["status"].annotations
    assert tools["status"].annotations.read_only_hint


async def test_a_task_is_recorded_once_however_often_it_is_sent(
    as_: As, store: MemoryStore, runner: Asleep
) -> None:
    async with as_("ana") as ana:
        first = await ana.call("start", text="do it", key="k1")
        again = await ana.call("start", text="do it", key="k1")
        assert first == again
        assert first["status"] == "running"
        assert "another text" in await ana.fail("start", text="do more", key="k1")
        other = await ana.call("start", text="do it", key="k2")
    thread = await store.load(first["thread"])
    assert list_types(thread) == ["message"]
    assert (thread.events[0].actor, thread.events[0].data["source"]) == ("ana", "mcp")
    assert other["thread"] != first["thread"]
    assert first["thread"] in runner.woken


async def test_the_key_of_somebody_else_is_another_one(as_: As) -> None:
    async with as_("ana") as ana, as_("bob") as bob:
        hers = await ana.call("start", text="do it", key="k")
        his = await bob.call("start", text="do it", key="k")
    assert hers["thread"] != his["thread"]


async def test_an_agent_is_named_and_a_key_stays_with_it(as_: As) -> None:
    async with as_("ana") as ana:
        assert (await ana.call("start", text="a", key="1", agent="other"))["agent"] == "other"
        assert "the agents are test, other" in await ana.fail(
            "start", text="a", key="2", agent="none"
        )
        assert "this conversation is with the agent 'other'" in await ana.fail(
            "start", text="a", key="1", agent="test"
        )


async def test_a_task_is_followed_to_its_result(
    as_: As, ports: Ports, store: MemoryStore, world: World
) -> None:
    llm = Says({"intent": "ask_person", "question": "which?"}, {"intent": "done", "message": "did"})
    ports = rebind(ports, llm=llm)
    working = LocalRunner(ports, poll_s=0.01)
    async with as_("ana") as ana:
        thread = (await ana.call("start", text="do it", key="k"))["thread"]
        await working.finish(thread)
        asked = await ana.call("wait_for", thread=thread)
        assert asked["status"] == "waiting:question"
        assert asked["waiting"]["text"] == "which?"
        assert asked["waiting"]["yours"] is True
        given = {"thread": thread, "wait": asked["waiting"]["wait"], "text": "that one"}
        assert (await ana.call("answer", **given))["status"] == "running"
        assert (await ana.call("wait_for", thread=thread, seconds=0))["status"] == "running"
        await working.finish(thread)
        ended = await ana.call("wait_for", thread=thread)
        assert (ended["status"], ended["result"]) == ("finished", "did")
    said = next(past for past in (await store.load(thread)).events if past.type == "resumed")
    assert (said.actor, said.data["text"]) == ("ana", "that one")


@pytest.mark.parametrize("kind", ["approval", "limit", "in_doubt", "job", "timer"])
async def test_what_a_person_decides_comes_back_with_where(
    as_: As, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://agent.example")
    thread = await begin_anas(store, kind)
    async with as_("ana") as ana:
        for found in (
            (await ana.call("status", thread="t"))["waiting"],
            (await ana.call("list_waiting"))["waiting"][0],
        ):
            assert found["link"] == "https://agent.example/waits/t/3"
            assert found["for"] == "a person"
            assert not {"digest", "call"} & found.keys()
        why = await ana.fail("answer", thread="t", wait=3, text="approve")
        assert f"a person decides on this {kind}, not you: https://agent.example/waits/t/3" in why
    assert (await store.load("t")).events == thread.events


async def test_without_a_server_people_are_led_to_the_terminal(
    as_: As, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBLIC_URL", raising=False)
    await begin_anas(store)
    async with as_("ana") as ana:
        found = await ana.call("status", thread="t")
    assert "agent inbox" in found["waiting"]["command"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("approve", {"thread": "t", "wait": 3}),
        ("resume", {"thread": "t", "wait": 3, "verdict": "approve"}),
    ],
)
async def test_there_is_no_tool_that_approves(
    as_: As, store: MemoryStore, tool: str, arguments: dict[str, Any]
) -> None:
    await begin_anas(store)
    async with as_("ana") as ana:
        with pytest.raises(MCPError, match="there is no tool"):
            await ana.client.call_tool(tool, arguments)
        for forged in ({"verdict": "approve"}, {"digest": "x"}, {"actor": "root"}):
            why = await ana.fail("answer", thread="t", wait=3, text="yes", **forged)
            assert "Extra inputs are not permitted" in why
    assert (await store.load("t")).state.status == "waiting:approval"


@pytest.mark.parametrize("thread", ["t", "none", "../t", "t%00", "T", "x" * 64])
async def test_a_thread_of_others_is_as_if_it_did_not_exist(
    as_: As, store: MemoryStore, thread: str
) -> None:
    await begin_anas(store, "question", "ana")
    before = (await store.load("t")).events
    async with as_("bob") as bob:
        said = {
            await bob.fail("status", thread=thread),
            await bob.fail("wait_for", thread=thread, seconds=0),
            await bob.fail("answer", thread=thread, wait=3, text="mine"),
        }
        assert said == {f"there is no thread {thread!r}"}
        with pytest.raises(MCPError, match="there is no thread"):
            await bob.read(f"thread://{thread}")
        assert (await bob.call("list_waiting"))["waiting"] == []
        assert (await bob.client.list_resources()).resources == []
    assert (await store.load("t")).events == before


async def test_only_whom_a_question_is_for_answers_it(as_: As, store: MemoryStore) -> None:
    await begin_anas(store, "question", "carla")
    async with as_("ana") as ana:
        assert (await ana.call("status", thread="t"))["waiting"]["yours"] is False
        assert "ana is not asked" in await ana.fail("answer", thread="t", wait=3, text="me")
        assert "not waiting" in await ana.fail("answer", thread="t", wait=2, text="me")


async def test_who_may_not_write_starts_nothing_more(
    as_: As, ports: Ports, store: MemoryStore
) -> None:
    async with as_("ana") as ana:
        await ana.call("start", text="do it", key="k")
        for agent in ports.agents.values():
            object.__setattr__(agent, "may", lambda person, act, thread: False)
        assert "ana may not write" in await ana.fail("start", text="do it", key="k")


async def test_a_deleted_thread_takes_no_late_message(as_: As, ports: Ports) -> None:
    async with as_("ana") as ana:
        thread = (await ana.call("start", text="do it", key="k"))["thread"]
        from agent.engine.loop.api import cancel

        await cancel(ports, thread, actor="ana")
        await forget(ports, thread, actor="root")
        assert "no thread" in await ana.fail("status", thread=thread)
        assert "deleted" in await ana.fail("start", text="do it", key="k")


async def test_the_log_of_a_thread_is_a_resource(as_: As, store: MemoryStore) -> None:
    await begin_anas(store)
    async with as_("ana") as ana:
        (listed,) = (await ana.client.list_resources()).resources
        assert (listed.uri, listed.title) == ("thread://t", "the plan")
        (template,) = (await ana.client.list_resource_templates()).resource_templates
        assert template.uri_template == "thread://{thread}"
        found = await ana.read("thread://t")
        assert [event["type"] for event in found["events"]] == ["message", "step", "paused"]
        with pytest.raises(MCPError, match="there is no resource"):
            await ana.client.read_resource("file:///etc/passwd")


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("start", {"text": "x"}, "key: Field required"),
        ("start", {"text": "", "key": "k"}, "text: Value should have at least 1"),
        ("start", {"text": "x" * 80_001, "key": "k"}, "text: Value should have at most 80000"),
        ("start", {"text": "x", "key": "with space"}, "key: String should match"),
        ("wait_for", {"thread": "t", "seconds": 51}, "seconds: Input should be less than"),
        ("answer", {"thread": "t", "wait": 0, "text": "x"}, "wait: Input should be greater"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_in_words(
    as_: As, tool: str, arguments: dict[str, Any], why: str
) -> None:
    async with as_("ana") as ana:
        assert why in await ana.fail(tool, **arguments)


async def test_a_fault_here_tells_a_client_nothing_about_it(
    as_: As, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError("the secret of line 7")

    async def away(*_: Any) -> Any:
        raise StoreFailed("the database rejects a statement")

    async with as_("ana") as ana:
        monkeypatch.setattr(store, "load", broken)
        with pytest.raises(MCPError) as error:
            await ana.client.call_tool("status", {"thread": "t"})
        assert "secret" not in str(error.value)
        monkeypatch.setattr(store, "load", away)
        assert "rejects a statement" in await ana.fail("status", thread="t")


async def test_whoever_waits_for_a_parent_learns_which_child_needs_somebody(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    family = Family(store, world, PollChannel())
    family.add("parent", HAND, END)
    family.add("child", ASK, DONE)
    store.list_readers = partial(list_readers, family.ports)
    await family.start()
    child = (await family.child()).id
    server = build_server(App(family.ports, runner), lambda _: "ana")
    async with Client(server) as client:
        ana = Driver(client)
        asked = await ana.call("wait_for", thread="t")
        assert (asked["status"], asked["waiting"]["child"]) == ("waiting:job", child)
        below = await ana.call("status", thread=child)
        await ana.call("answer", thread=child, wait=below["waiting"]["wait"], text="that one")
        settling = asyncio.create_task(family.settle())
        ended = await ana.call("wait_for", thread="t")
        await settling
    assert (ended["status"], ended["result"]) == ("finished", "all done")

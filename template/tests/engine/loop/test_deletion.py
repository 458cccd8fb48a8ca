"""A thread is deleted once it has ended, and its conversation goes on in another one."""

import pytest

from agent.engine.log.errors import Conflict, Forgotten, Refused
from agent.engine.log.events import Event, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.api import cancel, launch
from agent.engine.loop.conversations import find_conversation
from agent.engine.loop.deletion import forget
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..domain import Says, World, build_ports, make_answer, make_message, make_pause, store_thread

FINISHED = make_event("finished", message="bye")
ASKED = make_pause("question")


@pytest.mark.parametrize(
    ("events", "cancelling", "why"),
    [
        ([], False, "the thread runs"),
        ([], True, "the thread runs"),
        ([ASKED], False, "is waiting:question; cancel it first"),
    ],
)
async def test_a_thread_that_has_not_ended_is_not_deleted(
    events: list[Event], cancelling: bool, why: str, ports: Ports, store: MemoryStore
) -> None:
    thread = await store_thread(store, make_message(), *events)
    with pytest.raises(Refused, match=why):
        await forget(ports, "t", actor="ana", cancelling=cancelling)
    assert await store.load("t") == thread


@pytest.mark.parametrize(
    ("last", "cancelling"), [(FINISHED, False), (FINISHED, True), (ASKED, True)]
)
async def test_a_thread_that_ended_or_is_cancelled_is_deleted(
    last: Event, cancelling: bool, ports: Ports, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), last)
    await forget(ports, "t", actor="ana", cancelling=cancelling)
    with pytest.raises(Forgotten):
        await store.load("t")


async def test_a_conversation_goes_on_in_another_thread(ports: Ports, store: MemoryStore) -> None:
    async def say(delivery: str) -> Thread:
        return await launch(ports, "t", "hi", actor="ana", delivery=delivery, source="user")

    await say("1")
    await cancel(ports, "t", actor="ana")
    await forget(ports, "t", actor="ana")
    with pytest.raises(Forgotten, match="'t' was deleted, and this message was for it"):
        await say("1")
    thread = await say("2")
    assert thread.id == await find_conversation(store, "t")
    assert thread.id == "523e8123-734d-591f-9242-f62a5f9dd387", (
        "it is the same in every version of the code"
    )


@pytest.mark.parametrize("later", [[], [ASKED]], ids=["it goes on", "it waits again"])
async def test_a_wait_that_was_answered_meanwhile_is_not_cancelled(
    later: list[Event], world: World
) -> None:
    class Answered(MemoryStore):
        async def append(self, thread: Thread, *events: Event) -> Thread:
            if events[0].type == "cancelled" and thread.state.version == 2:
                await super().append(thread, make_answer(2, "answer"), *later)
            return await super().append(thread, *events)

    store = Answered()
    ports = build_ports(store, Says(), world)
    await store_thread(store, make_message(), ASKED)
    with pytest.raises(Refused, match="the thread no longer waits"):
        await forget(ports, "t", actor="ana", cancelling=True)
    assert (await store.load("t")).state.ended is None


async def test_a_thread_that_the_store_keeps_is_cancelled_and_not_deleted(world: World) -> None:
    class Leased(MemoryStore):
        async def forget(self, thread: Thread) -> None:
            raise Conflict("a runner holds it")

    store = Leased()
    await store_thread(store, make_message(), ASKED)
    with pytest.raises(Refused, match="a runner holds it; nothing was deleted"):
        await forget(build_ports(store, Says(), world), "t", actor="ana", cancelling=True)
    last = (await store.load("t")).events[-1]
    assert (last.type, last.actor, last.data) == ("cancelled", "ana", {"reason": "deleted"})

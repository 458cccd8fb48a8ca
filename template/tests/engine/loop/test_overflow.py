"""A prompt that the provider rejects as too long: it is summarized, or a person is asked."""

from typing import Any

import pytest

from agent.engine.context.window import Prompt
from agent.engine.log.errors import PromptTooLong
from agent.engine.log.events import Event, make_event
from agent.engine.loop.advance import MAX_COMPACTIONS
from agent.engine.loop.ports import Reply
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Says,
    World,
    advance,
    build_ports,
    list_types,
    make_message,
    make_result,
    make_start,
    make_step,
    store_thread,
)

DONE = {"intent": "done", "message": "bye"}
SUMMARY = {"intent": "summarize", "summary": "much was looked at"}


INVALID = make_event("invalid_step", error="?", output="hm")


class Small:
    """A model that takes so many blocks and no more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.last: tuple[str, ...] = ()

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        self.last = prompt.blocks
        if len(prompt.blocks) > self.room:
            raise PromptTooLong("prompt is too long: 210343 tokens > 200000 maximum")
        return await Says(SUMMARY if prompt.ask == "In short?" else DONE)(prompt, schema)


def looks(count: int) -> list[Any]:
    """Return so many looks, each with a result."""
    events = [make_message("look around")]
    for number in range(count):
        seq = len(events) + 1
        events += [make_step("look", at=f"place {number}"), make_start(seq), make_result(seq)]
    return events


@pytest.mark.parametrize("room", [8, 12])
async def test_what_the_provider_finds_too_long_is_summarized(
    store: MemoryStore, world: World, room: int
) -> None:
    model = Small(room)
    thread = await store_thread(store, *looks(7))
    thread = await advance(build_ports(store, model, world), thread)
    new = [kind for kind in list_types(thread)[len(looks(7)) :] if kind != "delivered"]
    assert new[:-2] == ["compacted"] * (len(new) - 2)
    assert new[-2:] == ["step", "finished"]
    assert 1 <= len(new) - 2 <= MAX_COMPACTIONS


async def test_a_question_for_a_summary_that_is_too_long_as_well_becomes_lines(
    store: MemoryStore, world: World
) -> None:
    model = Small(4)
    thread = await store_thread(store, *looks(7))
    thread = await advance(build_ports(store, model, world), thread)
    assert thread.state.status in ("finished", "waiting:limit")
    assert list_types(thread).count("compacted") <= MAX_COMPACTIONS
    assert any("look around" in block for block in model.last), "what people said stays"


@pytest.mark.parametrize(("events", "shortened"), [([], False), ([INVALID], True)])
async def test_two_blocks_can_be_shortened_and_one_cannot(
    events: list[Event], shortened: bool, store: MemoryStore, world: World
) -> None:
    model = Small(len(events))
    thread = await store_thread(store, make_message(), *events)
    thread = await advance(build_ports(store, model, world), thread)
    assert ("compacted" in list_types(thread)) is shortened


async def test_what_cannot_be_shortened_is_asked_about(store: MemoryStore, world: World) -> None:
    model = Small(0)
    thread = await advance(build_ports(store, model, world), await store_thread(store, *looks(3)))
    wait = thread.state.wait
    assert wait
    assert (wait.kind, wait.data["limit"]) == ("limit", "model")
    assert "prompt is too long" in wait.data["problem"]
    assert list_types(thread).count("compacted") <= MAX_COMPACTIONS

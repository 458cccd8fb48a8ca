"""The pages of threads of which one delegated to the other."""

import pytest
from fastapi import FastAPI

from agent.engine import inbox
from agent.engine.people.poll import PollChannel
from agent.engine.stores.memory import MemoryStore

from ..domain import Asleep, World
from ..family import ASK, DONE, END, HAND, Family
from ..http.conftest import TOKENS, api_of, caller
from .test_inbox import Browser


@pytest.fixture
def family(store: MemoryStore, world: World) -> Family:
    family = Family(store, world, PollChannel())
    family.add("parent", HAND, END)
    family.add("child", ASK, DONE)
    return family


@pytest.fixture
def api(family: Family, runner: Asleep) -> FastAPI:
    return api_of(family.ports, runner, inbox.serve)


async def test_both_pages_and_the_api_lead_to_the_other_thread(
    api: FastAPI, family: Family
) -> None:
    await family.start()
    child = (await family.child()).id
    async with caller(api) as client:
        ana = await Browser(client).sign_in("ana")
        above, below = await ana.get(), await ana.get(f"/inbox/{child}")
        bearer = {"Authorization": f"Bearer {TOKENS['ana']}"}
        read = (await client.get("/threads/t", headers=bearer)).json()
        listed = (await client.get("/threads", headers=bearer)).json()
    assert f'href="/inbox/{child}">Open the thread that this one waits for' in above
    assert f'href="/inbox/{child}">{child[:8]}' in above
    assert 'href="/inbox/t">delegated by another thread' in below
    assert (read["children"], read["wait"]["child"]) == ([child], child)
    assert {row["id"]: row["parent"] for row in listed} == {"t": "", child: "t"}


async def test_a_message_on_the_page_of_the_parent_answers_the_child(
    api: FastAPI, family: Family
) -> None:
    parent = await family.start()
    assert parent.state.wait
    async with caller(api) as client:
        ana = await Browser(client).sign_in("ana")
        sent = {"text": "the left one", "do": "message", "seen": str(parent.state.wait.seq)}
        assert (await ana.send(**sent)).status_code == 303
    assert (await family.settle()).state.status == "finished"


async def test_the_page_of_a_child_that_has_ended_says_where_to_write(
    api: FastAPI, family: Family
) -> None:
    await family.start()
    await family.said("the left one")
    await family.settle()
    child = (await family.child()).id
    async with caller(api) as client:
        ana = await Browser(client).sign_in("ana")
        assert "Write to the thread that delegated it." in await ana.get(f"/inbox/{child}")
        refused = await ana.send(f"/inbox/{child}", text="and now?", do="message", seen="")
    assert refused.status_code == 409
    assert "write to the one that delegated it, t" in refused.text
    assert "and now?" in refused.text
